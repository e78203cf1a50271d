"""What a placement should have fewest of: cores, messages between cores, both, or time.

With "halves" nothing is compared: populations are cut as the compiler of Loihi 2 cuts them.

In:  cores and messages of a placement, the objective (`--place`).
Out: what is compared to choose one placement of several.
"""

from __future__ import annotations

from typing import Literal

Counted = Literal["both", "cores", "messages"]
Objective = Literal["both", "cores", "messages", "time", "halves"]


def cost(cores: int, messages: int, objective: Counted) -> tuple[int, int]:
    """The number that is compared first, and the one that is compared second.

    "both" means the smallest product: one more core must save its share of messages.
    """
    first = {"both": cores * messages, "cores": cores, "messages": messages}[objective]
    return first, cores if objective == "messages" else messages
