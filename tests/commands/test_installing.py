"""`doctor --install`: pinned versions, and of each only the files that were pinned."""

import hashlib
import os
import zipfile

import pytest

from neurocompile.commands import installing
from neurocompile.commands.installing import canonical, hashes, install_pinned
from neurocompile.errors import BadInput, NotInstalled
from neurocompile.installed import pinned


def wheel(folder, name, text, needs=""):
    """A package with one module, and the SHA-256 of its file."""
    about = f"{name}-1.0.dist-info"
    file = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(f"{name}.py", text)
        packed.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
                        + f"Requires-Dist: {needs}\n" * bool(needs))  # fmt: skip
        packed.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\n"
                        "Root-Is-Purelib: true\nTag: py3-none-any\n")  # fmt: skip
        packed.writestr(f"{about}/RECORD", "")
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that is pip's only source, and one into which it installs."""
    (tmp_path / "wheels").mkdir()
    for variable in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    for variable, text in {
        "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_TARGET": str(tmp_path / "site"),
        "PIP_FIND_LINKS": str(tmp_path / "wheels"), "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(variable, text)
    monkeypatch.setattr(installing, "pinned", lambda: {"tiny_one": "1.0"})
    return tmp_path / "wheels"


def test_the_pinned_file_is_installed_with_what_it_needs_and_what_has_no_pin_is_named(
    index, monkeypatch, capfd
):
    sha256 = wheel(index, "tiny_one", "VALUE = 1", needs="tiny-other")
    wheel(index, "tiny_other", "VALUE = 2")
    monkeypatch.setattr(installing, "hashes", lambda: {"tiny-one==1.0": {"0" * 64, sha256}})
    install_pinned(["tiny_one"])
    site = index.parent / "site"
    assert {path.name for path in site.glob("*.py")} == {"tiny_one.py", "tiny_other.py"}
    assert "without a check of their files: tiny-other 1.0\n" in capfd.readouterr().err


def test_another_file_of_the_same_name_is_refused_and_nothing_of_it_installed(index, monkeypatch):
    sha256 = wheel(index, "tiny_one", "VALUE = 1")
    wheel(index, "tiny_one", "VALUE = 'changed'")
    monkeypatch.setattr(installing, "hashes", lambda: {"tiny-one==1.0": {sha256}})
    with pytest.raises(NotInstalled, match="a hash that differs means that the index serves"):
        install_pinned(["--no-deps", "tiny_one"])
    assert not (index.parent / "site/tiny_one.py").exists()


def test_a_build_that_was_not_pinned_is_refused_by_what_the_index_says_of_it(monkeypatch):
    offered = [installing.Wanted("torch", "2.13.0+other", "f" * 64)]
    monkeypatch.setattr(installing, "_resolved", lambda names: offered)
    monkeypatch.setattr(installing, "_pip", lambda arguments: pytest.fail("installed"))
    with pytest.raises(BadInput, match=r"torch 2\.13\.0\+other that is none of those pinned"):
        install_pinned(["torch"])


def test_every_pin_has_the_hashes_of_its_files_and_nothing_else_has():
    pins = {f"{canonical(name)}=={version}" for name, version in pinned().items()}
    found = hashes()
    assert set(found) == pins
    assert all(len(digest) == 64 for digests in found.values() for digest in digests)
    assert all(found.values())
