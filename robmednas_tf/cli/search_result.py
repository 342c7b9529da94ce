"""What a search ends with: the winner trained anew, exported, scored and reported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras

from robmednas_tf.cli.progress import StepLine
from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.slices import PreparedSubject, ordered_batches
from robmednas_tf.evaluation.inference import AttackedInference, Panel
from robmednas_tf.export import export_model
from robmednas_tf.files import write_json
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.search.hypermodel import UNetHyperModel
from robmednas_tf.search.trials import TrialRecord
from robmednas_tf.training import FitResult, fit

NUM_PANELS = 3


def final_model(
    folder: Path,
    winner: TrialRecord,
    hypermodel: UNetHyperModel | None,
    trial_model: Callable[[], keras.Model],
    batch_size: int,
) -> keras.Model:
    """Returns the model a search ends with; trains and exports it unless that is done.

    Args:
        folder: Where the model is exported; a training that was stopped goes on from there.
        winner: The best trial.
        hypermodel: Trains the winner's architecture from scratch; None takes the trial's weights.
        trial_model: Gives the winner with the weights it was scored with.
        batch_size: Slices that the exported model predicts at a time.
    """
    training = asdict(hypermodel.training) if hypermodel else None
    recipe = {"trial": winner.trial_id, "training": training}
    made = folder / "training.json"
    if made.is_file() and json.loads(made.read_text(encoding="utf-8"))["recipe"] == recipe:
        return keras.saving.load_model(folder / "model.keras", compile=False)
    if hypermodel is None:
        model, history = trial_model(), winner.details["history"]
    else:
        architecture = Architecture.from_dict(winner.details["architecture"])
        keras.backend.clear_session()
        model = hypermodel.build_architecture(architecture)
        checkpoint = folder / f"checkpoint-{_digest(recipe)}.npz"
        history = _train(model, architecture, hypermodel, checkpoint).history
    # Removed first: while the files change, no note may say that they are made.
    made.unlink(missing_ok=True)
    export_model(model, folder, batch_size)
    write_json(made, {"recipe": recipe, "history": history})
    for path in folder.glob("checkpoint-*.npz"):
        path.unlink()
    return model


def evenly_spread_panels(inference: AttackedInference, subject: PreparedSubject) -> list[Panel]:
    """Predicts a few of a subject's slices for the report, from inferior to superior."""
    count = min(NUM_PANELS, subject.num_slices)
    places = [(2 * place + 1) * subject.num_slices // (2 * count) for place in range(count)]
    return [inference.panel(subject, place) for place in places]


def _train(
    model: keras.Model,
    architecture: Architecture,
    hypermodel: UNetHyperModel,
    checkpoint: Path,
) -> FitResult:
    config: TrainingConfig = hypermodel.training
    line = StepLine("Training the winner anew", config.epochs)
    result = fit(
        model,
        hypermodel.training_slices(architecture),
        ordered_batches(hypermodel.data.validation, config.batch_size),
        config,
        [_EpochStep(line)],
        checkpoint,
    )
    line.close()
    return result


def _digest(recipe: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]


class _EpochStep(keras.callbacks.Callback):
    def __init__(self, line: StepLine):
        super().__init__()
        self._line = line

    def on_epoch_end(self, epoch, logs=None):
        self._line.step(f"validation loss {logs['val_loss']:.5f}")
