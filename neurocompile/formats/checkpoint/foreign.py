"""What a `.pt` file is that is no checkpoint of ours: its kind by name, and the way to a good file.

In:  the first bytes of a file, or the names of the entries in its archive.
Out: a refusal that says what the file is and what to do, or None.
Nothing is read but those bytes and names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from neurocompile.errors import BadInput

GOOD_FILE = """Write a good file where the model is built:
    import torch, neurocompile
    model = ...  # build it, then model.load_state_dict(...) if you have its weights
    neurocompile.save(model, "model.pt", example_input)  # one batch of input, (samples, ...)"""

# The pickled number with which torch.save began a file before it wrote zip archives.
LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."


def begins_otherwise(first: bytes, what: str) -> BadInput:
    """The refusal of a file that does not begin as a zip archive.

    Args:
        first: Its first bytes, at least as many as `LEGACY` has.
        what: Name of the file, for the message.
    """
    if not first.startswith(LEGACY):
        return BadInput(f"{what} is not a file that torch.save wrote: it is not a zip archive.")
    lines = _with_weights('torch.load("old.pt", weights_only=True)')
    return BadInput(
        f"{what} is in the format that torch.save had before PyTorch 1.6, which is not read. If "
        "neurocompile made its content, it needs only\n"
        '    torch.save(torch.load("old.pt", weights_only=True), "new.pt")\n'
        f"Otherwise, {lines[0].lower()}{lines[1:]}"
    )


def written_by_others(names: Iterable[str], what: str) -> BadInput | None:
    """The refusal of an archive that another function of PyTorch wrote.

    Args:
        names: Names of its entries.
        what: Name of the file, for the message.
    """
    inside = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inside:
        return BadInput(
            f"{what} is TorchScript, which torch.jit.save wrote: compiled code, in which no layers "
            "are seen. " + _with_weights('torch.jit.load("old.pt").state_dict()')
        )
    if "models/model.json" in inside:
        return BadInput(
            f"{what} is a program that torch.export.save wrote, in which no layers are seen. "
            + _with_weights('dict(torch.export.load("old.pt").state_dict)')
        )
    return None


def _with_weights(weights: str) -> str:
    """The lines of `GOOD_FILE` for weights that this expression loads."""
    loaded = f"build it\n    model.load_state_dict({weights})"
    return re.sub(r"build it, .*", lambda _: loaded, GOOD_FILE)
