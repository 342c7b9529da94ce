"""Many conditions from one gradient, against each attack by itself."""

import gc

import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.attacks import perturbations
from robmednas_tf.attacks.fgsm import fgsm
from robmednas_tf.attacks.notation import parse_perturbations
from robmednas_tf.attacks.perturbations import PerturbedInference, noise_of_slices
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.unet import build_unet

BLOCK = Block("0110", 8, 4)


@pytest.fixture(scope="module")
def model():
    return build_unet(Architecture((BLOCK,), (BLOCK,)), (18, 21, 1), seed=3)


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(0).normal(size=(3, 5, 18, 21, 1)).astype("float32")


def test_each_condition_is_that_attack_by_itself(model, batch):
    mr, ct, noise = batch
    texts = ["fgsm:0.2", "gaussian:0.1", "fgsm:0.06"]
    inference = PerturbedInference(model, parse_perturbations(texts))
    expected = {
        "clean": mr,
        "fgsm:0.2": fgsm(model, mr, ct, 0.2),
        "gaussian:0.1": mr + np.float32(0.1) * noise,
        "fgsm:0.06": fgsm(model, mr, ct, 0.06),
    }
    for size in (5, 2):
        predictions = list(inference(mr[:size], ct[:size], noise[:size]))
        assert [each.condition for each in predictions] == list(expected)
        for each in predictions:
            # The sign of a gradient that is all but zero may turn with the order of sums.
            differing = np.abs(each.mr - expected[each.condition][:size]) > 1e-6
            assert np.mean(differing) < 1e-3
            np.testing.assert_allclose(each.synthetic_ct, model(each.mr), atol=1e-5)


def test_the_gradient_is_taken_once_and_only_where_it_is_needed(model, batch, monkeypatch):
    calls = []

    def counted(*arguments):
        calls.append(1)
        return original(*arguments)

    original = perturbations.prediction_and_gradient
    monkeypatch.setattr(perturbations, "prediction_and_gradient", counted)
    PerturbedInference(model, parse_perturbations(["gaussian:0.1"]))
    assert not calls
    inference = PerturbedInference(model, parse_perturbations([f"fgsm:{n / 50}" for n in range(9)]))
    for _ in range(2):
        assert len(list(inference(*batch))) == 10
    assert len(calls) == 1


def test_clean_alone_is_the_model(model, batch):
    (clean,) = PerturbedInference(model)(batch[0], batch[1])
    np.testing.assert_allclose(clean.synthetic_ct, model(batch[0]), atol=1e-5)


def test_graphs_keep_their_weights_alive(batch):
    block = Block("1000", 8)
    attacks = parse_perturbations(["fgsm:0.1"])
    unet = build_unet(Architecture((block,), (block,)), (18, 21, 1))
    inference = PerturbedInference(unet, attacks)
    del unet
    gc.collect()
    assert all(np.isfinite(each.synthetic_ct).all() for each in inference(*batch))


def test_noise_must_be_given_where_it_is_wanted(model, batch):
    inference = PerturbedInference(model, parse_perturbations(["gaussian:0.1"]))
    with pytest.raises(ValueError, match="noise must be given"):
        list(inference(batch[0], batch[1]))


def test_noise_belongs_to_its_slice():
    whole = noise_of_slices("a", 0, (6, 32, 32, 1), seed=0)
    np.testing.assert_array_equal(whole[4:], noise_of_slices("a", 4, (2, 32, 32, 1), seed=0))
    assert (abs(whole.mean()) < 0.05, abs(whole.std() - 1) < 0.05) == (True, True)
    assert not np.array_equal(whole[0], whole[1])
    for subject, seed in (("b", 0), ("a", 1)):
        assert not np.array_equal(whole, noise_of_slices(subject, 0, (6, 32, 32, 1), seed))


def test_mixed_precision_models_are_evaluated_in_float32(batch):
    architecture = Architecture((BLOCK,), (BLOCK,))
    mixed = build_unet(architecture, (18, 21, 1), seed=3, dtype_policy="mixed_bfloat16")
    full = build_unet(architecture, (18, 21, 1), seed=3)
    attacks = parse_perturbations(["fgsm:0.1"])
    pairs = zip(
        PerturbedInference(mixed, attacks)(*batch),
        PerturbedInference(full, attacks)(*batch),
        strict=True,
    )
    for one, other in pairs:
        np.testing.assert_array_equal(one.synthetic_ct, other.synthetic_ct)
    assert tf.reduce_max(tf.abs(mixed(batch[0]) - full(batch[0]))) > 1e-4
