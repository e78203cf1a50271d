"""What a forward over time returns of its steps: all of them, the last, their sum, mean or maximum.

In:  the value that the forward returns, in torch.fx's record.
Out: the values that it is made of, one for each step, and how they are read: a decoder.
A softmax after them is left out, and said: it changes no order. Anything else is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from neurocompile.errors import Unsupported
from neurocompile.frontend import functions, joins
from neurocompile.frontend.loop_values import AfterLoop, At, Constant, Filling, Series
from neurocompile.ir.settings import Assumption, Decoder, DecoderKind, Task

Kind = Literal["all", "last", "sum", "mean", "max"]

SUMS = frozenset({"sum", torch.sum})
MEANS = frozenset({"mean", torch.mean})
MAXIMA = frozenset({"max", "amax", torch.max, torch.amax})
SOFTMAX_LAYERS: dict[type, Any] = {nn.Softmax: torch.softmax, nn.LogSoftmax: torch.log_softmax}
SOFTMAXES = frozenset(
    {
        *("softmax", "log_softmax", torch.softmax, torch.log_softmax),
        *(nn.functional.softmax, nn.functional.log_softmax),
    }
)
LARGER = frozenset({torch.maximum, torch.max, "max", "maximum"})


@dataclass(frozen=True, eq=False)
class Reading:
    """How a result is made of the values of all steps.

    Attributes:
        values: One for each step.
        kind: What is made of them.
        gain: What that is multiplied by.
        said: Sentences on what was left out.
        classifies: Whether a softmax was.
    """

    values: tuple[At, ...]
    kind: Kind
    gain: float = 1.0
    said: tuple[Assumption, ...] = ()
    classifies: bool = False

    def decoder(self, steps: int, spiking: bool) -> tuple[Decoder, tuple[Assumption, ...]]:
        """The decoder that does the same, and what is to be said about it.

        Args:
            steps: How many the result is made of.
            spiking: Whether the last layer spikes.
        """
        if self.kind == "all" or (spiking and self.kind in ("last", "max")):
            what = {"last": "the last step", "max": "the maximum"}.get(self.kind, "")
            words = f"the forward returns {what} of spikes, which no decoder reads: the result is "
            more = (Assumption("decoder", f"{words}the spikes of every step."),) if what else ()
            return Decoder(), (*self.said, *more)
        mean: DecoderKind = "rate" if spiking else "mean"
        kinds: dict[Kind, DecoderKind] = {"last": "last", "max": "max"}
        gain = self.gain * (steps if self.kind == "sum" else 1)
        task: Task = "classification" if self.classifies else "none"
        decoder = Decoder(kinds.get(self.kind, mean), gain, task=task)
        words = f"the result is read as the forward does: the decoder is '{decoder.kind}'"
        read = Assumption("decoder", f"{words}, gain {gain:g}.")
        return decoder, (*self.said, read)


@dataclass(frozen=True, eq=False)
class Result:
    """Follows what a forward returns back to the values of its steps.

    Attributes:
        values: What each call of the forward gave.
        steps: How many there are.
        layer: The module that a call of a layer calls.
        example: A tensor of the shape of a call's result.
        apply: What a layer of the forward makes of the values of steps; None where it may not.
        alike: A value of the last step, with those of the others that are computed like it.
        refuse: An error that names the line of a call and what is wrong there.
    """

    values: Mapping[fx.Node, Any]
    steps: int
    layer: Callable[[fx.Node], nn.Module]
    example: Callable[[fx.Node], Any]
    apply: Callable[[fx.Node, tuple[At, ...]], tuple[At, ...] | None]
    alike: Callable[[At], tuple[At, ...]]
    refuse: Callable[[fx.Node | None, str], Unsupported]

    def reading(self, returned: Any) -> Reading:
        """How the result is made of the steps.

        Raises:
            Unsupported: Naming the line that does something else with them.
        """
        said: tuple[Assumption, ...] = ()
        while isinstance(returned, tuple | list) and len(returned) and not self.parts(returned):
            if any(self._holds_signals(other) for other in returned[1:]):
                words = f"the forward returns {len(returned)} values: the first is the output."
                said = (Assumption("output", words),)
            returned = returned[0]
        parts = self.parts(returned)
        if parts:
            return Reading(parts, "all", said=said)
        if not isinstance(returned, fx.Node):
            kind = type(returned).__name__.removeprefix("immutable_")
            raise self.refuse(None, f"the forward returns a {kind}, not a tensor")
        reading = self._read(returned)
        return replace(reading, said=(*said, *reading.said))

    def parts(self, value: Any) -> tuple[At, ...] | None:
        """The values of all steps that a series, a full tensor or a list of the forward holds."""
        if isinstance(value, fx.Node):
            value = self.values[value]
        if isinstance(value, Series):
            return value.values if len(value.values) == self.steps else None
        if isinstance(value, Filling):
            return value.values if len(value.values) == value.length == self.steps else None
        if isinstance(value, list | tuple) and len(value) == self.steps:
            ats: list[Any] = [self.values.get(v) if isinstance(v, fx.Node) else v for v in value]
            in_order = all(isinstance(at, At) and at.step == step for step, at in enumerate(ats))
            return tuple(ats) if in_order else None
        return None

    def _through(self, node: fx.Node, x: Any) -> Reading | None:
        """A linear layer after a mean: the mean of what it makes of each step; None if it is not.

        A sum has its bias once, and each step would have it again.
        """
        layer = self.layer(node)
        if not isinstance(layer, nn.Linear | nn.Flatten | nn.Dropout | nn.Identity):
            return None
        inner = self._read(x)
        constant = getattr(layer, "bias", None) is not None
        if inner.kind == "max" or (constant and (inner.kind == "sum" or inner.gain != 1)):
            return None
        values = self.apply(node, inner.values)
        return None if values is None else replace(inner, values=values)

    def _holds_signals(self, returned: Any) -> bool:
        """Whether there are tensors in what is returned: a state is none."""
        nodes: list[Any] = []
        map_aggregate(returned, nodes.append)
        return any(isinstance(self.example(n), Tensor) for n in nodes if isinstance(n, fx.Node))

    def _read(self, node: fx.Node) -> Reading:
        value = self.values[node]
        parts = self.parts(value)
        if parts:
            return Reading(parts, "all")
        target, args, kwargs = self._call(node)
        x = args[0] if args else kwargs.get("input")
        whole, factor = _scaled(target, args)
        if target in SOFTMAXES:
            return self._without_softmax(node, x, target, args, kwargs)
        if factor is not None:
            inner = self._read(whole)
            if inner.kind == "sum" and inner.gain == 1 and factor == 1 / self.steps:
                return replace(inner, kind="mean")
            return replace(inner, gain=inner.gain * factor)
        if functions.picks(target) and isinstance(self.example(x), tuple) and args[1] == 0:
            target, args, kwargs = self._call(x)
            x = args[0] if args else None
            if target not in MAXIMA:
                target = None
        if functions.picks(target) and self.parts(x) and self._is_last(x, args[1]):
            return Reading(self.parts(x) or (), "last")
        if target in SUMS | MEANS | MAXIMA and not isinstance(value, At):
            return self._reduced(node, target, args, kwargs)
        if target in functions.RESHAPES and not isinstance(value, At):
            return self._read(x)
        if node.op == "call_module" and not isinstance(value, At):
            through = self._through(node, x)
            if through is not None:
                return through
        if isinstance(value, At):
            gathered = self._gathered(node)
            if gathered is not None:
                return gathered
            if value.step == self.steps - 1:
                return Reading(self.alike(value), "last")
            raise self.refuse(
                node, f"the forward returns step {value.step + 1} of {self.steps}, not the last"
            )
        raise self.refuse(
            node,
            f"'{functions.name_of(target or node.target)}' is no sum, mean or maximum over the "
            "steps, nor the last of them, nor all of them",
        )

    def _is_last(self, series: Any, index: Any) -> bool:
        """Whether an index takes the last step of all."""
        axis = getattr(self.values[series], "axis", 0)
        index = index if isinstance(index, tuple) else (index,)
        length = self.example(series).shape[axis]
        others = [*index[:axis], *index[axis + 1 :]]
        whole = all(other in (slice(None), Ellipsis) for other in others)
        return whole and len(index) > axis and index[axis] in (-1, length - 1)

    def _call(self, node: Any) -> tuple[Any, Any, Any]:
        """A call; a layer that is a function as that function."""
        layer = type(self.layer(node)) if node.op == "call_module" else None
        args = node.args
        if layer in SOFTMAX_LAYERS:
            return SOFTMAX_LAYERS[layer], (*args, getattr(self.layer(node), "dim", None)), {}
        return node.target, args, node.kwargs

    def _without_softmax(
        self, node: fx.Node, x: Any, target: Any, args: Any, kwargs: Any
    ) -> Reading:
        """What a softmax over the classes is taken of."""
        inner = self._read(x)
        dim = args[1] if len(args) > 1 else kwargs.get("dim")
        axes = self.example(node).dim()
        if not isinstance(dim, int) or dim % axes != axes - 1:
            raise self.refuse(node, f"a softmax over axis {dim} is not over the classes, the last")
        name = functions.name_of(target)
        words = f"the {name} at the end is left out: the largest value is the same without it."
        said = (*inner.said, Assumption("softmax", words))
        return replace(inner, classifies=True, said=said)

    def _reduced(self, node: fx.Node, target: Any, args: Any, kwargs: Any) -> Reading:
        """The sum, mean or maximum over time."""
        axis = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis"))
        axis = axis[0] if isinstance(axis, tuple | list) and len(axis) == 1 else axis
        series: Any = args[0]
        example = self.example(series)
        if isinstance(axis, int) and axis < 0 and isinstance(example, Tensor):
            axis += example.dim()
        parts = self.parts(series)
        if not parts or axis != getattr(self.values.get(series), "axis", None):
            raise self.refuse(node, f"this is taken over axis {axis}, not over all steps")
        kind: Kind = "sum" if target in SUMS else "mean" if target in MEANS else "max"
        return Reading(parts, kind)

    def _gathered(self, node: fx.Node) -> Reading | None:
        """The sum or maximum that is carried from round to round; None where there is none."""
        kinds: dict[Kind, Any] = {"sum": joins.ADDITIONS, "max": LARGER}
        for kind, targets in kinds.items():
            terms: list[At] = []
            rest: Any = node
            while isinstance(rest, fx.Node) and rest.target in targets and len(rest.args) == 2:
                wanted = self.steps - 1 - len(terms)
                before: Any
                term: Any
                before, term = rest.args
                if self._step_of(term) != wanted or self._step_of(before) == wanted:
                    before, term = term, before
                if self._step_of(term) != wanted:
                    break
                terms.append(self.values[term])
                rest = before
            if len(terms) == self.steps - 1 and self._step_of(rest) == 0:
                return Reading((self.values[rest], *reversed(terms)), kind)
            if len(terms) == self.steps and kind == "sum" and self._is_zero(rest):
                return Reading(tuple(reversed(terms)), kind)
        return None

    def _step_of(self, value: Any) -> int | None:
        at = self.values.get(value) if isinstance(value, fx.Node) else None
        return at.step if isinstance(at, At) else None

    def _is_zero(self, value: Any) -> bool:
        constant = self.values.get(value) if isinstance(value, fx.Node) else value
        return constant.zero if isinstance(constant, Constant) else constant == 0


def over_time(
    record: fx.Graph,
    layer: Callable[[fx.Node], nn.Module],
    example: Callable[[fx.Node], Any],
    refuse: Callable[[fx.Node | None, str], Unsupported],
) -> Reading:
    """How the result of a forward is made of its steps, whose layers take all steps in one call.

    Args:
        record: Of the forward; time is the first axis.
        layer, example, refuse: As in `Result`.
    """
    values: dict[fx.Node, Any] = {}
    (output,) = (node for node in record.nodes if node.op == "output")
    for node in record.nodes:
        after = node.target in SUMS | MEANS | MAXIMA | SOFTMAXES or (
            node.op == "call_module" and type(layer(node)) in SOFTMAX_LAYERS
        )
        picked = functions.picks(node.target) and isinstance(example(node.args[0]), Tensor)
        after = (
            after
            or picked
            or any(isinstance(values.get(before), AfterLoop) for before in node.all_input_nodes)
        )
        values[node] = AfterLoop() if after else Series((At(node, 0),), 0)
    result = Result(
        values, 1, layer, example, lambda node, values: None, lambda last: (last,), refuse
    )
    return result.reading(output.args[0])


def _scaled(target: Any, args: Any) -> tuple[Any, float | None]:
    """A value and the number that it is multiplied by; None where it is not."""
    if len(args) != 2:
        return None, None
    a, b = args
    if target in functions.QUOTIENTS and isinstance(b, int | float):
        return a, 1 / b
    if target in functions.PRODUCTS and isinstance(b, int | float):
        return a, float(b)
    if target in functions.PRODUCTS and isinstance(a, int | float):
        return b, float(a)
    return None, None
