"""The training step: plain, adversarial, in mixed precision, and on several devices."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.adversarial import AdversarialConfig
from robmednas_tf.attacks import attack as attacks
from robmednas_tf.attacks.fgsm import fgsm, prediction_and_gradient
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.attacks.victim import Victim
from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.slices import ShuffledSlices, ordered_batches
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.unet import build_unet
from robmednas_tf.training.attacked import attack_slices
from robmednas_tf.training.fit import MeanLoss, _batches, fit
from robmednas_tf.training.unet import TrainableUNet, compile_model

SMALL = Architecture((Block("0100", 8),), (Block("0100", 8),))


def network(adversarial=None, jit_compile=None, **kinds):
    model = TrainableUNet(build_unet(SMALL, (16, 16, 1), seed=2, **kinds), adversarial)
    compile_model(model, TrainingConfig(epochs=1), jit_compile)
    return model


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    mr, ct = rng.normal(size=(2, 6, 16, 16, 1)).astype("float32")
    return tf.constant(mr), tf.constant(ct)


def batches(batch, replaced, noise=None):
    """One batch in the form of adversarial training."""
    mr, ct = batch
    noise = tf.zeros_like(mr) if noise is None else noise
    return tf.data.Dataset.from_tensors((mr, ct, tf.constant(np.array(replaced, bool)), noise))


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("replaced", [[0, 1, 1, 0, 0, 1], [0] * 6, [1] * 6])
def test_a_step_is_that_of_the_papers_loss(batch, replaced, jit_compile):
    # Written out: beta l(S, T) + (1 - beta) l(S_adv, T), averaged, through Keras's own Adam.
    mr, ct = batch
    beta = 1 - tf.constant(replaced, tf.float32)
    model, naive = network(AdversarialConfig(), jit_compile), network()
    attacked = fgsm(naive, mr, ct, 0.2)
    with tf.GradientTape() as tape:
        clean_loss = keras.losses.mean_squared_error(ct, naive(mr))
        attacked_loss = keras.losses.mean_squared_error(ct, naive(attacked))
        losses = [tf.reduce_mean(loss, axis=(1, 2)) for loss in (clean_loss, attacked_loss)]
        loss = tf.reduce_mean(beta * losses[0] + (1 - beta) * losses[1])
    gradients = tape.gradient(loss, naive.trainable_variables)
    keras.optimizers.Adam(1e-3, amsgrad=True).apply(gradients, naive.trainable_variables)

    data = batches(batch, replaced)
    logs = model.fit(data, verbose=0).history
    assert logs["loss"][0] == pytest.approx(float(loss), rel=1e-5)
    assert logs["replaced"][0] == pytest.approx(np.mean(replaced))
    moved = np.abs(attacked - mr).mean(axis=(1, 2, 3))[np.array(replaced, bool)] / 0.2
    assert logs["perturbation"][0] == pytest.approx(moved.mean() if moved.size else 0, rel=1e-4)
    for one, other in zip(model.get_weights(), naive.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def squared(one, other):
    return tf.reduce_mean(tf.square(one - other), axis=(1, 2, 3))


def signs(model, start, target):
    """Signs of the gradient of the error at `start`, written out."""
    with tf.GradientTape() as tape:
        tape.watch(start)
        loss = tf.reduce_sum(squared(target, model(start)))
    return tf.sign(tape.gradient(loss, start))


@pytest.mark.parametrize("replaced", [[0, 1, 1, 0, 0, 1], [0] * 6])
@pytest.mark.parametrize("kind", ["nfgsm", "trades"])
def test_a_step_of_the_other_kinds_is_that_of_their_loss(batch, kind, replaced):
    mr, ct = batch
    noise = tf.random.stateless_uniform(mr.shape, (3, 4), -1.0, 1.0)
    chosen = tf.reshape(tf.constant(replaced, tf.float32), (6, 1, 1, 1))
    model, naive = (
        network(AdversarialConfig(kind=kind, attack=Perturbation("fgsm", 0.1), beta=3.0)),
        network(),
    )
    if kind == "nfgsm":
        start = mr + 0.2 * noise
        attacked = start + 0.1 * signs(naive, start, ct)
    else:
        attacked = mr + 0.1 * signs(naive, mr + 0.1 * tf.sign(noise), naive(mr))
    attacked = chosen * attacked + (1 - chosen) * mr
    with tf.GradientTape() as tape:
        if kind == "nfgsm":
            losses = squared(ct, naive(attacked))
        else:
            losses = squared(ct, naive(mr)) + 3 * squared(naive(mr), naive(attacked))
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, naive.trainable_variables)
    keras.optimizers.Adam(1e-3, amsgrad=True).apply(gradients, naive.trainable_variables)

    logs = model.fit(batches(batch, replaced, noise), verbose=0).history
    assert logs["loss"][0] == pytest.approx(float(loss), rel=1e-5)
    assert logs["perturbation"][0] == pytest.approx(float(any(replaced)), abs=1e-2)
    for one, other in zip(model.get_weights(), naive.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_stronger_attacks_are_trained_on_as_they_are_by_themselves(batch):
    mr, ct = batch
    attack = Perturbation.parse("pgd:0.1:steps=3:restarts=2")
    model = network(AdversarialConfig(1.0, attack))
    noise = np.random.default_rng(5).uniform(-1, 1, mr.shape).astype("float32")
    mr, ct = np.asarray(mr), np.asarray(ct)
    seeds = tf.bitcast(tf.constant(noise)[:, 0, :2, 0], tf.int32)
    slices = attacks.Slices(tf.constant(mr), tf.constant(ct), seeds)
    expected = attacks.attacked(attack, Victim.of(model), slices)

    @tf.function
    def in_a_graph(mr, ct, noise):
        return attack_slices(model, mr, ct, noise, model.adversarial)

    found, moved = in_a_graph(tf.constant(mr), tf.constant(ct), tf.constant(noise))
    assert np.mean(np.abs(found - expected) > 1e-3) < 0.02
    assert np.abs(found - mr).max() <= 0.1 + 1e-6
    assert np.all((moved > 0.3) & (moved <= 1 + 1e-5))
    # The second start is a random one: each slice's own.
    assert len(set(map(tuple, seeds.numpy().tolist()))) == len(mr)


@pytest.mark.parametrize(
    ("text", "is_noisy"), [("fgsm:0.1", False), ("pgd:0.1", False), ("pgd:0.1:restarts=2", True)]
)
def test_attacks_that_draw_lots_are_given_some(prepared_heads, text, is_noisy):
    slices = ShuffledSlices(tuple(prepared_heads[:1]), 6, 0)
    config = AdversarialConfig(attack=Perturbation.parse(text))
    *_, noise = next(iter(_batches(slices, config, 1, 0)))
    assert np.any(noise) == is_noisy


def test_noise_is_new_each_step_and_follows_from_the_seed(prepared_heads):
    def drawn(seed, first_epoch=0):
        slices = ShuffledSlices(tuple(prepared_heads[:2]), 6, seed)
        steps = _batches(slices, AdversarialConfig(kind="nfgsm"), 9, first_epoch)
        return [noise.numpy() for *_, noise in steps.take(2 * slices.num_steps)]

    steps = drawn(0)
    everything = np.concatenate([each.ravel() for each in steps])
    assert everything.min() < -0.99 and everything.max() > 0.99
    assert abs(everything.mean()) < 0.02 and everything.var() == pytest.approx(1 / 3, abs=0.01)
    assert not np.array_equal(steps[0], steps[1])
    assert not np.array_equal(steps[0], drawn(1)[0])
    half = len(steps) // 2
    np.testing.assert_array_equal(steps[half], drawn(0, first_epoch=1)[0])


def test_fine_tuning_attacks_and_keeps_an_epoch_after_its_clean_share(prepared_heads):
    config = AdversarialConfig(1.0, Perturbation("fgsm", 0.5), "finetune", clean_share=0.5)
    _, result = train(prepared_heads, config, epochs=5, patience=1)
    # ceil(0.5 * 5) clean epochs, whatever the patience is.
    assert result.history["replaced"][:3] == [0, 0, 0]
    assert all(share == 1 for share in result.history["replaced"][3:])
    assert len(result.history["replaced"]) > 3
    late = result.history["val_loss"][3:]
    assert result.best_epoch == 3 + int(np.argmin(late))


def test_a_training_costs_what_its_attacks_cost():
    assert AdversarialConfig(0.5).passes(10, 10) == 1.5
    assert AdversarialConfig(1.0, kind="nfgsm").passes(10, 4) == 2
    assert AdversarialConfig(1.0, kind="trades").passes(10, 10) == 3
    # Clean for 70 %, then FGSM, at 1.3 times the cost.
    assert AdversarialConfig(1.0, kind="finetune").passes(10, 10) == pytest.approx(1.3)
    assert AdversarialConfig(1.0, kind="finetune").passes(10, 8) == pytest.approx(1 + 1 / 8)
    assert AdversarialConfig(1.0, kind="finetune").first_epoch(1) == 0


def train(heads, adversarial, epochs=3, checkpoint=None, seed=0, patience=0):
    model = TrainableUNet(build_unet(SMALL, (16, 16, 1)), adversarial)
    config = TrainingConfig(epochs=epochs, learning_rate=3e-3, patience=patience)
    compile_model(model, config)
    slices = ShuffledSlices(tuple(heads[:2]), config.batch_size, seed)
    validate = MeanLoss(model, ordered_batches(heads[2:3], config.batch_size))
    return model, fit(model, slices, validate, config, checkpoint=checkpoint)


def test_adversarial_training_logs_what_the_attack_did(prepared_heads):
    _, result = train(prepared_heads, AdversarialConfig(0.5))
    assert set(result.history) == {"loss", "val_loss", "replaced", "perturbation"}
    assert all(0.1 < share < 0.9 for share in result.history["replaced"])
    assert len(set(result.history["replaced"])) > 1
    assert all(0.5 < moved <= 1.0001 for moved in result.history["perturbation"])


def test_an_adversarial_training_that_goes_on_ends_as_if_it_had_not_stopped(
    prepared_heads, tmp_path
):
    whole, _ = train(prepared_heads, AdversarialConfig())
    train(prepared_heads, AdversarialConfig(), epochs=1, checkpoint=tmp_path / "state.npz")
    resumed, _ = train(prepared_heads, AdversarialConfig(), checkpoint=tmp_path / "state.npz")
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_an_attack_that_moves_nothing_is_an_error(prepared_heads):
    model = TrainableUNet(build_unet(SMALL, (16, 16, 1), output_bias=0.0), AdversarialConfig())
    # No gradient passes the last layer's zero kernel, and one step is the whole epoch.
    slices = ShuffledSlices(tuple(prepared_heads[:2]), 16, seed=0)
    validate = MeanLoss(model, ordered_batches(prepared_heads[2:3], 6))
    # Asked to start so, it is no mistake.
    config = TrainingConfig(epochs=1, batch_size=16)
    compile_model(model, config)
    assert fit(model, slices, validate, config).history["perturbation"] == [0]
    model.set_weights(build_unet(SMALL, (16, 16, 1), output_bias=0.0).get_weights())
    config = TrainingConfig(epochs=1, batch_size=16, start_at_mean=False)
    compile_model(model, config)
    with pytest.raises(FloatingPointError, match="moved no pixel"):
        fit(model, slices, validate, config)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"replacement_probability": 0.0}, r"replacement_probability must be in \(0, 1\]"),
        ({"replacement_probability": 1.5}, "replacement_probability"),
        ({"attack": Perturbation("fgsm", 0.0)}, "epsilon of adversarial training must be > 0"),
        ({"attack": Perturbation("gaussian", 0.2)}, "must attack the network"),
        ({"attack": Perturbation.parse("pgd:0.2:mask=body")}, "have no body mask"),
        ({"kind": "trades", "attack": Perturbation("pgd", 0.2)}, "must have a plain FGSM"),
        ({"kind": "pgd"}, "must be one of bernoulli_fgsm, nfgsm, trades, finetune"),
        ({"kind": "trades", "beta": -1.0}, "beta of adversarial training must be > 0"),
        ({"kind": "finetune", "clean_share": 1.0}, r"clean_share must be in \(0, 1\)"),
    ],
)
def test_impossible_adversarial_settings_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        AdversarialConfig(**values)


def test_attacks_stay_in_float32_in_mixed_precision(batch):
    mixed, full = network(dtype_policy="mixed_bfloat16"), network()
    assert {variable.dtype for variable in mixed.trainable_variables} == {"float32"}
    prediction, gradient = prediction_and_gradient(mixed, *batch)
    expected, expected_gradient = prediction_and_gradient(full, *batch)
    np.testing.assert_array_equal(gradient, expected_gradient)
    np.testing.assert_array_equal(prediction, expected)
    # And outside of the attack the network is in half precision still.
    rounded = mixed(batch[0])
    assert rounded.dtype == tf.float32
    assert np.abs(rounded - expected).max() > 1e-4


def test_mixed_precision_trains_adversarially(batch):
    model = network(AdversarialConfig(), dtype_policy="mixed_bfloat16")
    data = batches(batch, [True, False] * 3).repeat(20)
    losses = [model.fit(data, verbose=0).history["loss"][0] for _ in range(3)]
    assert losses[-1] < losses[0]
    assert model.layers[2].compute_dtype == "bfloat16"


DISTRIBUTED = """
import dataclasses
import sys
from pathlib import Path
import numpy as np
import tensorflow as tf
cpus = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)
from robmednas_tf.adversarial import AdversarialConfig
from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.cohort import open_phantom
from robmednas_tf.data.prepared import SliceCache
from robmednas_tf.data.slices import ShuffledSlices, ordered_batches
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.unet import build_unet
from robmednas_tf.training.fit import MeanLoss, fit
from robmednas_tf.training.unet import TrainableUNet, compile_model

cache = SliceCache(sys.argv[1], 16)
heads = tuple(cache.prepare(subject) for subject in open_phantom(3, (16, 16, 8), seed=0))
config = TrainingConfig(epochs=3, batch_size=5, learning_rate=3e-3)

def train(strategy, adversarial, config=config, checkpoint=None):
    with strategy.scope():
        block = Block("0100", 8)
        unet = build_unet(Architecture((block,), (block,)), (16, 16, 1), seed=1)
        model = TrainableUNet(unet, adversarial)
        compile_model(model, config)
        # 16 slices in batches of 5: parts of 3 and 2 on two devices, of 1 and 0 at the end.
        slices = ShuffledSlices(heads[:2], config.batch_size, 0)
        validate = MeanLoss(model, ordered_batches(heads[2:], 5))
        result = fit(model, slices, validate, config, checkpoint=checkpoint)
    return result.history

for adversarial in (None, AdversarialConfig(kind="trades")):
    one = train(tf.distribute.get_strategy(), adversarial)
    both = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    # Stopped after an epoch, as by a kill.
    state = Path(sys.argv[1]) / f"{adversarial is None}.npz"
    train(both, adversarial, dataclasses.replace(config, epochs=1), state)
    two = train(both, adversarial, checkpoint=state)
    assert set(one) == set(two)
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=1e-4, err_msg=name)
    assert one["loss"][-1] < one["loss"][0]
print("equal")
"""


def test_two_devices_give_the_loss_of_one(tmp_path):
    # In a process of its own: devices are split before they are first used.
    done = subprocess.run(
        [sys.executable, "-c", DISTRIBUTED, str(tmp_path)], capture_output=True, text=True
    )
    assert done.stdout.endswith("equal\n"), done.stderr
