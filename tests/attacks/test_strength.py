"""How strong attacks are beside one another, on ten untrained networks, each of its own kind."""

import numpy as np
import pytest

from robmednas_tf.attacks.attack import Slices
from robmednas_tf.attacks.notation import parse_perturbations
from robmednas_tf.attacks.perturbations import PerturbedInference
from robmednas_tf.models.architecture import PATTERNS, Architecture, Block
from robmednas_tf.models.unet import build_unet

SUITE = ["fgsm:0.1", "pgd:0.1:steps=40", "apgd:0.1", "square:0.1:queries=200"]


def _errors(number):
    """Returns each attack's mean squared error on one network, and each slice's."""
    block = Block(PATTERNS[number], 8, 4 if number % 2 else None)
    model = build_unet(Architecture((block,), (block,)), (16, 16, 1), seed=number)
    rng = np.random.default_rng(number)
    mr, ct = rng.normal(size=(2, 4, 16, 16, 1)).astype("float32")
    inference = PerturbedInference(model, parse_perturbations(SUITE))
    return [
        float(np.mean((0.3 * ct - each.synthetic_ct) ** 2))
        for each in inference(Slices.of("a", 0, 0, mr, 0.3 * ct))
    ]


@pytest.fixture(scope="module")
def errors():
    return np.array([_errors(number) for number in range(10)]).T


def test_every_attack_does_harm(errors):
    clean, *attacked = errors
    assert all(np.all(each > clean) for each in attacked)


def test_steps_do_at_least_what_one_does(errors):
    _, fgsm, pgd, apgd, _ = errors
    assert np.all(pgd >= 0.98 * fgsm)
    assert np.all(apgd >= fgsm)


def test_apgd_is_as_strong_as_pgd_at_equal_steps_where_a_loss_is_nearly_straight(errors):
    # Trained networks, where APGD does more on every slice: benchmarks/attack_strength.py.
    _, _, pgd, apgd, _ = errors
    assert np.all(apgd >= 0.999 * pgd)
    assert np.sum(apgd >= pgd) >= 6


def test_square_does_not_beat_the_best_attack_that_knows_the_gradient(errors):
    _, fgsm, pgd, apgd, square = errors
    assert np.all(square < np.max([fgsm, pgd, apgd], axis=0))
