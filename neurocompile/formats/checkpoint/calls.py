"""What a pickled file calls, looked at before PyTorch runs it.

In:  the opcodes of `data.pkl`.
Out: nothing, or a refusal where something is called that is no name, or a name that is too long.
PyTorch refuses those as well, but puts what it found into a message, and a search through that: a
text of 300 kB takes minutes there, a list that holds itself often never ends.
"""

from __future__ import annotations

import pickletools
import warnings
from typing import Any

from neurocompile.errors import BadInput

MAX_BYTES = 1 << 26  # the tensors are not in it
LONGEST_NAME = 300  # characters of a module and a name
PUT = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
GET = ("GET", "BINGET", "LONG_BINGET")
CALLS = ("REDUCE", "NEWOBJ")
NAME, MARK, VALUE = "name", "mark", "value"


def check_calls(pickled: bytes, what: str) -> None:
    """Refuse a pickle that calls something that is not a short name.

    Args:
        pickled: The pickle.
        what: Name of the file, for the error message.

    Raises:
        BadInput: If it does, is too long, or is none.
    """
    if len(pickled) > MAX_BYTES:
        raise BadInput(f"{what} describes its tensors in {len(pickled)} bytes, over {MAX_BYTES}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in a text that somebody damaged
            _walk(pickled, what)
    except (ValueError, LookupError, OverflowError) as error:
        raise BadInput(f"{what} is damaged: {str(error)[:200]}.") from None


def _walk(pickled: bytes, what: str) -> None:
    """Take the stack through all opcodes."""
    stack: list[str] = []
    memo: dict[int, str] = {}
    opcode: pickletools.OpcodeInfo
    argument: Any
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in PUT:
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif opcode.name in GET:
            stack.append(memo[argument])
        elif opcode.name in CALLS and stack[-2] != NAME:
            raise BadInput(f"{what} holds a pickle that calls what is not a function.")
        elif opcode.name == "GLOBAL":
            if len(argument) > LONGEST_NAME:
                raise BadInput(f"{what} holds the name of a class of {len(argument)} letters.")
            stack.append(NAME)
        else:
            _step(opcode, stack)
            if opcode.name == "STACK_GLOBAL":  # which PyTorch refuses in its own words
                stack[-1] = NAME


def _step(opcode: pickletools.OpcodeInfo, stack: list[str]) -> None:
    """What an opcode does to the stack, by the kinds of what lies on it."""
    takes = [kind for kind in opcode.stack_before if kind is not pickletools.stackslice]
    if pickletools.markobject in takes or (opcode.name == "POP" and stack[-1] == MARK):
        while stack.pop() != MARK:
            pass
        takes = takes[: -1 if takes[-1] is pickletools.markobject else 0]
    if len(takes) > len(stack):
        raise IndexError("an opcode finds too little on its stack")
    del stack[len(stack) - len(takes) :]
    after = opcode.stack_after
    stack.extend(MARK if kind is pickletools.markobject else VALUE for kind in after)
