"""The gate as a pytest fixture, which pytest finds if neurocompile is installed.

In:  a test that uses the fixture `neurocompile_check`.
Out: a function that fails the test with the table that the command prints.
Nothing heavy is imported before the function is called.

    def test_the_network_is_the_one_we_reviewed(neurocompile_check):
        neurocompile_check("build/mnist", "baselines/mnist.json")
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --neurocompile-update: write the baselines that tests name."""
    parser.getgroup("neurocompile").addoption(
        "--neurocompile-update", action="store_true", help="write baselines instead of checking"
    )


@pytest.fixture
def neurocompile_check(request: pytest.FixtureRequest) -> Callable[..., dict[str, Any]]:
    """A function (directory, baseline, *, engine, data, mode) that fails where the check fails.

    It returns what `neurocompile check --json` prints.
    """
    update = bool(request.config.getoption("--neurocompile-update"))

    def check(
        directory: str | Path,
        baseline: str | Path,
        *,
        engine: str = "onnx",
        data: str | None = None,
        mode: str | None = None,
    ) -> dict[str, Any]:
        from neurocompile.commands.check.gate import check_artifact, update_baseline
        from neurocompile.commands.check.measure import Runner
        from neurocompile.commands.check.render import render

        run = update_baseline if update else check_artifact
        result = run(Path(directory), Path(baseline), source=data, mode=mode, runner=Runner(engine))
        if not result["passed"]:
            pytest.fail(render(result, "table"), pytrace=False)
        return result

    return check
