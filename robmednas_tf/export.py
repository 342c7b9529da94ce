"""A trained network as files: a Keras model of slices, and a SavedModel of whole volumes."""

from __future__ import annotations

from pathlib import Path

import keras
import tensorflow as tf

from robmednas_tf.data.intensities import AIR_HU, CT_MEAN_HU, CT_SCALE_HU, FLOOR_HU
from robmednas_tf.data.preprocessing import AS_IN_PAPER, Preprocessing
from robmednas_tf.data.preprocessing_record import record_preprocessing
from robmednas_tf.files import replaced_atomically, replaced_folder
from robmednas_tf.onnx_export import ONNX_FILE
from robmednas_tf.tf_files import written_by_tensorflow

# The SavedModel's endpoint for slices as the network sees them; evaluation and attacks call it.
SLICES_ENDPOINT = "predict_slices"


def export_model(
    model: keras.Model,
    folder: Path,
    batch_size: int = 6,
    preprocessing: Preprocessing = AS_IN_PAPER,
) -> None:
    """Writes `model.keras` and `saved_model/` into `folder`.

    Args:
        model: From z-scored MR slices `(batch, height, width, 1)` to normalised CT slices.
        folder: Made where it does not exist; older files in it are replaced, and an ONNX file of
            another network is removed.
        batch_size: Slices that the SavedModel predicts at a time.
        preprocessing: How the volumes that it was trained on were prepared; kept in both.

    The Keras file is `model` itself, uncompiled, and loads with no custom object. The SavedModel
    needs TensorFlow alone. Its `serve(mr)` takes a whole MR volume, float32
    `(slices, rows, columns)`, any intensity scale, any size: axial slices towards superior, rows
    towards posterior, columns towards left, as SimpleITK reads an LPS image. It returns the
    synthetic CT in HU, float32 of the same shape. What lies outside the network's grid is air.
    Where MRs are z-scored inside the body it is `serve(mr, mask)`, `mask` bool like `mr`; it does
    not resample: `mr` has the spacing of `preprocessing`. Its `serve_int16(mr)` returns the same
    rounded (half to even) to int16 and no lower than -1024, as CT files hold it. Its
    `predict_slices(mr)` is `model`: z-scored slices in, normalised CT slices out.

    Raises:
        OSError: If they cannot be written.
    """
    export_keras(model, folder, preprocessing)
    export_saved_model(model, folder, batch_size, preprocessing)


def export_keras(
    model: keras.Model, folder: Path, preprocessing: Preprocessing = AS_IN_PAPER
) -> None:
    """Writes `model.keras` alone, as `export_model` does.

    Raises:
        OSError: If it cannot be written.
    """
    (folder / ONNX_FILE).unlink(missing_ok=True)
    with replaced_atomically(folder / "model.keras") as temporary:
        _bare(model).save(temporary)
        record_preprocessing(temporary, preprocessing)


def export_saved_model(
    model: keras.Model,
    folder: Path,
    batch_size: int = 6,
    preprocessing: Preprocessing = AS_IN_PAPER,
) -> None:
    """Writes `saved_model/` alone, as `export_model` does.

    Raises:
        OSError: If it cannot be written.
    """
    bare = _bare(model)
    serve = _volume_function(bare, batch_size)
    volume = [tf.TensorSpec((None, None, None), tf.float32, name="mr")]
    if preprocessing.needs_mask:
        volume.append(tf.TensorSpec((None, None, None), tf.bool, name="mask"))
    archive = keras.export.ExportArchive()
    archive.track(bare)
    archive.add_endpoint("serve", serve, volume)
    archive.add_endpoint("serve_int16", lambda *volumes: _to_int16(serve(*volumes)), volume)
    archive.add_endpoint(
        SLICES_ENDPOINT,
        lambda mr: bare(mr, training=False),
        [tf.TensorSpec(bare.input_shape, tf.float32, name="mr")],
    )
    with replaced_folder(folder / "saved_model") as temporary:
        with written_by_tensorflow(folder / "saved_model"):
            archive.write_out(str(temporary), verbose=False)
        record_preprocessing(temporary, preprocessing)


def _bare(model: keras.Model) -> keras.Model:
    return keras.Model(model.input, model.output, name=model.name)


def _volume_function(model: keras.Model, batch_size: int):
    height, width = model.input_shape[1:3]

    def serve(mr: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
        shape = tf.shape(mr)
        zscored = _zscore(mr, mask)
        background = tf.reduce_min(zscored)
        slices = _pad_or_crop(zscored, height, width, background)
        surplus = -shape[0] % batch_size
        slices = tf.pad(slices, [[0, surplus], [0, 0], [0, 0]])
        batches = tf.reshape(slices, [-1, batch_size, height, width, 1])
        predictions = tf.map_fn(lambda batch: model(batch, training=False), batches)
        ct_hu = tf.reshape(predictions, [-1, height, width])[: shape[0]] * CT_SCALE_HU + CT_MEAN_HU
        return _pad_or_crop(ct_hu, shape[1], shape[2], AIR_HU)

    return serve


def _to_int16(ct_hu: tf.Tensor) -> tf.Tensor:
    # A cast of what int16 cannot hold would wrap around, bone to air.
    clipped = tf.clip_by_value(tf.round(ct_hu), FLOOR_HU, tf.int16.max)
    return tf.cast(clipped, tf.int16)


def _zscore(mr: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    values = tf.cast(mr, tf.float64)
    if mask is not None:
        shapes = "A mask must have the shape of its MR."
        tf.debugging.assert_equal(tf.shape(mask), tf.shape(mr), shapes)
    counted = values if mask is None else tf.boolean_mask(values, mask)
    mean = tf.reduce_mean(counted)
    deviation = tf.sqrt(tf.reduce_mean(tf.square(counted - mean)))
    check = tf.debugging.assert_positive(
        deviation, "An MR volume must be finite and not constant to be z-scored."
    )
    with tf.control_dependencies([check]):
        return tf.cast((values - mean) / deviation, tf.float32)


def _pad_or_crop(slices: tf.Tensor, height, width, fill) -> tf.Tensor:
    # The same central pixels as `data.grid.pad_or_crop`.
    for axis, target in ((1, height), (2, width)):
        size = tf.shape(slices)[axis]
        shared = tf.minimum(size, target)
        start, before = (size - shared) // 2, (target - shared) // 2
        slices = tf.gather(slices, tf.range(start, start + shared), axis=axis)
        margins = tf.scatter_nd([[axis]], [[before, target - shared - before]], [3, 2])
        slices = tf.pad(slices, margins, constant_values=fill)
    return slices
