"""The exported files: whole volumes in, HU out, with TensorFlow alone."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.data.grid import pad_or_crop
from robmednas_tf.data.intensities import AIR_HU, denormalize_ct, zscore
from robmednas_tf.export import export_model
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.unet import build_unet


@pytest.fixture(scope="module")
def model():
    block = Block("0110", 8, 4)
    return build_unet(Architecture((block,) * 2, (block,) * 2), (18, 18, 1), seed=2)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    export_model(model, folder, batch_size=4)
    return folder


SHAPES = ((7, 18, 18), (4, 12, 25), (1, 21, 9))


def volume(shape):
    return np.random.default_rng(0).gamma(2.0, 300.0, shape).astype("float32")


def test_the_saved_model_needs_tensorflow_alone(model, folder, tmp_path):
    # Another process, whose only import is TensorFlow.
    np.savez(tmp_path / "mr.npz", *[volume(shape) for shape in SHAPES])
    script = (
        "import sys, numpy as np, tensorflow as tf\n"
        "model = tf.saved_model.load(sys.argv[1])\n"
        "volumes = np.load(sys.argv[2]).values()\n"
        "np.savez(sys.argv[3], *[model.serve(mr).numpy() for mr in volumes])\n"
        "assert not any(name.startswith('robmednas') for name in sys.modules)\n"
    )
    arguments = [folder / "saved_model", tmp_path / "mr.npz", tmp_path / "ct.npz"]
    subprocess.run([sys.executable, "-c", script, *map(str, arguments)], check=True)
    for shape, ct in zip(SHAPES, np.load(tmp_path / "ct.npz").values(), strict=True):
        mr = zscore(volume(shape))
        slices = pad_or_crop(mr, 18, 18, mr.min())[..., None]
        expected = denormalize_ct(model(slices))[..., 0]
        assert ct.shape == shape
        np.testing.assert_allclose(ct, pad_or_crop(expected, *shape[1:], AIR_HU), atol=1e-2)


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
    export_model(model, folder)
    assert (
        sorted(path.name for path in folder.iterdir()) == before == ["model.keras", "saved_model"]
    )
