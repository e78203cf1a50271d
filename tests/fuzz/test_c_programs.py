"""The campaign of `make fuzz-c`, on a small sample."""

import c_programs
import pytest
from c_networks import compilers


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_random_networks_as_c_programs_have_every_bit_of_the_engine(compiler, capsys):
    if compiler not in compilers():
        pytest.skip(f"{compiler} is not installed; the other compiler is tested")
    first = {"gcc": "0", "clang": "10"}[compiler]
    words = ["--networks", "10", "--first", first, "--compilers", compiler]
    assert c_programs.main(words) == 0
    *_, total, _ = capsys.readouterr().out.splitlines()
    _, networks, values, differ, _ = total.replace(",", "").split()
    assert int(networks) >= 8
    assert int(values) > 50_000
    assert differ == "0"
