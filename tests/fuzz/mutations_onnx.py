"""Damage to ONNX files: fields of their protobuf messages, JSON in their metadata.

In:  the bytes of a sound file, random numbers.
Out: the bytes of another message of the same kind.
"""

import json

from fuzz.mutations_text import FLOATS, HUGE, MOST_EDITS, WORDS, blind, edit_value, pick
from onnx import ModelProto


def message_edit(data, rng):
    """Fields of the protobuf messages of a model, some levels down."""
    model = ModelProto.FromString(data)
    for _ in range(rng.integers(1, MOST_EDITS)):
        message = model
        while True:
            fields = message.ListFields()
            if not fields:
                break
            field, value = pick(rng, fields)
            if message is model and rng.random() < 0.8:  # where most of it stands
                wanted = pick(rng, ("graph", "graph", "metadata_props"))
                field, value = next((f for f in fields if f[0].name == wanted), (field, value))
            repeated = hasattr(value, "append") or hasattr(value, "add")
            inner = pick(rng, value) if repeated else value
            if field.message_type and (field.name == "graph" or rng.random() < 0.8):
                message = inner
                continue
            _edit_field(message, field, value, repeated, rng)
            break
    return model.SerializeToString()


def _edit_field(message, field, value, repeated, rng):
    if field.message_type or rng.random() < 0.2:
        if repeated and rng.random() < 0.7:
            at = int(rng.integers(len(value)))
            if field.message_type and rng.random() < 0.5:
                value.add().CopyFrom(value[at])
            else:
                del value[at]
        else:
            message.ClearField(field.name)
        return
    new = _odd_scalar(field, pick(rng, value) if repeated else value, rng)
    try:
        if repeated and rng.random() < 0.3:
            value.append(new)
        elif repeated:
            value[int(rng.integers(len(value)))] = new
        else:
            setattr(message, field.name, new)
    except (ValueError, TypeError):
        message.ClearField(field.name)  # protobuf holds no such number


def _odd_scalar(field, old, rng):
    if isinstance(old, str):
        if field.name == "value" and old.startswith("{") and rng.random() < 0.9:
            return json.dumps(edit_value(json.loads(old), rng))
        return pick(rng, (*WORDS, old + "x", "Add", "LIF", "Reshape"))
    if isinstance(old, bytes):
        return blind(old, rng)
    return pick(rng, FLOATS) if isinstance(old, float) else pick(rng, (*HUGE, old + 1, old - 1))
