"""The trainings in JAX: networks, steps and scores are Keras's and this package's own.

What needs JAX is skipped where it is missing.
"""

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.space import SearchSpace

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SMALL = Architecture((Block("1001", 8, 4), Block("0110", 8)), (Block("0100", 16), Block("1000", 8)))
OTHER = Architecture(
    (Block("0010", 16), Block("1000", 8, 2)), (Block("1000", 8, 8), Block("0001", 16))
)
SIZE, NUM_SLICES, NUM_STEPS = 16, 6, 3


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.fixture(scope="module")
def slices():
    generator = np.random.default_rng(0)
    mr = generator.normal(size=(NUM_STEPS * NUM_SLICES, SIZE, SIZE, 1)).astype(np.float32)
    # As outside a head: equal values, of which a pooling must choose the first.
    mr[:, :5] = -0.5
    hu = 600 * mr + generator.normal(0, 200, mr.shape).astype(np.float32)
    return mr, hu.astype(np.float32)


@pytest.fixture(scope="module")
def keras_network():
    from robmednas_tf.models.unet import build_unet

    # Without an output bias, or a last kernel of zeros would leave nothing to attack.
    return build_unet(SMALL, (SIZE, SIZE, 1), seed=1)


def weights_of(network):
    layers = [layer for layer in network.layers if hasattr(layer, "kernel")]
    return {
        layer.name: {"kernel": layer.kernel.numpy(), "bias": layer.bias.numpy()} for layer in layers
    }


def test_networks_in_a_larger_ones_shapes_are_kerass(keras_network, slices):
    pytest.importorskip("jax")
    import accelerated_networks as networks

    weights = weights_of(keras_network)
    shapes = {name: each["kernel"].shape for name, each in weights.items()}
    assert {name: each.shape for name, each in networks.layers_of(SMALL).items()} == shapes
    envelope = networks.envelope_of([SMALL, OTHER])
    assert envelope.encoder == (Block("1011", 16, 4), Block("1110", 8, 2))
    found = networks.predict(
        envelope,
        networks.put_in(weights, SMALL, envelope),
        networks.gates_in(SMALL, envelope),
        slices[0],
    )
    expected = keras_network(slices[0], training=False)
    assert np.asarray(found) == pytest.approx(np.asarray(expected), abs=1e-5)


def test_an_epoch_is_that_of_the_package(slices):
    jax = pytest.importorskip("jax")
    import accelerated_networks as networks
    import accelerated_training as training
    import tensorflow as tf

    from robmednas_tf.config import TrainingConfig
    from robmednas_tf.data.intensities import normalize_ct
    from robmednas_tf.models.unet import build_unet
    from robmednas_tf.training.unet import TrainableUNet, compile_model, slice_errors

    model = TrainableUNet(build_unet(SMALL, (SIZE, SIZE, 1), seed=1))
    compile_model(model, TrainingConfig(1, weight_averaging=0.96))
    envelope = networks.envelope_of([SMALL, OTHER])
    state = training.begin(networks.put_in(weights_of(model), SMALL, envelope))
    mr, ct = slices[0], normalize_ct(slices[1])
    orders = np.random.default_rng(1).permutation(len(mr)).reshape(NUM_STEPS, NUM_SLICES)
    gates = networks.gates_in(SMALL, envelope)
    data = ((mr, ct), (mr[:6], ct[:6]))
    rates = np.full(NUM_STEPS, 1e-3, np.float32)
    run = jax.jit(training.epoch, static_argnums=0)
    state, losses, found = run(envelope, state, gates, orders, rates, data)
    expected = []
    for order in orders:
        batch = tf.constant(mr[order]), tf.constant(ct[order])
        expected.append(float(tf.reduce_mean(slice_errors(batch[1], model(batch[0])))))
        model.train_step(batch)
    assert np.asarray(losses) == pytest.approx(expected, rel=1e-5)
    model.optimizer.swap_average()
    loss = float(tf.reduce_mean(slice_errors(tf.constant(ct[:6]), model(mr[:6]))))
    assert float(found[training.DECAYS.index(0.96)]) == pytest.approx(loss, rel=1e-4)
    own = networks.put_in(weights_of(model), SMALL, envelope)
    largest = jax.tree.map(lambda a, b: np.abs(a[0] - b).max(), state["best"]["weights"], own)
    assert max(jax.tree.leaves(largest)) < 2e-5


def test_what_is_kept_is_the_best_epoch_until_patience_ends():
    jnp = pytest.importorskip("jax.numpy")
    import accelerated_training as training

    state = training.begin({"layer": {"kernel": jnp.zeros((1, 1, 1, 1)), "bias": jnp.zeros(1)}})
    losses = [3.0, 2.0, 2.5, 2.5, 2.5, 2.5, 2.5, 1.0]
    for number, loss in enumerate(losses):
        state["averages"]["layer"]["bias"] = jnp.full((4, 1), float(number))
        state = training.chosen(state, jnp.full(4, loss))
    assert state["best"]["epoch"].tolist() == [7] * 4
    # Five epochs without a lower loss after the second: the last one's is not seen.
    assert state["end"]["epoch"].tolist() == [1] * 4
    assert state["end"]["weights"]["layer"]["bias"].ravel().tolist() == [1.0] * 4
    assert state["end"]["loss"].tolist() == [2.0] * 4


def test_scores_are_the_evaluations(keras_network, slices):
    jnp = pytest.importorskip("jax.numpy")
    import accelerated_networks as networks
    import accelerated_scoring as scoring
    import jax

    from robmednas_tf.attacks.attack import Slices
    from robmednas_tf.attacks.notation import parse_perturbations
    from robmednas_tf.attacks.perturbations import PerturbedInference
    from robmednas_tf.data.intensities import denormalize_ct, normalize_ct
    from robmednas_tf.evaluation.metrics import volume_scores

    mr, hu = slices
    envelope = networks.envelope_of([SMALL, OTHER])
    own = networks.put_in(weights_of(keras_network), SMALL, envelope)
    copies = jax.tree.map(lambda each: jnp.stack([0 * each, each]), own)
    gates = networks.gates_in(SMALL, envelope)
    score = jax.jit(scoring.score, static_argnums=0)
    sums = score(envelope, copies, 1, gates, slices)
    attack = PerturbedInference(keras_network, parse_perturbations(["fgsm:0.06", "fgsm:0.2"]))
    for found, prediction in zip(
        sums, attack(Slices.of("a", 0, 0, mr, normalize_ct(hu))), strict=True
    ):
        expected = volume_scores(hu, denormalize_ct(np.asarray(prediction.synthetic_ct)))
        for region, score in scoring.region_scores(np.asarray(found)).items():
            assert score.dice == pytest.approx(expected[region].dice, abs=1e-3)
            assert score.mae == pytest.approx(expected[region].mae, rel=1e-3)
    sums, errors = jax.jit(scoring.attack, static_argnums=0)(envelope, copies, 1, gates, slices)
    assert sums.shape == (4, 4, 4)
    # Each is at least as strong as the one before it: clean, one step, five, twenty.
    assert np.all(np.diff(np.asarray(errors)) > 0)


def test_weights_are_drawn_as_keras_draws_them():
    pytest.importorskip("jax")
    import accelerated_networks as networks

    wide = Architecture((Block("0100", 64),), (Block("0100", 64),))
    drawn = networks.initial_weights(wide, "he_normal", 0, -0.7)
    kernel = drawn["enc1_branch2_conv2"]["kernel"]
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.02)
    assert np.abs(kernel).max() < 2.01 * np.sqrt(2 / (9 * 64)) / 0.8796
    assert not drawn["synthetic_ct"]["kernel"].any()
    assert drawn["synthetic_ct"]["bias"] == np.float32(-0.7)
    glorot = networks.initial_weights(wide, "glorot_uniform", 0, None)
    limit = np.sqrt(6 / (2 * 9 * 64))
    assert np.abs(glorot["enc1_branch2_conv2"]["kernel"]).max() == pytest.approx(limit, rel=0.01)
    assert glorot["synthetic_ct"]["kernel"].any()


def test_the_plan_trains_each_once_in_the_shapes_of_its_group():
    import accelerated_plan as plan
    import scores

    path = BENCHMARKS / "tables" / "architectures.csv"
    with path.open(newline="", encoding="utf-8") as file:
        values = [json.loads(row["values"]) for row in csv.DictReader(file)]
    architectures = [plan.architecture_of(each) for each in values]
    assert architectures[:20] == [own for _, own in scores.random_architectures(20)]
    groups = plan.groups_of(architectures)
    for phase in plan.PHASES:
        batches = list(plan.batches(phase, groups, 12))
        assert all(len(trainings) <= 12 for _, trainings in batches)
        found = sorted(itertools.chain.from_iterable(trainings for _, trainings in batches))
        assert found == sorted(itertools.product(phase.variants, phase.numbers, phase.seeds))
        for key, trainings in batches:
            for _, number, _ in trainings:
                own = architectures[number]
                assert (own.depth, own.encoder[0].filters) == key


def test_seeds_orders_and_steps_of_the_plan():
    import accelerated_plan as plan

    from robmednas_tf.config import TrainingConfig
    from robmednas_tf.search.hypermodel import UNetHyperModel

    hypermodel = UNetHyperModel(SearchSpace(), None, TrainingConfig(1), 0.2, 3)
    assert plan.seed_of(SMALL, 3) == hypermodel.seed_of(SMALL)
    orders = plan.orders(5, 24, 6)
    assert orders.shape == (plan.EPOCHS, 4, 6)
    assert all(sorted(epoch.ravel()) == list(range(24)) for epoch in orders)
    assert (orders[0] != orders[1]).any() and (orders != plan.orders(6, 24, 6)).any()
    falling = plan.VARIANTS["cosine"].rates(4)
    assert falling.shape == (12, 4) and (np.diff(falling.ravel()) < 0).all()
    assert falling.ravel()[[0, 24]] == pytest.approx([1e-3, 5e-4])
    assert plan.VARIANTS["large_steps"].rates(4) == pytest.approx(3e-3)


def test_a_row_is_one_of_the_table():
    import accelerated_plan as plan
    import scores_table as tables

    from robmednas_tf.evaluation.metrics import RegionScore

    regions = {name: RegionScore(0.5, 10.0) for name in ("brain", "air", "soft_tissue")}
    regions["bone"] = RegionScore(0.3, 50.0)
    row = plan.row(("default", 7, 1), "end", 0.9, "apart", (4, 0.01), [[regions] * 3] * 4)
    assert set(row) == set(tables.COLUMNS)
    assert tables.key_of(row) == ("phantom", "default", "7", "1")
    assert (row["best_epoch"], row["averaging"], row["val_loss"]) == ("5", "0.9", "0.01000")
    assert row["dice_fgsm:0.2_4"] == "0.4500" and row["bone_clean_1"] == "0.3000"
    assert row["mae_fgsm:0.06_2"] == "20.0"


def test_groups_of_trainings_are_disjoint_searches():
    from pruning_groups import groups_of, within
    from pruning_replay import Candidate, replay

    from robmednas_tf.search.pruning import Pruner

    trainings = {
        (number, seed): Candidate({1: float(number), 9: float(number)}, 0.5)
        for number in range(7)
        for seed in range(2)
    }
    groups = groups_of(trainings, 3)
    assert groups == [[(n + i, s) for i in range(3)] for s in range(2) for n in (0, 3)]
    own = [trainings[key] for key in groups[0]]
    # The scores rise, so that nobody is stopped: 9 epochs each.
    pruner = Pruner("halving", (1,))
    assert len(within(own, pruner, 18)) == 2
    assert replay(within(own[::-1], pruner, 100), pruner)[1] == 9 + 1 + 1


def test_agreement_of_attacks_is_that_of_ranks():
    import attacks_analysis as attacks
    import scipy.stats

    x, y = np.random.default_rng(0).normal(size=(2, 20, 3))
    rho = [scipy.stats.spearmanr(x[:, seed], y[:, seed]).statistic for seed in range(3)]
    assert attacks.agreement(x, y) == pytest.approx(np.mean(rho))
    crossed = [
        scipy.stats.spearmanr(x[:, one], y[:, other]).statistic
        for one, other in itertools.permutations(range(3), 2)
    ]
    assert attacks.across_seeds(x, y) == pytest.approx(np.mean(crossed))
