"""What a forward shows of time, input and output, beneath the settings that its user gave.

In:  how a forward over time was read; the settings.
Out: the graph with both; a line on what was taken and what was overridden.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from neurocompile.errors import BadInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.settings import DT, OVERRIDDEN, Assumption, Decoder, Encoder, Settings


def shown(
    steps: int | None, encoder: Encoder, decoder: Decoder, said: tuple[Assumption, ...]
) -> Settings:
    """What a forward shows itself, with a line on an encoder that nobody asked for."""
    ways = {
        "current": "each step of the forward gets the same input, so a sample enters as a constant "
        "current",
        "bernoulli": "the forward has Norse's PoissonEncoder, so a sample enters as random spikes",
    }
    if encoder.kind in ways:
        words = f"{ways[encoder.kind]}: the encoder is '{encoder.kind}', gain {encoder.gain:g}."
        said = (*said, Assumption("encoder", words))
    length: dict[str, Any] = {} if steps is None else {"steps": steps}
    return Settings(DT, encoder=encoder, decoder=decoder, assumed=said, **length)


def of_example(given: Settings, example: tuple[int, ...], axis: int) -> Settings:
    """The settings with the steps of an example, where its user gave none.

    An example of one step only shows how the axes are ordered. One of another length than the
    settings say may have its axes in another order than its user thinks, so that is said.

    Args:
        given: What its user gave.
        example: Its shape, with time.
        axis: Which axis is time: 0, 1 or -1.
    """
    steps = example[axis]
    form = {0: "(T, N, ...)", 1: "(N, T, ...)", -1: "(N, ..., T)"}[axis]
    if steps == 1:
        return given
    given = given.given(steps=steps)
    if given.steps == steps:
        return given
    words = (
        f"a sample takes {given.steps} steps, as the settings say; the example {example} is read "
        f"as {form} and has {steps}."
    )
    return replace(given, assumed=(*given.assumed, Assumption(f"{OVERRIDDEN}steps", words)))


def as_given(graph: Graph, own: Settings) -> Graph:
    """The graph with what its forward shows, where its user gave nothing else.

    Args:
        graph: With the settings that its user gave.
        own: What the forward shows; of dt it shows nothing.
    """
    given = graph.settings
    both = not given.assumes("steps") and not own.assumes("steps")
    if both and given.steps != own.steps:
        raise BadInput(
            f"the settings have steps = {given.steps}, but the forward loops over {own.steps} "
            f"steps. Give Settings(steps={own.steps}), or an example input with as many steps."
        )
    given = given if own.assumes("steps") else given.given(steps=own.steps)
    decoder, encoder, said = own.decoder, own.encoder, own.without("steps")
    if given.decoder != Decoder():
        decoder, said = given.decoder, own.without("steps", "decoder")
        if own.decoder != Decoder() and replace(decoder, task=own.decoder.task) != own.decoder:
            said = (*said, _overridden("decoder", _words(decoder), _words(own.decoder)))
    if given.encoder != Encoder():
        encoder, said = given.encoder, tuple(a for a in said if a.key != "encoder")
        if encoder != own.encoder != Encoder():
            said = (*said, _overridden("encoder", _words(encoder), _words(own.encoder)))
    said = (*given.assumed, *said)
    return replace(graph, settings=replace(given, decoder=decoder, encoder=encoder, assumed=said))


def _overridden(what: str, given: str, own: str) -> Assumption:
    """The line on what a user gave in the place of what the forward does itself."""
    words = f"the {what} is {given}, as the settings say; the forward's own is {own}."
    return Assumption(f"{OVERRIDDEN}{what}", words)


def _words(setting: Encoder | Decoder) -> str:
    """An encoder or a decoder in words."""
    limits = setting.limits if isinstance(setting, Decoder) else {}
    ends = "".join(f", {name} {limit:g}" for name, limit in limits.items())
    return f"'{setting.kind}', gain {setting.gain:g}{ends}"


def one_step(shape: tuple[int, ...]) -> Assumption:
    """The line on an example that looks as if its batch came first."""
    return Assumption(
        "axes",
        f"the example {shape} is read as one step of {shape[1]} samples, (T, N, ...), for its "
        "layers take all steps at once. Where the batch comes first, give example.transpose(0, 1).",
    )
