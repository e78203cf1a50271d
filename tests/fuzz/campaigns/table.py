"""What came of a campaign: a row per command, and their sum.

In:  counts of what was done and found.
Out: a table as text.
"""

from __future__ import annotations

from dataclasses import dataclass

from fuzz.campaigns.commands import Case

COLUMNS = (
    "kills", "ended", "half", "orphans", "littered", "left", "touched", "unsaid", "failed",
)  # fmt: skip


@dataclass
class Row:
    """What came of the kills of a command."""

    kills: int = 0
    ended: int = 0  # before the signal came
    half: int = 0
    orphans: int = 0
    littered: int = 0  # something was left that only the next run can remove
    left: int = 0  # after that
    touched: int = 0
    unsaid: int = 0  # a traceback, or not the sentence and the code of a command that is stopped
    failed: int = 0  # the next run

    @property
    def found(self) -> int:
        """How much is wrong."""
        return self.half + self.orphans + self.left + self.touched + self.unsaid + self.failed


def table(rows: dict[Case, Row]) -> str:
    """A row per command, and their sum."""
    lines = [f"{'command':18}" + "".join(f"{name:>9}" for name in COLUMNS)]
    for case, row in rows.items():
        lines.append(f"{case.name:18}" + "".join(f"{getattr(row, n):9}" for n in COLUMNS))
    sums = (sum(getattr(row, name) for row in rows.values()) for name in COLUMNS)
    return "\n".join([*lines, f"{'all':18}" + "".join(f"{total:9}" for total in sums)])
