"""Training: the best epoch's averaged weights stay, and what goes wrong is said."""

import contextlib
import io
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.slices import ShuffledSlices, mean_normalized_ct, ordered_batches
from robmednas_tf.evaluation.inference import AttackedValidation
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.unet import build_unet
from robmednas_tf.training.checkpoints import BestEpoch
from robmednas_tf.training.fit import NO_PAUSES, MeanLoss, Pauses, best_of, fit
from robmednas_tf.training.unet import TrainableUNet, compile_model

SMALL = Architecture((Block("0100", 8),), (Block("0100", 8),))


def train(heads, config, callbacks=(), checkpoint=None, pauses=NO_PAUSES):
    bias = mean_normalized_ct(heads[:2]) if config.start_at_mean else None
    model = TrainableUNet(build_unet(SMALL, (16, 16, 1), output_bias=bias))
    compile_model(model, config)
    batches = ordered_batches(heads[2:3], config.batch_size)
    shuffled = ShuffledSlices(tuple(heads[:2]), config.batch_size, seed=0)
    result = fit(model, shuffled, MeanLoss(model, batches), config, callbacks, checkpoint, pauses)
    return model, result, batches


def loss_of(model, batches):
    errors = [np.square(model(mr) - ct).mean(axis=(1, 2, 3)) for mr, ct in batches]
    return float(np.concatenate(errors).mean())


class Spoil(keras.callbacks.Callback):
    """Shifts every prediction from one epoch on, so that the best epoch lies before it."""

    def __init__(self, epoch):
        super().__init__()
        self._epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self._epoch:
            bias = self.model.trainable_variables[-1]
            bias.assign(bias + 5.0)


@pytest.mark.parametrize("with_checkpoint", [False, True])
def test_the_kept_weights_are_those_of_the_lowest_validation_loss(
    prepared_heads, tmp_path, with_checkpoint
):
    config = TrainingConfig(epochs=6, learning_rate=3e-3)
    path = tmp_path / "checkpoint.npz" if with_checkpoint else None
    model, result, batches = train(prepared_heads, config, [Spoil(4)], path)
    losses = result.history["val_loss"]
    assert result.best_epoch == int(np.argmin(losses)) == 3
    assert losses[-1] > 2 * result.val_loss == 2 * min(losses)
    assert loss_of(model, batches) == pytest.approx(min(losses), rel=1e-4)
    if path:
        again, _, _ = train(prepared_heads, config, checkpoint=path)
        assert loss_of(again, batches) == pytest.approx(min(losses), rel=1e-4)


def test_a_damaged_checkpoint_costs_the_training_alone(prepared_heads, tmp_path):
    path = tmp_path / "checkpoint.npz"
    config = TrainingConfig(epochs=2)
    _, whole, _ = train(prepared_heads, config, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.warns(RuntimeWarning, match=r"checkpoint\.npz.* is damaged"):
        _, again, _ = train(prepared_heads, config, checkpoint=path)
    np.testing.assert_allclose(again.history["loss"], whole.history["loss"], rtol=1e-5)


@pytest.fixture(scope="module")
def checkpoint(prepared_heads, tmp_path_factory):
    path = tmp_path_factory.mktemp("training") / "checkpoint.npz"
    train(prepared_heads, TrainingConfig(epochs=1), checkpoint=path)
    return path


def flipped(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 0x41
    return bytes(content)


def flipped_in_directory(path, place):
    # The archive's own list of its files; what stands before each file is not read.
    return flipped(path, path.read_bytes().index(b"PK\1\2") + place)


def rewritten(path, **changes):
    with np.load(path) as saved:
        arrays = {**saved, **changes}
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


DAMAGE = {
    "empty": lambda path: b"",
    "zip's version": lambda path: flipped_in_directory(path, 6),
    "zip's flags": lambda path: flipped_in_directory(path, 8),
    "method": lambda path: flipped_in_directory(path, 10),
    "array": lambda path: flipped(path, 2000),
    "no object": lambda path: rewritten(path, history="3"),
    "no list": lambda path: rewritten(path, history='{"val_loss": 1}'),
    "lengths": lambda path: rewritten(path, history='{"val_loss": [1.0], "loss": []}'),
    "another network": lambda path: rewritten(path, best_0000=np.zeros((3, 3))),
    "fewer arrays": lambda path: rewritten(path, best_0000=np.zeros(0), best_9999=np.zeros(1)),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_whatever_a_checkpoint_holds_it_is_left_aside(checkpoint, tmp_path, kind):
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(DAMAGE[kind](checkpoint))
    model = TrainableUNet(build_unet(SMALL, (16, 16, 1)))
    compile_model(model, TrainingConfig(epochs=1))
    before = model.get_weights()
    best = BestEpoch(TrainingConfig(epochs=2), dict, path)
    with pytest.warns(RuntimeWarning, match=r"checkpoint\.npz' is damaged; training begins anew"):
        best.restore(model)
    assert (best.num_epochs, best.history) == (0, {})
    assert all(map(np.array_equal, before, model.get_weights()))


def test_training_goes_on_from_the_trained_weights_not_their_average(prepared_heads):
    plain = train(prepared_heads, TrainingConfig(epochs=3, weight_averaging=0.0))[1]
    averaged = train(prepared_heads, TrainingConfig(epochs=3, weight_averaging=0.96))[1]
    np.testing.assert_allclose(plain.history["loss"], averaged.history["loss"], rtol=1e-5)
    assert plain.history["val_loss"] != averaged.history["val_loss"]


def test_a_network_learns(prepared_heads):
    _, result, _ = train(prepared_heads, TrainingConfig(epochs=8, learning_rate=3e-3))
    assert result.history["loss"][-1] < 0.5 * result.history["loss"][0]


class Killed(keras.callbacks.Callback):
    """Ends a training as a dying process does: after an epoch, with nothing put in order."""

    def __init__(self, epoch):
        super().__init__()
        self._epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self._epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("epochs", "patience"), [(6, 0), (12, 1)])
def test_a_killed_training_ends_as_if_it_had_never_stopped(
    prepared_heads, tmp_path, epochs, patience
):
    config = TrainingConfig(epochs=epochs, learning_rate=0.02, patience=patience)
    model, whole, _ = train(prepared_heads, config)
    path = tmp_path / "checkpoint.npz"
    for epoch in (0, 1, 3):
        with contextlib.suppress(KeyboardInterrupt):
            train(prepared_heads, config, [Killed(epoch)], path)
    resumed, again, _ = train(prepared_heads, config, checkpoint=path)
    assert again.best_epoch == whole.best_epoch
    np.testing.assert_allclose(again.history["val_loss"], whole.history["val_loss"], rtol=1e-4)
    for one, same in zip(model.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(one, same, atol=1e-4)


def test_a_finished_training_is_not_trained_on(prepared_heads, tmp_path):
    config, path = TrainingConfig(epochs=2), tmp_path / "checkpoint.npz"
    model, first, _ = train(prepared_heads, config, checkpoint=path)
    again, second, _ = train(prepared_heads, config, [Killed(2)], path)
    assert first == second
    for one, same in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)


def test_a_training_that_is_asked_ends_as_if_it_never_was_and_can_be_stopped(
    prepared_heads, tmp_path
):
    config = TrainingConfig(epochs=5, learning_rate=0.02)
    model, whole, _ = train(prepared_heads, config, [Spoil(2)])
    assert whole.best_epoch > 2 or whole.history["val_loss"][2] > whole.history["val_loss"][1]
    asked = []

    def pauses(last):
        def goes_on(so_far):
            # What is in the model belongs to the best epoch so far.
            losses = so_far.history["val_loss"]
            asked.append((so_far.num_epochs, so_far.best_epoch, len(losses)))
            assert so_far.val_loss == min(losses)
            return so_far.num_epochs < last

        return Pauses((1, 3), goes_on)

    again, found, batches = train(prepared_heads, config, [Spoil(2)], pauses=pauses(9))
    assert [each[0] for each in asked] == [1, 3]
    np.testing.assert_allclose(found.history["val_loss"], whole.history["val_loss"], rtol=1e-4)
    for one, same in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, same, atol=1e-4)
    path = tmp_path / "checkpoint.npz"
    for _ in range(2):
        # Stopped, and asked again where its end was not told: the same answer ends it the same way.
        stopped, result, _ = train(prepared_heads, config, [Spoil(2)], path, pauses(3))
        assert result.num_epochs == 3
        np.testing.assert_allclose(
            result.history["val_loss"], whole.history["val_loss"][:3], rtol=1e-4
        )
        assert loss_of(stopped, batches) == pytest.approx(result.val_loss, rel=1e-4)
    assert [each[0] for each in asked[2:]] == [1, 3, 3]


def test_patience_ends_a_training_that_stands_still(prepared_heads):
    # A step too small to change a float32 weight.
    config = TrainingConfig(epochs=20, learning_rate=1e-12, patience=2, weight_averaging=0.0)
    _, result, _ = train(prepared_heads, config)
    assert len(result.history["loss"]) < 20
    assert result.best_epoch == 0


def test_a_loss_that_is_not_a_number_is_said(prepared_heads):
    class Poison(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            weight = self.model.trainable_variables[-1]
            weight.assign(tf.fill(weight.shape, math.nan))

    with pytest.raises(FloatingPointError, match="loss is not finite in epoch 1"):
        train(prepared_heads, TrainingConfig(epochs=3), [Poison()])


def test_callbacks_see_both_losses(prepared_heads):
    seen = []
    spy = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(set(logs)))
    train(prepared_heads, TrainingConfig(epochs=2), [spy])
    assert seen == [{"loss", "val_loss"}] * 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"epochs": 1, "batch_size": 0}, "batch_size"),
        ({"epochs": 1, "learning_rate": 0.0}, "learning_rate"),
        ({"epochs": 1, "learning_rate": math.nan}, "learning_rate"),
        ({"epochs": 1, "weight_averaging": 1.0}, "weight_averaging"),
        ({"epochs": 1, "patience": -1}, "patience"),
    ],
)
def test_impossible_settings_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**values)


def test_the_best_epoch_of_a_training_that_went_wrong_is_kept(prepared_heads, tmp_path):
    class Poison(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.trainable_variables[-1].assign([math.nan])

    config, path = TrainingConfig(epochs=4), tmp_path / "checkpoint.npz"
    whole, expected, _ = train(prepared_heads, TrainingConfig(epochs=2))
    with pytest.raises(FloatingPointError):
        train(prepared_heads, config, [Poison()], path)
    model = TrainableUNet(build_unet(SMALL, (16, 16, 1)))
    compile_model(model, config)
    result = best_of(model, config, path)
    assert result.best_epoch == expected.best_epoch
    np.testing.assert_allclose(result.history["val_loss"], expected.history["val_loss"], rtol=1e-4)
    for one, other in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert best_of(model, config, tmp_path / "absent.npz") is None


def test_validation_says_that_predictions_are_not_finite(prepared_heads):
    model = build_unet(SMALL, (16, 16, 1))
    model.trainable_variables[-1].assign([math.inf])
    with pytest.raises(FloatingPointError, match="'phantom_002' is not finite"):
        AttackedValidation(model, prepared_heads[2:3], Perturbation("fgsm", 0.2), 6)()
