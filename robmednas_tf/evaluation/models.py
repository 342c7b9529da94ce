"""Trained models from disk: runs' folders, Keras files and SavedModels, called alike."""

from __future__ import annotations

import hashlib
import math
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from robmednas_tf.attacks.precision import computing_in_float32
from robmednas_tf.data.preprocessing import AS_IN_PAPER, Preprocessing
from robmednas_tf.data.preprocessing_record import recorded_preprocessing
from robmednas_tf.export import SLICES_ENDPOINT

# What files that are damaged, or something else, raise.
_DAMAGE = (OSError, ValueError, TypeError, LookupError, zipfile.BadZipFile, tf.errors.OpError)


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model of slices.

    Attributes:
        input_shape: `(None, height, width, 1)`.
        output_shape: The same.
        parameters: Trainable parameters; None where the file does not tell.
        activations: Numbers that its layers give for one slice; None where the file does not tell.
        digest: SHA-256 of its files.
        preprocessing: How volumes are prepared for it; the paper's way where its files say nothing.
        says_preprocessing: Whether its files say so.
        predict: Maps z-scored MR slices to normalised CT slices.
    """

    input_shape: tuple[int | None, ...]
    output_shape: tuple[int | None, ...]
    parameters: int | None
    activations: int | None
    digest: str
    preprocessing: Preprocessing
    says_preprocessing: bool
    predict: Callable[[tf.Tensor], tf.Tensor]

    def __call__(self, mr: Any, /, *, training: bool = False) -> tf.Tensor:
        """Predicts normalised CT slices from z-scored MR slices, in inference mode."""
        return self.predict(mr)

    @property
    def image_size(self) -> int:
        """Height and width of a slice."""
        return int(self.input_shape[1] or 0)


def load_model(path: Path) -> TrainedModel:
    """Loads a model from a `.keras` file or a SavedModel's folder.

    Args:
        path: Of the file or the folder.

    Raises:
        ValueError: If it cannot be loaded, or is not a model from square slices of one channel to
            slices of the same shape.
    """
    try:
        loaded = _load_saved_model(path) if path.is_dir() else _load_keras(path)
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"Model {str(path)!r} cannot be loaded: {reason}") from error
    _require_slices(path, loaded)
    return loaded


def _load_keras(path: Path) -> TrainedModel:
    if not zipfile.is_zipfile(path):
        raise ValueError("it is not a whole .keras file. Copy it again, or train it anew.")
    model = keras.saving.load_model(path, compile=False)

    def predict(mr: tf.Tensor) -> tf.Tensor:
        with computing_in_float32(model):
            return model(mr, training=False)

    return TrainedModel(
        input_shape=_one_shape(model.inputs),
        output_shape=_one_shape(model.outputs),
        parameters=_count(model.trainable_variables),
        activations=_count_activations(model),
        digest=_digest([path]),
        **_preparing(path),
        predict=predict,
    )


def _load_saved_model(folder: Path) -> TrainedModel:
    module = tf.saved_model.load(str(folder))
    signature = _signature(module)
    ((argument, mr_spec),) = signature.structured_input_signature[1].items()
    ((output, ct_spec),) = signature.structured_outputs.items()

    def predict(mr: tf.Tensor) -> tf.Tensor:
        # Its weights go with the module, which a signature does not hold.
        predict.module = module  # type: ignore[attr-defined]
        return signature(**{argument: mr})[output]

    return TrainedModel(
        input_shape=tuple(mr_spec.shape),
        output_shape=tuple(ct_spec.shape),
        parameters=_count(getattr(module, "trainable_variables", ())),
        activations=None,
        digest=_digest(sorted(path for path in folder.rglob("*") if path.is_file())),
        **_preparing(folder),
        predict=predict,
    )


def _signature(module: Any) -> Any:
    if SLICES_ENDPOINT in module.signatures:
        return module.signatures[SLICES_ENDPOINT]
    for signature in module.signatures.values():
        specs = [*signature.structured_input_signature[1].values()]
        if len(specs) == len(signature.structured_outputs) == 1 and len(specs[0].shape) == 4:
            return signature
    raise ValueError(
        f"it has no signature {SLICES_ENDPOINT!r}, nor another from (batch, height, width, "
        f"channels). Its signatures: {sorted(module.signatures)}"
    )


def _require_slices(path: Path, model: TrainedModel) -> None:
    shapes = (model.input_shape, model.output_shape)
    size = model.input_shape[1] if len(model.input_shape) == 4 else None
    if not size or any(tuple(shape[1:]) != (size, size, 1) for shape in shapes):
        raise ValueError(
            f"Model {str(path)!r} must take square MR slices of one channel and give CT slices "
            f"of the same shape. Received: input {shapes[0]}, output {shapes[1]}. Export it with "
            "run_train.py or run_search.py."
        )


def _one_shape(tensors: list[Any]) -> tuple[int | None, ...]:
    if len(tensors) != 1:
        raise ValueError(f"it must have one input and one output. Received: {len(tensors)}")
    return tuple(tensors[0].shape)


def _count(variables: Iterable[Any]) -> int | None:
    sizes = [math.prod(variable.shape) for variable in variables]
    return sum(sizes) if sizes else None


def _preparing(path: Path) -> dict[str, Any]:
    recorded = recorded_preprocessing(path)
    return {
        "preprocessing": AS_IN_PAPER if recorded is None else recorded,
        "says_preprocessing": recorded is not None,
    }


def _count_activations(model: keras.Model) -> int | None:
    outputs = [each for layer in model.layers for each in keras.tree.flatten(layer.output)]
    shapes = [tuple(each.shape[1:]) for each in outputs]
    if any(None in shape for shape in shapes):
        return None
    return sum(math.prod(shape) for shape in shapes)


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"\n{path.name} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
