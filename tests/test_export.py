"""The exported files: whole volumes in, HU out, with TensorFlow alone."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.data.grid import pad_or_crop
from robmednas_tf.data.intensities import AIR_HU, denormalize_ct, zscore
from robmednas_tf.data.preprocessing import Preprocessing
from robmednas_tf.data.preprocessing_record import recorded_preprocessing
from robmednas_tf.evaluation.models import load_model
from robmednas_tf.export import export_model
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.unet import build_unet


@pytest.fixture(scope="module")
def model():
    block = Block("0110", 8, 4)
    return build_unet(Architecture((block,) * 2, (block,) * 2), (18, 18, 1), seed=2)


def test_a_full_disk_is_the_systems_error(model, tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        # What TensorFlow 2.21 says; it has one error for disk and memory.
        message = f"{tmp_path}/saved_model.pb.tmp5e1; No space left on device"
        raise tf.errors.ResourceExhaustedError(None, None, message)

    # Keras makes archives of a class that it hides.
    monkeypatch.setattr(type(keras.export.ExportArchive()), "write_out", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        export_model(model, tmp_path)
    assert (error.value.errno, error.value.filename) == (28, str(tmp_path / "saved_model"))
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    export_model(model, folder, batch_size=4)
    return folder


SHAPES = ((7, 18, 18), (4, 12, 25), (1, 21, 9))


def volume(shape):
    return np.random.default_rng(0).gamma(2.0, 300.0, shape).astype("float32")


def test_the_saved_model_needs_tensorflow_alone(model, folder, tmp_path):
    # Another process, whose only import is TensorFlow; what that brings of Keras is its own affair.
    np.savez(tmp_path / "mr.npz", *[volume(shape) for shape in SHAPES])
    script = (
        "import sys, numpy as np, tensorflow as tf\n"
        "before = set(sys.modules)\n"
        "model = tf.saved_model.load(sys.argv[1])\n"
        "volumes = np.load(sys.argv[2]).values()\n"
        "np.savez(sys.argv[3], *[model.serve(mr).numpy() for mr in volumes])\n"
        "roots = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "assert not roots & {'keras', 'robmednas_tf'}, roots\n"
        "assert 'robmednas_tf' not in sys.modules\n"
    )
    arguments = [folder / "saved_model", tmp_path / "mr.npz", tmp_path / "ct.npz"]
    subprocess.run([sys.executable, "-c", script, *map(str, arguments)], check=True)
    for shape, ct in zip(SHAPES, np.load(tmp_path / "ct.npz").values(), strict=True):
        mr = zscore(volume(shape))
        slices = pad_or_crop(mr, 18, 18, mr.min())[..., None]
        expected = denormalize_ct(model(slices))[..., 0]
        assert ct.shape == shape
        np.testing.assert_allclose(ct, pad_or_crop(expected, *shape[1:], AIR_HU), atol=1e-3)


def constant_model(values):
    """A network whose every pixel of a 4 x 4 slice is the same, one value a column."""
    mr = keras.Input((4, 4, 1))
    last = keras.layers.Conv2D(4, (1, 4), kernel_initializer="zeros", bias_initializer="zeros")
    ct = keras.layers.Permute((1, 3, 2))(last(mr))
    model = keras.Model(mr, ct)
    last.set_weights([last.get_weights()[0], np.asarray(values, "float32")])
    return model


def test_int16_is_rounded_half_to_even_and_clipped(tmp_path):
    # Eighths, whose HU end in exactly one half; and what 16 bits cannot hold.
    export_model(constant_model([0.125, 0.375, 16, -16]), tmp_path, batch_size=2)
    loaded = tf.saved_model.load(str(tmp_path / "saved_model"))
    mr = volume((3, 4, 6))
    np.testing.assert_array_equal(
        loaded.serve(mr)[0, 0], [-1000, 1562.5, 2187.5, 41250, -38750, -1000]
    )
    rounded = loaded.serve_int16(mr)
    assert rounded.dtype == tf.int16
    assert rounded.shape == mr.shape
    expected = [-1000, 1562, 2188, 32767, -1024, -1000]
    np.testing.assert_array_equal(rounded, np.broadcast_to(expected, mr.shape))


def test_int16_is_the_served_volume(folder):
    loaded = tf.saved_model.load(str(folder / "saved_model"))
    for shape in SHAPES:
        np.testing.assert_array_equal(
            loaded.serve_int16(volume(shape)), np.rint(loaded.serve(volume(shape)))
        )


def test_a_network_of_masked_mr_takes_the_mask_and_says_so(model, tmp_path):
    preprocessing = Preprocessing("mask", (1.0, 1.0, 0.0))
    export_model(model, tmp_path, batch_size=4, preprocessing=preprocessing)
    for name in ("model.keras", "saved_model"):
        assert recorded_preprocessing(tmp_path / name) == preprocessing
        assert load_model(tmp_path / name).preprocessing == preprocessing
    mr = volume(SHAPES[0])
    mask = mr > np.median(mr)
    slices = pad_or_crop(zscore(mr, mask), 18, 18, zscore(mr, mask).min())[..., None]
    expected = denormalize_ct(model(slices))[..., 0]
    loaded = tf.saved_model.load(str(tmp_path / "saved_model"))
    np.testing.assert_allclose(loaded.serve(mr, mask), expected, atol=1e-3)
    np.testing.assert_array_equal(loaded.serve_int16(mr, mask), np.rint(loaded.serve(mr, mask)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="the shape of its MR"):
        loaded.serve(mr, mask[1:])
    # Not silently over the whole volume.
    with pytest.raises((TypeError, ValueError)):
        loaded.serve(mr)


def test_intensity_scale_does_not_matter(folder):
    loaded = tf.saved_model.load(str(folder / "saved_model"))
    mr = volume(SHAPES[0])
    np.testing.assert_allclose(loaded.serve(mr), loaded.serve(7 * mr + 100), atol=0.5)


def test_constant_volumes_are_refused(folder):
    loaded = tf.saved_model.load(str(folder / "saved_model"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="not constant"):
        loaded.serve(np.ones(SHAPES[0], "float32"))


def test_the_keras_file_loads_with_no_custom_object(model, folder):
    loaded = keras.saving.load_model(folder / "model.keras", safe_mode=True)
    x = np.random.default_rng(0).normal(size=(2, 18, 18, 1)).astype("float32")
    np.testing.assert_allclose(loaded(x), model(x), atol=1e-6)
    assert not loaded.compiled


def test_an_export_replaces_the_one_before(model, folder):
    before = sorted(path.name for path in folder.iterdir())
    # Of the network before: this one's is written by `export_onnx`.
    (folder / "model.onnx").write_text("another network")
    export_model(model, folder)
    assert (
        sorted(path.name for path in folder.iterdir()) == before == ["model.keras", "saved_model"]
    )
