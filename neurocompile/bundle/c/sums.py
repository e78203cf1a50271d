"""The C functions that add weights: one text, one function for each kind that a network needs.

In:  how weights are stored, the type of the sums, what a spike carries, where weights are added.
Out: names of functions, and their text.
Sums fit their type, which the caller proves; every partial sum does.
"""

from __future__ import annotations

from typing import Literal

from neurocompile.bundle.c.weights import Plane

Form = Literal["run", "list", "late"]

# Each function adds `n` weights from `start` on. ARGUMENTS and TARGET are those of the form.
WHOLE = """
static void NAME(SUM *restrict sumsARGUMENTS, const STORED *restrict w, uint32_t nBY)
{
    for (uint32_t k = 0; k < n; k++) {
        SUM *const to = TARGET;
        *to = (SUM)(*to + TIMES(w[k]));
    }
}
"""
PARTS = """
static void NAME(SUM *restrict sumsARGUMENTS, const uint8_t *restrict w, uint32_t fold,
    uint32_t start, uint32_t n, WIDE up, WIDE lessBY)
{
    uint32_t shift = 0;
    while (start >= fold) {
        start -= fold;
        shift += BITSU;
    }
    while (n > 0) {
        const uint32_t count = (n < fold - start) ? n : fold - start;
        for (uint32_t k = 0; k < count; k++) {
            SUM *const to = TARGET;
            *to = (SUM)(*to + TIMES((WIDE)((w[start + k] >> shift) & MASKU) * up - less));
        }
        ADVANCE
        n -= count;
        start = 0;
        shift += BITSU;
    }
}
"""
FOUR = """
static void NAME(SUM *restrict sums, const STORED *restrict a, const STORED *restrict b,
    const STORED *restrict c, const STORED *restrict d, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        sums[k] = (SUM)(sums[k] + a[k] + b[k] + c[k] + d[k]);
    }
}
"""
LIST = """
static uint32_t NAME(const SENT *restrict sent, uint32_t n, nc_index *restrict events)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        events[count] = (nc_index)i;
        count += (sent[i] != 0) ? 1U : 0U;
    }
    return count;
}
"""
DOT = """
static SUM NAME(const SENT *restrict sent, const STORED *restrict w, uint32_t n)
{
    SUM total = 0;
    for (uint32_t k = 0; k < n; k++) {
        total += (SUM)w[k] * (SUM)sent[k];
    }
    return total;
}
"""
DOT_PARTS = """
static SUM NAME(const SENT *restrict sent, const uint8_t *restrict w, uint32_t fold,
    uint32_t start, uint32_t n, SUM up, SUM less)
{
    SUM total = 0;
    uint32_t shift = 0;
    while (start >= fold) {
        start -= fold;
        shift += BITSU;
    }
    while (n > 0) {
        const uint32_t count = (n < fold - start) ? n : fold - start;
        for (uint32_t k = 0; k < count; k++) {
            total += ((SUM)((w[start + k] >> shift) & MASKU) * up - less) * (SUM)sent[k];
        }
        sent += count;
        n -= count;
        start = 0;
        shift += BITSU;
    }
    return total;
}
"""
TARGETS: dict[Form, tuple[str, str, str]] = {  # further arguments, where a weight goes, next run
    "run": ("", "&sums[k]", "sums += count;"),
    "list": (", const nc_index *restrict at", "&sums[at[k]]", "at += count;"),
    "late": (
        ", const uint8_t *restrict late, uint32_t now, uint32_t slots, uint32_t targets",
        "&sums[nc_slot(now + late[k], slots) * targets + k]",
        "sums += count;\n        late += count;",
    ),
}


class Functions:
    """The functions that a network calls, each once, in the order of their first use."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def source(self) -> str:
        """All functions."""
        return "".join(self.texts.values())

    def add(self, form: Form, plane: Plane, number: str, graded: bool) -> str:
        """Name of a function that adds a run of weights.

        Args:
            form: Whether to neighbours ("run"), to a list of targets, or to late ones.
            plane: Table with the weights.
            number: Type of the sums.
            graded: Whether a spike multiplies the weights.
        """
        name = f"nc_add_{form}_{plane.bits}_{number}" + "_times" * graded
        text = WHOLE if plane.bits >= 8 else PARTS
        arguments, target, onward = TARGETS[form]
        # the product comes first, as it is the longer word
        text = text.replace("TIMES(", "by * (" if graded else "(")
        text = text.replace("ARGUMENTS", arguments).replace("TARGET", target)
        text = text.replace("ADVANCE", onward).replace("BY", ", WIDE by" if graded else "")
        return self._put(name, text, plane, number)

    def four(self, plane: Plane, number: str) -> str:
        """Name of a function that adds four runs of whole weights at a time."""
        return self._put(f"nc_add_four_{plane.bits}_{number}", FOUR, plane, number)

    def events(self, sent: str) -> str:
        """Name of the function that lists which of `n` sources sent something."""
        return self._put(f"nc_events_{sent}", LIST.replace("SENT", sent), None, "")

    def dot(self, plane: Plane, number: str, sent: str) -> str:
        """Name of a function that returns the sum of a run of weights times what was sent."""
        text = (DOT if plane.bits >= 8 else DOT_PARTS).replace("SENT", sent)
        return self._put(f"nc_dot_{plane.bits}_{number}_{sent}", text, plane, number)

    def _put(self, name: str, text: str, plane: Plane | None, number: str) -> str:
        wide = "int64_t" if number == "int64_t" else "int32_t"
        text = text.replace("NAME", name).replace("SUM", number).replace("WIDE", wide)
        if plane is not None:
            text = text.replace("STORED", "int16_t" if plane.bits > 8 else "int8_t")
            text = text.replace("BITS", str(plane.bits)).replace("MASK", str((1 << plane.bits) - 1))
        self.texts.setdefault(name, text)
        return name
