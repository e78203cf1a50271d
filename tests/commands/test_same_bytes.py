"""The same request gives the same bytes: on more threads, in another locale, on a weaker processor.

Every file of an export is compared with the one that this process wrote, without an exception.
"""

import os
import shutil
import subprocess
import sys

import pytest

# What a processor without AVX computes with: each library has a way of its own to be told so.
NO_AVX = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
}
# Machine code of ours for a processor without AVX; it is compiled anew, which takes a while.
NO_AVX_IN_OURS = {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": ""}
THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "3"
)
ELSEWHERE = {
    "PYTHONHASHSEED": "77",
    "TZ": "Asia/Kathmandu",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "COLUMNS": "40",
}
VARIANTS = {
    "threads": THREADS,
    "one thread": dict.fromkeys(THREADS, "1"),
    "another hash seed": {"PYTHONHASHSEED": "1"},
    "another locale and time zone": ELSEWHERE,
    "no AVX in libraries": NO_AVX,
    "no AVX in our machine code": NO_AVX_IN_OURS,
    "all of it": {**THREADS, **ELSEWHERE, **NO_AVX, **NO_AVX_IN_OURS},
}


def written(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def exported_with(variables, model, folder):
    """The files of an export in a process with these variables, which runs in another folder."""
    folder.mkdir()
    shutil.copy(model, folder / model.name)
    (folder / "tmp").mkdir(mode=0o700)
    environment = {**os.environ, "TMPDIR": str(folder / "tmp"), **variables}
    done = subprocess.run(
        [sys.executable, "-m", "neurocompile.cli", "export", model.name, "--target", "loihi-sim",
         "--out", "sub/other name", "--engine", "fixed", "--samples", "12", "--quiet"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list((folder / "tmp").iterdir()) == []
    return written(folder / "sub/other name")


def require_same(ours, theirs):
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_threads_hash_seed_locale_folder_and_a_processor_without_avx_change_no_byte(
    exported, model, tmp_path
):
    variables = {**THREADS, **ELSEWHERE, **NO_AVX}
    require_same(written(exported[0]), exported_with(variables, model, tmp_path / "a folder, ü"))


HIDDEN = """
import numpy, torch, threadpoolctl, numba.core.registry as registry
from numpy._core._multiarray_umath import __cpu_features__ as units
(blas,) = {found["architecture"] for found in threadpoolctl.threadpool_info()
           if found["internal_api"] == "openblas"}
ours = registry.cpu_target.target_context.codegen().magic_tuple()[1:]
print(torch.backends.cpu.get_cpu_capability(), units["X86_V3"], blas, *ours)
"""


@pytest.mark.slow
def test_the_libraries_obey_what_hides_the_units():
    variables = {**os.environ, **NO_AVX, **NO_AVX_IN_OURS}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HIDDEN], env=variables,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["DEFAULT", "False", "Nehalem", "nehalem"]


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_such_thing_changes_a_byte(variant, exported, model, tmp_path):
    require_same(written(exported[0]), exported_with(VARIANTS[variant], model, tmp_path / "there"))
