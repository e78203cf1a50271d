"""Names that no user wrote are explained where they are shown."""

from neurocompile.terminal.words import made_names


def test_only_the_parts_that_names_have_are_explained():
    assert made_names(["input", "fc1", "lif1"]) == []
    assert [part for part, _ in made_names(["pool1.sum"])] == [".sum"]
    assert [part for part, _ in made_names(["1+2.gain", "2"])] == ["+", ".gain"]
    assert [part for part, _ in made_names(["2.drop_1", "2.recurrent_gain"])] == [
        ".recurrent_",
        ".drop_",
    ]
