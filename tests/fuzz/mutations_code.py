"""Files that run code when they are unpickled: the code leaves a canary, and nothing else.

In:  nothing, or a sound archive of torch.save.
Out: bytes. Whoever unpickles them makes the file that the environment names under FUZZ_CANARY.
"""

import builtins
import io
import os
import pickle
import zipfile

CANARY = "FUZZ_CANARY"  # variable of the environment
SOURCE = f"import os; open(os.environ[{CANARY!r}], 'w').close()"


class _Calls:
    """What a pickle calls."""

    def __init__(self, function, *arguments):
        self.called = function, arguments

    def __reduce__(self):
        return self.called


CALLS = (
    _Calls(os.system, f'touch "${CANARY}"'),
    _Calls(builtins.exec, SOURCE),
    _Calls(builtins.eval, f"exec({SOURCE!r})"),
)
PICKLED = tuple(
    pickle.dumps(content, protocol)
    for call in CALLS
    for content in (call, [call], {"format": "neurocompile checkpoint", "state_dict": call})
    for protocol in (2, 4)
)


def code_edit(data, rng):
    """A `.pt` file with code: bare, or in the place of the entry that describes tensors."""
    code = PICKLED[int(rng.integers(len(PICKLED)))]
    if rng.random() < 0.3:
        return code
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(stream, "w") as out:
        for info in archive.infolist():
            old = archive.read(info)
            described = info.filename.endswith("data.pkl")
            out.writestr(info.filename, code if described else old)
    return stream.getvalue()
