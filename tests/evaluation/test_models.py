"""Models from disk: all forms predict alike and can be attacked; others are refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.attacks.fgsm import prediction_and_gradient
from robmednas_tf.evaluation.models import load_model
from robmednas_tf.export import export_model
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.unet import build_unet


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    block = Block("0110", 8, 4)
    model = build_unet(Architecture((block,), (block,)), (16, 16, 1), seed=1)
    export_model(model, folder)
    return model, folder


def test_all_forms_predict_and_are_attacked_alike(exported):
    model, folder = exported
    mr, ct = np.random.default_rng(0).normal(size=(2, 3, 16, 16, 1)).astype("float32")
    expected, gradient = prediction_and_gradient(model, tf.constant(mr), tf.constant(ct))
    digests = set()
    for path in (folder / "model.keras", folder / "saved_model"):
        loaded = load_model(path)
        assert loaded.input_shape == loaded.output_shape == (None, 16, 16, 1)
        assert loaded.image_size == 16
        assert loaded.parameters == model.count_params()
        prediction, own = prediction_and_gradient(loaded, tf.constant(mr), tf.constant(ct))
        np.testing.assert_allclose(prediction, expected, atol=1e-5)
        np.testing.assert_allclose(own, gradient, atol=1e-6)
        digests.add(loaded.digest)
        assert load_model(path).digest == loaded.digest
    assert len(digests) == 2


def save(tmp_path, shape, filters=1, outputs=1):
    mr = keras.Input(shape)
    ct = [keras.layers.Conv2D(filters, 1)(mr) for _ in range(outputs)]
    path = tmp_path / "other.keras"
    keras.Model(mr, ct if outputs > 1 else ct[0]).save(path)
    return path


@pytest.mark.parametrize(
    ("shape", "changes", "words"),
    [
        ((16, 16, 2), {}, r"one channel.*input \(None, 16, 16, 2\)"),
        ((16, 16, 1), {"filters": 3}, r"output \(None, 16, 16, 3\)"),
        ((16, 20, 1), {}, "square MR slices"),
        ((None, None, 1), {}, "square MR slices"),
        ((16, 16, 1), {"outputs": 2}, "one input and one output. Received: 2"),
    ],
)
def test_other_models_are_refused(tmp_path, shape, changes, words):
    path = save(tmp_path, shape, **changes)
    with pytest.raises(ValueError, match=words) as refusal:
        load_model(path)
    assert str(path) in str(refusal.value)


def test_a_damaged_file_is_refused(exported, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes((exported[1] / "model.keras").read_bytes()[:-2000])
    with pytest.raises(ValueError, match=r"model\.keras' cannot be loaded"):
        load_model(path)


def test_a_saved_model_without_slices_is_refused(tmp_path):
    module = tf.Module()
    module.serve = tf.function(lambda x: x, input_signature=[tf.TensorSpec((None, None, None))])
    tf.saved_model.save(module, str(tmp_path / "other"), signatures=module.serve)
    with pytest.raises(ValueError, match="no signature 'predict_slices'"):
        load_model(tmp_path / "other")


def test_another_programs_saved_model_of_slices_is_taken(tmp_path):
    module = tf.Module()
    module.scale = tf.Variable(2.0)
    spec = tf.TensorSpec((None, 16, 16, 1))
    module.call = tf.function(lambda x: module.scale * x, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path / "other"), signatures=module.call)
    loaded = load_model(tmp_path / "other")
    assert loaded.parameters in (None, 1)
    np.testing.assert_array_equal(loaded(tf.ones((1, 16, 16, 1))), 2 * np.ones((1, 16, 16, 1)))
