"""Names beside a panel keep their order and their distance, and a row its colour."""

import pytest

from paper import charts
from paper.charts import spread


def test_names_that_have_room_stay_where_they_are():
    assert spread([0.1, 0.5, 0.9], 0.1) == [0.1, 0.5, 0.9]


def test_names_at_one_height_spread_evenly_around_it():
    assert spread([0.5, 0.5, 0.5], 0.1) == pytest.approx([0.4, 0.5, 0.6])


def test_a_name_that_is_pushed_pushes_the_next_one():
    # 0.5 and 0.5 become 0.45 and 0.55, where 0.58 is too near: all three around their mean of
    # 0.5, 0.4 and 0.38, where the lowest would be wanted
    found = spread([0.5, 0.5, 0.58], 0.1)
    assert found == pytest.approx([0.4267, 0.5267, 0.6267], abs=1e-4)


def test_rows_that_stand_in_one_picture_differ_in_colour_and_in_mark():
    rows = ("SAE, ", "surrogate SAE, ", "AE")
    styles = [style for row, style in charts.STYLES.items() if row.startswith(rows)]
    assert len({colour for colour, _ in styles}) == len(styles) == 7
    assert len({mark for _, mark in styles}) == 7
