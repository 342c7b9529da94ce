"""Each model that is broken on purpose is flagged by its own check, and a sound one by none."""

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.attacks.victim import Victim
from robmednas_tf.checks.examine import _MEASURES, examine, ratio
from robmednas_tf.checks.probe import Probe
from robmednas_tf.checks.sample import places_to_check, read_sample
from robmednas_tf.checks.table import CHECKS, Check, Finding
from robmednas_tf.config import TrainingConfig
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.search.hypermodel import SearchData, UNetHyperModel

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from broken_models import BROKEN

ARCHITECTURE = Architecture((Block("0110", 8, 4),), (Block("0110", 8, 4),))


@pytest.fixture(scope="module")
def trained(prepared_heads):
    """Two networks that are trained alike but for their seed."""
    data = SearchData(tuple(prepared_heads[:2]), tuple(prepared_heads[2:3]), ())
    training = TrainingConfig(epochs=60)
    models = []
    for seed in (0, 1):
        hypermodel = UNetHyperModel(
            SearchSpace(), data, training, Perturbation("fgsm", 0.1), seed=seed
        )
        model = hypermodel.build_architecture(ARCHITECTURE)
        hypermodel.train(model, ARCHITECTURE)
        models.append(model)
    return models


@pytest.fixture(scope="module")
def sample(prepared_heads):
    return read_sample(places_to_check(prepared_heads[3:], 6), 3, 0)


@pytest.fixture(scope="module")
def findings(trained, sample):
    """The findings of each kind of model, by kind and check."""
    model, other = trained
    kinds = {"sound": model, **{name: broken(model) for name, broken in BROKEN.items()}}
    found = {}
    for name, kind in kinds.items():
        probe = Probe(Victim.traced(kind), sample, 0.1, {"another": Victim.traced(other)})
        found[name] = {each.check: each for each in examine(name, probe)}
    return found


def test_every_check_of_the_table_is_carried_out(findings):
    assert list(_MEASURES) == list(CHECKS)
    assert all(list(found) == list(CHECKS) for found in findings.values())


def test_a_sound_model_is_not_flagged(findings):
    assert not [each for each in findings["sound"].values() if each.is_flagged]
    assert all(math.isfinite(each.figure) for each in findings["sound"].values())


@pytest.mark.parametrize(
    ("kind", "checks"),
    [
        ("quantised", ["zero_gradients", "beats_chance", "black_box", "transfer", "destruction"]),
        ("shattered", ["steps", "beats_chance", "black_box", "alignment", "linearity"]),
        ("stochastic", ["repeatability"]),
    ],
)
def test_a_broken_model_is_flagged_by_its_own_checks(findings, kind, checks):
    flagged = [name for name, each in findings[kind].items() if each.is_flagged]
    assert set(checks) <= set(flagged)


def test_figures_are_those_of_a_naive_loop(trained, sample, findings):
    model, figures = trained[0], findings["sound"]
    mr, ct = (np.concatenate([getattr(each, name) for each in sample]) for name in ("mr", "ct"))

    def errors(moved):
        return np.mean((ct - model(moved, training=False)) ** 2, axis=(1, 2, 3))

    with tf.GradientTape() as tape:
        point = tf.Variable(mr)
        loss = tf.reduce_sum(tf.reduce_mean((ct - model(point, training=False)) ** 2, (1, 2, 3)))
    gradient = tape.gradient(loss, point).numpy()
    gained = np.mean(errors(mr + 0.1 * np.sign(gradient)) - errors(mr))
    promised = 0.1 * np.mean(np.abs(gradient).sum(axis=(1, 2, 3)))
    assert figures["linearity"].figure == pytest.approx(gained / promised, rel=1e-3)
    assert figures["zero_gradients"].figure == np.mean(gradient == 0)


def test_transfer_needs_another_model(trained, sample, monkeypatch):
    probe = Probe(Victim.of(trained[0]), sample[:1], 0.1)
    for name in _MEASURES:
        monkeypatch.setitem(_MEASURES, name, lambda probe: 1.0)
    by_name = {each.check: each for each in examine("a", probe)}
    assert math.isnan(by_name["transfer"].figure)
    assert not by_name["transfer"].is_flagged
    assert "no other model" in by_name["transfer"].note


@pytest.mark.parametrize(
    ("flags", "figure", "expected"),
    [
        ("above", 1.1, True),
        ("above", 1.0, False),
        ("below", 0.9, True),
        ("below", 1.0, False),
        ("above", math.inf, True),
        ("below", math.nan, False),
    ],
)
def test_limits(flags, figure, expected, monkeypatch):
    check = dataclasses.replace(CHECKS["steps"], flags=flags, limit=1.0)
    assert isinstance(check, Check)
    monkeypatch.setitem(CHECKS, "steps", check)
    assert Finding("a", "steps", figure).is_flagged is expected


def test_slices_are_spread_over_subjects_and_heights(prepared_heads):
    places = places_to_check(prepared_heads[:3], 7)
    assert len(places) == len({(each.name, place) for each, place in places}) == 7
    assert {each.name for each, _ in places} == {each.name for each in prepared_heads[:3]}
    batches = read_sample(places, 4, 0)
    assert [len(each.mr) for each in batches] == [4, 3]
    # More than there are.
    assert len(places_to_check(prepared_heads[:1], 100)) == prepared_heads[0].num_slices


@pytest.mark.parametrize(
    ("above", "below", "expected"),
    [(3, 2, 1.5), (-1.5, -1, 0.5), (1, -1, 3), (0, 2, 0), (0, 0, math.nan), (1, 0, math.inf)],
)
def test_a_ratio_grows_with_what_is_above(above, below, expected):
    found = ratio(np.array([above, above], float), np.array([below], float))
    assert found == pytest.approx(expected, nan_ok=True)
