"""Engines against the reference in chip time, on networks that hypothesis draws and shrinks.

FUZZ_N and FUZZ_ENGINES (make fuzz N=1000 ENGINES=fixed,onnx,lava) make runs longer. A failing
case is written to build/fuzz, as a directory that `neurocompile simulate` runs.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from fuzz.case_files import CASES, read_case, write_case
from fuzz.strategies import Case, cases
from hypothesis import HealthCheck, Phase, assume, given, note, settings

from neurocompile.engines import fixed
from neurocompile.engines.agree import run_engine
from neurocompile.errors import DoesNotFit
from neurocompile.ir import reference
from neurocompile.ir.time import lead_in
from neurocompile.ir.verify import verify

ROOT = Path(__file__).parents[2]
EXAMPLES = int(os.environ.get("FUZZ_N", "60"))
ENGINES = tuple(os.environ.get("FUZZ_ENGINES", "fixed,onnx").split(","))
# With a fixed seed the short run of `make test` draws the same networks everywhere.
SHORT = "FUZZ_N" not in os.environ


def differences(case: Case, engine: str) -> list[str]:
    """Layers in which an engine departs from the reference."""
    found = run_engine(engine, case.graph, case.encoded)
    wrong = []
    for sample in range(case.encoded.samples):
        values = {name: v[sample] for name, v in case.encoded.values.items()}
        fired, membrane = reference.run_fixed(case.graph, values, case.encoded.steps)
        for name, expected in fired.items():
            if not np.array_equal(found.spikes[name][sample], expected):
                wrong.append(f"{engine}: spikes of {name}, sample {sample}")
        for name, expected in membrane.items():
            if not np.array_equal(found.membrane[name][sample], expected):
                wrong.append(f"{engine}: potentials of {name}, sample {sample}")
    return wrong


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=SHORT,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(cases())
def test_all_engines_agree_with_the_reference_on_every_bit(case):
    verify(case.graph, "fixed")
    try:
        lead_in(case.graph)
        fixed.run(case.graph, case.encoded)
    except DoesNotFit:
        # Refused by design: no 24-bit start, a spike before step 1, a current beyond one wrap.
        assume(False)
    wrong = [line for engine in ENGINES for line in differences(case, engine)]
    if wrong:
        note(f"neurocompile simulate {write_case(case, ROOT / 'build/fuzz/case')}")
    assert not wrong


@pytest.mark.parametrize("path", sorted(CASES.glob("*.onnx")), ids=lambda path: path.stem)
@pytest.mark.parametrize("engine", ["fixed", "onnx", "lava"])
def test_a_network_that_once_failed_agrees(engine, path):
    assert differences(read_case(path), engine) == []
