"""The model of a run as an ONNX file, where it is wanted."""

from __future__ import annotations

from pathlib import Path

import keras

from robmednas_tf.data.preprocessing import Preprocessing
from robmednas_tf.onnx_export import ONNX_FILE, export_onnx
from robmednas_tf.report.model_card import mr_in_words


def add_onnx(model: keras.Model, folder: Path, preprocessing: Preprocessing) -> None:
    """Writes `model.onnx` into a model's folder, unless it is there.

    Args:
        model: From z-scored MR slices to normalised CT slices.
        folder: Of the exported model.
        preprocessing: How an MR becomes what the network was trained on.
    """
    if not (folder / ONNX_FILE).is_file():
        export_onnx(model, folder, mr_in_words(preprocessing))
