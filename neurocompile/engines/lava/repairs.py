"""Check that lava-nc 0.10.0 is here, and make it run on today's Python and numpy.

In:  an installed lava-nc 0.10.0 that nothing has imported yet.
Out: the same package, importable and exact.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from neurocompile.engines.lava.modern import modernize
from neurocompile.errors import NotInstalled

LAVA_VERSION = "0.10.0"  # the last release: Intel has archived Lava


def require_lava() -> None:
    """Check the installed version, without importing it.

    Raises:
        NotInstalled: If lava-nc is not installed, or in another version.
    """
    try:
        installed = version("lava-nc")
    except PackageNotFoundError:
        installed = "none"
    if installed != LAVA_VERSION:
        raise NotInstalled(
            f"the lava engine needs lava-nc {LAVA_VERSION}; installed: {installed}. "
            "Run: neurocompile doctor --install lava"
        )


def apply() -> None:
    """Make every repair that this Python and this numpy need.

    Raises:
        NotInstalled: If lava-nc is not installed, or in another version.
    """
    require_lava()
    modernize()
