"""A function takes no more than a reader can hold: few parameters, and at most a screen of lines.

Read off the source of neurocompile/. What other packages force does not count: click hands a
command one argument per option, and numba compiles no dataclasses.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_PARAMETERS, MOST_LINES = 7, 80
AT_MOST_SIX = (
    "commands.simulate.run.simulate_artifact",
    "commands.check.gate.check_artifact",
    "commands.compare.compare.compare_artifact",
    "commands.energy.reprice.reprice",
    "engines.evaluate.evaluate",
)
BOUND = ("self", "cls", "ctx")  # ctx is what torch.autograd.Function hands to forward

# Functions that may be larger, each with its reason.
MANY_PARAMETERS = {
    "compiler.compile": "a user chooses each of them by name",
    "frontend.__init__.load": "a user chooses each of them by name",
    "nn.autoencoder.SpikingAutoencoder.__init__": "a user chooses each of them by name",
}
MANY_LINES: dict[str, str] = {}


def functions():
    """(name, node, text of its decorators) of every function and method of the package."""

    def walk(node, name):
        for child in ast.iter_child_nodes(node):
            inside = name
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inside = f"{name}.{child.name}"
            if isinstance(child, ast.FunctionDef):
                yield inside, child, [ast.unparse(d) for d in child.decorator_list]
            yield from walk(child, inside)

    for path in sorted((ROOT / "neurocompile").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT / "neurocompile").with_suffix("").parts)
        yield from walk(ast.parse(path.read_text()), module)


FUNCTIONS = list(functions())


def parameters(node):
    """How many arguments a caller may give."""
    arguments = node.args
    plain = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    more = sum(a is not None for a in (arguments.vararg, arguments.kwarg))
    return len(plain) - (plain[:1] != [] and plain[0] in BOUND) + len(arguments.kwonlyargs) + more


def forced(decorators):
    """Whether click or numba decides what the parameters are."""
    return any(d.startswith("click.") or d == "compiled" or ".njit" in d for d in decorators)


def test_no_function_takes_more_than_seven_parameters():
    large = {n for n, f, d in FUNCTIONS if parameters(f) > MOST_PARAMETERS and not forced(d)}
    assert large == set(MANY_PARAMETERS)


def test_no_function_is_longer_than_eighty_lines():
    large = {n for n, f, _ in FUNCTIONS if f.end_lineno - f.lineno + 1 > MOST_LINES}
    assert large == set(MANY_LINES)


@pytest.mark.parametrize("name", AT_MOST_SIX)
def test_what_runs_samples_takes_at_most_six_parameters(name):
    (found,) = (f for n, f, _ in FUNCTIONS if n == name)
    assert parameters(found) <= 6


def test_what_is_not_ours_to_choose_is_recognised_by_its_decorator():
    taken = {n for n, f, d in FUNCTIONS if parameters(f) > MOST_PARAMETERS and forced(d)}
    assert {"commands.simulate.command.simulate", "engines.fixed.loops.scatter"} <= taken
