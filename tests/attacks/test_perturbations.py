"""Many conditions from one gradient, against each attack by itself."""

import gc

import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.attacks import victim
from robmednas_tf.attacks.attack import Slices, attack
from robmednas_tf.attacks.fgsm import fgsm
from robmednas_tf.attacks.noise import noise_of_slices
from robmednas_tf.attacks.notation import parse_perturbations
from robmednas_tf.attacks.perturbations import PerturbedInference
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.unet import build_unet

BLOCK = Block("0110", 8, 4)


@pytest.fixture(scope="module")
def model():
    return build_unet(Architecture((BLOCK,), (BLOCK,)), (18, 21, 1), seed=3)


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(0).normal(size=(3, 5, 18, 21, 1)).astype("float32")


def slices_of(batch, size=5, first=0):
    """The first two arrays of a batch as slices of a subject, their middle its body."""
    body = np.zeros_like(batch[0])
    body[:, 4:12, 6:15] = 1
    parts = [part[first : first + size] for part in (batch[0], batch[1], body)]
    return Slices.of("a", first, 0, *parts)


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
        given = {"gaussian:0.1": mr[:size] + np.float32(0.1) * noise[:size]}
        predictions = list(inference(slices_of(batch, size), given))
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

    original = victim.prediction_and_gradient
    monkeypatch.setattr(victim, "prediction_and_gradient", counted)
    PerturbedInference(model, parse_perturbations(["gaussian:0.1"]))
    assert not calls
    inference = PerturbedInference(model, parse_perturbations([f"fgsm:{n / 50}" for n in range(9)]))
    for _ in range(2):
        assert len(list(inference(slices_of(batch)))) == 10
    assert len(calls) == 1


def test_clean_alone_is_the_model(model, batch):
    (clean,) = PerturbedInference(model)(slices_of(batch))
    np.testing.assert_allclose(clean.synthetic_ct, model(batch[0]), atol=1e-5)


def test_graphs_keep_their_weights_alive(batch):
    block = Block("1000", 8)
    attacks = parse_perturbations(["fgsm:0.1"])
    unet = build_unet(Architecture((block,), (block,)), (18, 21, 1))
    inference = PerturbedInference(unet, attacks)
    del unet
    gc.collect()
    assert all(np.isfinite(each.synthetic_ct).all() for each in inference(slices_of(batch)))


def test_what_no_attack_makes_must_be_given(model, batch):
    inference = PerturbedInference(model, parse_perturbations(["gaussian:0.1"]))
    with pytest.raises(ValueError, match=r"under gaussian:0\.1 must be given"):
        list(inference(slices_of(batch)))


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
    attacks = parse_perturbations(["fgsm:0.1", "pgd:0.1:steps=2", "square:0.1:queries=5"])
    pairs = zip(
        PerturbedInference(mixed, attacks)(slices_of(batch)),
        PerturbedInference(full, attacks)(slices_of(batch)),
        strict=True,
    )
    for one, other in pairs:
        np.testing.assert_array_equal(one.synthetic_ct, other.synthetic_ct)
    assert tf.reduce_max(tf.abs(mixed(batch[0]) - full(batch[0]))) > 1e-4


SUITE = ["fgsm:0.1", "pgd:0.1:steps=5", "apgd:0.1:steps=17", "square:0.1:queries=30"]


def test_the_worst_is_that_of_each_slice(model, batch):
    inference = PerturbedInference(
        model, parse_perturbations([*SUITE[:2], "worst:0.1", "fgsm:0.3", "pgd:0.1:norm=2"])
    )
    found = {each.condition: each for each in inference(slices_of(batch))}
    assert list(found)[-1] == "worst:0.1"
    errors = {
        name: np.mean((batch[1] - each.synthetic_ct) ** 2, axis=(1, 2, 3))
        for name, each in found.items()
    }
    rivals = np.maximum(errors["fgsm:0.1"], errors["pgd:0.1:steps=5"])
    np.testing.assert_array_equal(errors["worst:0.1"], rivals)
    assert np.all(rivals < errors["fgsm:0.3"])
    np.testing.assert_allclose(found["worst:0.1"].synthetic_ct, model(found["worst:0.1"].mr), 1e-4)


def test_only_what_is_wanted_is_made(model, batch):
    inference = PerturbedInference(model, parse_perturbations([*SUITE[:3], "worst:0.1"]))
    every = {each.condition: each for each in inference(slices_of(batch))}
    one = list(inference(slices_of(batch), wanted=["pgd:0.1:steps=5"]))
    assert [each.condition for each in one] == ["clean", "pgd:0.1:steps=5"]
    # The worst needs its rivals, wanted or not.
    worst = list(inference(slices_of(batch), wanted=["worst:0.1"]))
    assert [each.condition for each in worst] == ["clean", "worst:0.1"]
    np.testing.assert_array_equal(worst[1].mr, every["worst:0.1"].mr)


@pytest.mark.parametrize(
    "text",
    [
        *SUITE,
        "pgd:0.1:steps=3:restarts=3",
        "pgd:1:norm=2:restarts=2",
        "mifgsm:0.1:decay=0.5",
        "apgd:1:norm=2",
        "fgsm:1:norm=2",
        "pgd:0.1:target=no_bone",
    ],
)
def test_every_attack_stays_in_its_ball_and_body_and_takes_slices_by_themselves(model, batch, text):
    mask = parse_perturbations([f"{text}:mask=body"])
    inference = PerturbedInference(model, [*parse_perturbations([text]), *mask])
    slices = slices_of(batch)
    _, free, masked = inference(slices)
    size = float(text.split(":")[1])
    for each in (free, masked):
        change = np.asarray(each.mr) - batch[0]
        assert each.mr.dtype == tf.float32
        largest = np.abs(change).max()
        if "norm=2" in text:
            largest = np.sqrt((change**2).sum(axis=(1, 2, 3))).max()
        assert 0.5 * size < largest <= size * (1 + 1e-5)
    change = (np.asarray(masked.mr) - batch[0]) * (1 - slices.body)
    assert not np.any(change)
    # The last two slices by themselves, as another batch of the same subject.
    _, alone, _ = inference(slices_of(batch, 2, 3))
    differing = np.abs(alone.mr - free.mr[3:]) > 1e-3 * size
    assert np.mean(differing) < 0.02
    np.testing.assert_allclose(alone.synthetic_ct, free.synthetic_ct[3:], atol=0.02)


@pytest.mark.parametrize("text", ["fgsm:0", "pgd:0", "apgd:0", "square:0:queries=20", "mifgsm:0"])
def test_no_size_is_the_identity(model, batch, text):
    _, attacked = PerturbedInference(model, parse_perturbations([text]))(slices_of(batch))
    np.testing.assert_array_equal(attacked.mr, batch[0])


def test_a_mask_must_be_there_and_fit(model, batch):
    inference = PerturbedInference(model, parse_perturbations(["pgd:0.1:mask=body"]))
    with pytest.raises(ValueError, match="must know the body mask"):
        list(inference(Slices.of("a", 0, 0, batch[0], batch[1])))
    with pytest.raises(ValueError, match=r"A mask must have the shape .* Received: \(5, 3, 4, 1\)"):
        list(inference(Slices.of("a", 0, 0, batch[0], batch[1], np.ones((5, 3, 4, 1)))))


def test_an_attack_from_python_is_that_of_an_evaluation(model, batch):
    _, expected = PerturbedInference(model, parse_perturbations(["pgd:0.1:steps=3"]))(
        Slices.of("a", 0, 0, batch[0], batch[1])
    )
    found = attack(model, batch[0], batch[1], "pgd:0.1:steps=3")
    np.testing.assert_allclose(found, expected.mr, atol=1e-6)
    with pytest.raises(ValueError, match="attack on the model itself"):
        attack(model, batch[0], batch[1], "gaussian:0.1")
