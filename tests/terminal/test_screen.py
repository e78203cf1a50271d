"""The time that a run has left, in words."""

import pytest
from rich.progress import Progress

from neurocompile.terminal.screen import TimeLeft


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("total", "left"),
    [
        (3_662, "1:01:00 left"),  # a sample takes a second
        (86_402, "1 day, 0:00:00 left"),
        (2**60, "over a year left"),  # shards may declare so many
    ],
)
def test_the_time_left_is_that_of_the_samples_left_at_the_speed_until_now(total, left):
    clock = Clock()
    bars = Progress(get_time=clock, disable=True)
    task = bars.add_task("fixed", total=total)
    for done in (0, 1, 2):  # the speed is measured from the second on
        clock.now = float(done)
        bars.update(task, completed=done)
    assert TimeLeft().render(bars.tasks[0]).plain == left
