"""How volumes are prepared, kept in model files that stay whole."""

import shutil
import zipfile

import keras
import numpy as np
import pytest

from robmednas_tf.data.preprocessing import Preprocessing
from robmednas_tf.data.preprocessing_record import record_preprocessing, recorded_preprocessing

OTHER = Preprocessing("mask", (1.0, 1.0, 2.5))


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    return keras.Model(inputs, keras.layers.Conv2D(2, 3, padding="same")(inputs))


@pytest.fixture(params=["model.keras", "saved_model"])
def file(request, tmp_path, model):
    path = tmp_path / request.param
    model.save(path) if path.suffix else model.export(path, verbose=False)
    return path


def _outputs(path, mr):
    if path.suffix:
        return keras.saving.load_model(path)(mr).numpy()
    return keras.layers.TFSMLayer(path, call_endpoint="serve")(mr).numpy()


def test_a_record_is_read_back_and_the_model_stays_what_it_was(file, model):
    assert recorded_preprocessing(file) is None
    mr = np.random.default_rng(0).normal(size=(1, 8, 8, 1)).astype(np.float32)
    before = _outputs(file, mr)
    record_preprocessing(file, OTHER)
    assert recorded_preprocessing(file) == OTHER
    np.testing.assert_array_equal(_outputs(file, mr), before)
    if file.suffix:
        loaded = keras.saving.load_model(file).get_weights()
        for own, kept in zip(model.get_weights(), loaded, strict=True):
            np.testing.assert_array_equal(own, kept)
        with zipfile.ZipFile(file) as archive:
            assert archive.testzip() is None


def test_a_record_moves_with_its_model(file, tmp_path):
    record_preprocessing(file, OTHER)
    moved = file.rename(tmp_path / f"moved{file.suffix}")
    assert recorded_preprocessing(moved) == OTHER
    if moved.is_dir():
        shutil.copytree(moved, tmp_path / "copied")
        assert recorded_preprocessing(tmp_path / "copied") == OTHER


def _refused(path):
    with pytest.raises(ValueError, match="damaged record of how its volumes") as refusal:
        recorded_preprocessing(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"3", b"\xff\xfe", b'{"zscore": "mask"}'])
def test_a_damaged_record_is_refused_lest_the_default_stand_in(file, text):
    if file.is_dir():
        (file / "assets.extra").mkdir()
        (file / "assets.extra" / "preprocessing.json").write_bytes(text)
    else:
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("preprocessing.json", text)
    _refused(file)


def test_a_record_whose_bytes_have_changed_is_refused(tmp_path, model):
    path = tmp_path / "model.keras"
    model.save(path)
    record_preprocessing(path, OTHER)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"zscore": "mask"', b'"zscore": "mash"'))
    _refused(path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04 cut short"])
def test_files_that_are_no_models_are_refused(tmp_path, content):
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    _refused(path)
    _refused(tmp_path / "missing.keras")


def test_a_model_that_is_cut_short_is_refused(tmp_path, model):
    path = tmp_path / "model.keras"
    model.save(path)
    record_preprocessing(path, OTHER)
    path.write_bytes(path.read_bytes()[:-40])
    _refused(path)
