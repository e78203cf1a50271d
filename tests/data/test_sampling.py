"""Which samples are run: those that are named or given, and how many where nobody says."""

import numpy as np
import pytest

from neurocompile.data.samples import Data, load_data
from neurocompile.data.sampling import DEFAULT_SAMPLES as FEW
from neurocompile.data.sampling import Sampling
from neurocompile.data.stimulus import (
    load_samples,
    load_training,
    sampling_of,
    usual_samples,
)
from neurocompile.errors import BadInput


@pytest.fixture
def file(tmp_path):
    """Seven samples of a user's own."""
    path = tmp_path / "mine.npz"
    np.savez(path, x=np.arange(14, dtype=np.float32).reshape(7, 2))
    return path


def test_a_name_a_path_and_loaded_samples_are_sources(file):
    data = load_data(str(file))
    for given in (str(file), file, data, Sampling(str(file)), Sampling(data)):
        assert load_samples(sampling_of(given), "").digest == data.digest


def test_what_nobody_names_is_the_models_own_or_nothing():
    assert sampling_of(None) == Sampling()
    assert load_samples(Sampling(), "") is None
    assert len(load_samples(Sampling(samples=3), "digits")) == 3


def test_where_nobody_says_how_many_a_slow_engine_gets_few_of_a_named_source(file):
    assert usual_samples(("fixed",)) is None
    assert usual_samples(("lava", "fixed")) == usual_samples(("onnx",)) == FEW
    assert len(load_samples(Sampling("digits"), "", FEW)) == FEW
    assert len(load_samples(Sampling("digits", samples=50), "", FEW)) == 50


def test_a_file_with_fewer_samples_than_usual_is_taken_whole(file):
    assert len(load_samples(Sampling(str(file)), "", FEW)) == 7
    with pytest.raises(BadInput, match="has 7 samples, but 20 were asked for"):
        load_samples(Sampling(str(file), samples=20), "")


def test_samples_that_a_user_has_loaded_are_all_run_however_many_are_usual():
    data = Data("mine", "x", np.zeros((30, 2), np.float32))
    assert load_samples(Sampling(data), "", FEW) is data
    assert len(load_samples(Sampling(data, samples=4), "", FEW)) == 4


@pytest.mark.parametrize("source", ["digits", "digits:train"])
def test_the_training_part_is_that_of_the_source_that_is_named(source):
    assert load_training(Sampling(source), "mnist5k").name == "digits:train"


def test_loaded_samples_have_the_training_part_of_the_model(file):
    assert load_training(Sampling(load_data(str(file))), "digits").name == "digits:train"
    assert load_training(Sampling(load_data(str(file))), "") is None


def test_a_users_own_file_has_no_training_part(file):
    assert load_training(Sampling(str(file)), "digits") is None
