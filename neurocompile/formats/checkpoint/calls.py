"""What a pickled file builds, looked at before PyTorch builds it.

In:  the opcodes of `data.pkl`.
Out: the storages that its tensors need, or a refusal of what no file of tensors and plain values
     needs.
PyTorch runs no code of a file, but what it allows takes hours and gigabytes if a file is made for
it: a key of a dict that holds itself many times is hashed for ever, `bytearray` takes as much as it
is told, and a list in a list ... is printed whole into an error message. So only what `torch.save`
writes for tensors, parameters, dicts, lists and plain values passes.
"""

from __future__ import annotations

import pickletools
import warnings
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import NamedTuple

from neurocompile.errors import BadInput

MAX_BYTES = 1 << 22  # the tensors are not in it; each byte may be an opcode, which takes 1 us
LONGEST_NAME = 300  # characters of a module and a name

# What lies on the stack, as far as it matters for what may be done with it; texts and whole numbers
# of four bytes lie there themselves, as `Text` and `int`, for they may describe a storage.
BYTES, SMALL, MARK, VALUE, NOTHING = "bytes", "small", "mark", "value", "()"
DICT, ORDERED = "dict", "ordered dict"
# What opcodes put there whose argument does not matter.
PUT = {
    "MARK": MARK, "NONE": SMALL, "NEWTRUE": SMALL, "NEWFALSE": SMALL, "SHORT_BINSTRING": BYTES,
    "LONG1": VALUE, "BINFLOAT": VALUE, "EMPTY_LIST": VALUE, "EMPTY_TUPLE": NOTHING,
    "EMPTY_DICT": DICT,
}  # fmt: skip
# Numbers of four bytes have few hashes alike; longer ones can be chosen so that all collide.
NUMBERS = ("BININT", "BININT1", "BININT2")
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
KEYS = (BYTES, SMALL)
# Bytes of a number, by the kind of storage that holds it.
SIZES = {
    "torch DoubleStorage": 8, "torch FloatStorage": 4, "torch HalfStorage": 2,
    "torch BFloat16Storage": 2, "torch LongStorage": 8, "torch IntStorage": 4,
    "torch ShortStorage": 2, "torch CharStorage": 1, "torch ByteStorage": 1,
    "torch BoolStorage": 1, "torch ComplexFloatStorage": 8, "torch ComplexDoubleStorage": 16,
}  # fmt: skip
CALLED = {
    "torch._utils _rebuild_tensor_v2": VALUE,
    "torch._utils _rebuild_parameter": VALUE,
    "collections OrderedDict": ORDERED,  # of nothing: its items come after it
}


class Name(str):
    """Module and name of a class or function on the stack."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Text:
    """A text on the stack, which equals no word for a kind of value."""

    text: str


class Storage(NamedTuple):
    """Numbers of tensors, in an entry of their own: its key, and how many bytes are asked for."""

    key: str
    nbytes: int


Held = str | int | Text | Storage  # what lies on the stack


def check_calls(pickled: bytes, what: str) -> list[Storage]:
    """Refuse a pickle of anything but tensors and plain values.

    Args:
        pickled: The pickle.
        what: Name of the file, for the error message.

    Returns:
        The storages that it refers to.

    Raises:
        UnpicklingError: If it holds something else; says what.
        BadInput: If it is too long, or is no pickle.
    """
    if len(pickled) > MAX_BYTES:
        raise BadInput(f"{what} describes its tensors in {len(pickled)} bytes, over {MAX_BYTES}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in a text that somebody damaged
            return _walk(pickled)
    except (ValueError, LookupError, OverflowError) as error:
        raise BadInput(f"{what} is damaged: {str(error)[:200]}.") from None


def _walk(pickled: bytes) -> list[Storage]:
    """Take the stack through all opcodes; the storages that they refer to."""
    stack: list[Held] = []
    memo: dict[str, Held] = {}
    storages: list[Storage] = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in PUT:
            stack.append(PUT[opcode.name])
        elif opcode.name in NUMBERS:
            stack.append(int(str(argument)))
        elif opcode.name == "BINUNICODE":
            stack.append(Text(str(argument)))
        elif opcode.name in ("BINPUT", "LONG_BINPUT"):
            memo[str(argument)] = stack[-1]
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[str(argument)])
        elif opcode.name == "GLOBAL":
            stack.append(_named(str(argument)))
        elif opcode.name == "BINPERSID":
            storages.append(_storage(stack.pop()))
            stack.append(VALUE)
        elif opcode.name not in ("PROTO", "STOP"):
            _step(opcode.name, stack)
    return storages


def _named(name: str) -> Name:
    if len(name) > LONGEST_NAME:
        raise UnpicklingError(f"the name of a class of {len(name)} letters")
    return Name(name)


def _storage(held: Held) -> Storage:
    if not isinstance(held, Storage):
        raise UnpicklingError("a reference to something else than numbers")
    return held


def _step(name: str, stack: list[Held]) -> None:
    """What an opcode does with what lies on the stack.

    Raises:
        UnpicklingError: If `torch.save` does not do that.
    """
    match name:
        case "TUPLE":
            stack.append(_tuple(_marked(stack)))
        case "TUPLE1" | "TUPLE2" | "TUPLE3":
            stack.append(_tuple([stack.pop() for _ in range(TUPLES[name])]))
        case "APPEND":
            stack.pop()
        case "APPENDS":
            _marked(stack)
        case "SETITEM":
            _, key = stack.pop(), stack.pop()
            _check_keys([key])
        case "SETITEMS":
            _check_keys(_marked(stack)[::2])
        case "REDUCE":
            arguments, called = stack.pop(), stack.pop()
            stack.append(_called(called, arguments))
        case "BUILD":
            if stack.pop() != DICT or stack[-1] != ORDERED:
                raise UnpicklingError("an object with a state")
        case "NEWOBJ" if isinstance(stack[-2], Name):
            raise UnpicklingError(f"an object of the class {stack[-2].replace(' ', '.')}")
        case _:
            raise UnpicklingError(f"the opcode {name}")


def _marked(stack: list[Held]) -> list[Held]:
    """What lies above the last mark; both are gone then."""
    found = []
    while (kind := stack.pop()) != MARK:
        found.append(kind)
    return found[::-1]


def _tuple(parts: list[Held]) -> Held:
    """A tuple: a storage is the word, its type, its key, its device and its count of numbers."""
    match parts:
        case [Text("storage"), Name() as kind, Text(key), Text(), int(count)]:
            if kind not in SIZES:
                raise UnpicklingError(f"numbers of the type {kind.replace(' ', '.')}")
            return Storage(key, count * SIZES[kind])
    return VALUE


def _check_keys(keys: list[Held]) -> None:
    for key in keys:
        if key not in KEYS and not isinstance(key, Text | int):
            raise UnpicklingError("a key of a dict that is neither a text nor a small number")


def _called(called: Held, arguments: Held) -> str:
    """What a call puts on the stack."""
    if not isinstance(called, Name):
        raise UnpicklingError("a call of what is not a function")
    if called not in CALLED or (CALLED[called] == ORDERED and arguments != NOTHING):
        raise UnpicklingError(f"a call of {called.replace(' ', '.')}")
    return CALLED[called]
