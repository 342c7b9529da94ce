"""The factory: what it builds, how it saves, and that its seed decides the weights."""

import keras
import numpy as np
import pytest

from robmednas_tf.models.architecture import NAMED, Architecture, Block
from robmednas_tf.models.unet import build_unet

SMALL = Architecture(
    (Block("1111", 8, 16), Block("0101", 16)), (Block("0010", 8), Block("1000", 8, 2))
)


def inputs(height, width, batch=2):
    return np.random.default_rng(0).normal(size=(batch, height, width, 1)).astype("float32")


@pytest.mark.parametrize("shape", [(16, 16), (17, 22), (5, 3)])
@pytest.mark.parametrize("depth", [1, 3, 5])
def test_every_depth_works_on_every_grid(shape, depth):
    block = Block("0001", 8)
    model = build_unet(Architecture((block,) * depth, (block,) * depth), (*shape, 1))
    assert model(inputs(*shape)).shape == (2, *shape, 1)


def test_padding_inside_shifts_nothing():
    # A network that copies its input: all kernels zero but the last one's weight on the MR.
    model = build_unet(SMALL, (10, 13, 1), output_bias=0.0)
    last = model.get_layer("synthetic_ct")
    kernel, bias = last.get_weights()
    kernel[..., -1, 0] = 1.0
    last.set_weights([kernel, bias])
    mr = inputs(10, 13)
    np.testing.assert_allclose(model(mr), mr, atol=1e-6)


def test_seeds_decide_the_weights():
    first, again, other = (build_unet(SMALL, (8, 8, 1), seed=seed) for seed in (0, 0, 1))
    for one, same in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)
    kernels = [weights for weights in first.get_weights() if weights.ndim == 4]
    others = [weights for weights in other.get_weights() if weights.ndim == 4]
    assert not any(np.array_equal(*pair) for pair in zip(kernels, others, strict=True))
    # Nor do two layers of one shape share their weights.
    same_shape = [kernel for kernel in kernels if kernel.shape == (3, 3, 8, 8)]
    assert not np.array_equal(same_shape[0], same_shape[1])


def test_output_bias_is_the_first_prediction():
    model = build_unet(SMALL, (8, 8, 1), output_bias=-0.5)
    np.testing.assert_array_equal(model(inputs(8, 8)), np.full((2, 8, 8, 1), -0.5, "float32"))


def test_squeeze_excite_sees_the_whole_slice():
    # Without it a far pixel is out of reach of this shallow network.
    mr = inputs(64, 64, batch=1)
    far = mr.copy()
    far[0, 0, 0] += 10
    for ratio, reaches in ((None, False), (2, True)):
        block = Block("1000", 8, ratio)
        model = build_unet(Architecture((block,), (block,)), (64, 64, 1))
        change = np.abs(model(far) - model(mr))[0, -8:, -8:].max()
        assert (change > 0) == reaches


def test_table_4_builds_trains_a_step_saves_and_loads(tmp_path):
    model = build_unet(NAMED["robmednas_t"], (32, 32, 1))
    # Any optimiser will do, and this one is traced in a tenth of the time.
    model.compile("sgd", "mse")
    mr = inputs(32, 32)
    before = model.get_weights()[0]
    loss = model.train_on_batch(mr, mr)
    assert np.isfinite(loss)
    assert not np.array_equal(before, model.get_weights()[0])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(loaded(mr), model(mr), atol=1e-6)


def test_layer_names_read_like_table_4():
    names = [layer.name for layer in build_unet(SMALL, (8, 8, 1)).layers]
    for name in ("enc1_branch2_conv2", "enc1_branch4_pool1", "dec2_se_excite", "dec1_up"):
        assert name in names
    assert "enc2_branch1_conv1" not in names


def test_unknown_grids_are_refused():
    with pytest.raises(ValueError, match="input_shape"):
        build_unet(SMALL, (None, None, 1))
