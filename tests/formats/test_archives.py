"""Zip archives are opened without believing how long their list is."""

import io
import resource
import struct
import time
import zipfile

import numpy as np
import pytest

from neurocompile.data.files import read_numpy
from neurocompile.errors import BadInput
from neurocompile.formats.archives import MOST_LIST, archive_in


def listing(entries, name="x.npy"):
    """An archive of one empty entry, which its list names many times; as ZIP64 of many entries."""
    small = io.BytesIO()
    with zipfile.ZipFile(small, "w") as archive:
        archive.writestr(name, b"")
    content = small.getvalue()
    first, last = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    listed = content[first:last] * entries
    numbers = (44, 45, 45, 0, 0, entries, entries, len(listed), first)
    end = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", *numbers)
    end += struct.pack("<4sIQI", b"PK\6\7", 0, first + len(listed), 1)
    end += struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, 0)
    return content[:first] + listed + end


@pytest.mark.parametrize(("bytes_over", "refused"), [(0, False), (51, True)])
def test_a_list_of_16_mib_is_read_and_no_longer_one(bytes_over, refused):
    one = 46 + len("x.npy")  # bytes of an entry of the list
    stream = io.BytesIO(listing((MOST_LIST + bytes_over) // one))
    if refused:
        with pytest.raises(zipfile.BadZipFile, match="over 16 MiB"), archive_in(stream):
            pass
        return
    with archive_in(stream) as archive:
        assert len(archive.infolist()) == MOST_LIST // one
    assert not stream.closed


def test_an_entry_larger_than_any_list_is_read_whole(tmp_path):
    x = np.arange(MOST_LIST // 4 + 1000, dtype=np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    with archive_in(tmp_path / "x.npz") as archive:
        assert archive.read("x.npy")[-4:] == x[-1].tobytes()


def test_samples_behind_a_list_of_millions_are_refused_at_once_and_by_name(tmp_path):
    (tmp_path / "d.npz").write_bytes(listing(2_000_000))  # 102 MB
    begun, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadInput, match=r"d\.npz: cannot be read \(its list of entries has over 16"):
        read_numpy(tmp_path / "d.npz")
    assert time.process_time() - begun < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # KiB
