"""Adam on one flat vector, against Keras's own."""

import keras
import numpy as np
import pytest

from robmednas_tf.training.optimizer import FlatAdam


def trained(optimizer, epochs=3):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(1)]
    )
    model.compile(optimizer, "mse")
    optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6))
    model.fit(x, x.sum(axis=1), batch_size=8, epochs=epochs, shuffle=False, verbose=0)
    return model


def distance(first, second):
    return max(
        np.abs(one - other).max()
        for one, other in zip(first.get_weights(), second.get_weights(), strict=True)
    )


def test_weights_follow_keras_adam_with_amsgrad():
    ours = trained(FlatAdam(0.01), epochs=30)
    theirs = trained(keras.optimizers.Adam(0.01, amsgrad=True), epochs=30)
    assert distance(ours, theirs) < 1e-5
    assert distance(ours, trained(keras.optimizers.Adam(0.01), epochs=30)) > 1e-4


def test_average_follows_keras_moving_average():
    ours = trained(FlatAdam(0.01, weight_averaging=0.9))
    raw = ours.get_weights()
    ours.optimizer.swap_average()
    # Keras leaves the average in the model when it has fitted.
    theirs = trained(keras.optimizers.Adam(0.01, amsgrad=True, use_ema=True, ema_momentum=0.9))
    assert distance(ours, theirs) < 1e-5
    ours.optimizer.swap_average()
    for before, after in zip(raw, ours.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_without_average_a_swap_changes_nothing():
    model = trained(FlatAdam(0.01))
    before = model.get_weights()
    model.optimizer.swap_average()
    for one, same in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)


def test_configuration_builds_the_same_optimizer():
    optimizer = FlatAdam(0.02, beta_1=0.8, weight_averaging=0.5)
    again = FlatAdam.from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_impossible_decays_are_refused(decay):
    with pytest.raises(ValueError, match="weight_averaging"):
        FlatAdam(weight_averaging=decay)
