"""What a search ends with: the winner trained anew, exported, scored and reported."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from robmednas_tf.cli.progress import StepLine
from robmednas_tf.cli.search_confirm import outcome_line
from robmednas_tf.config import SearchConfig
from robmednas_tf.data.preprocessing import Preprocessing
from robmednas_tf.export import export_model
from robmednas_tf.files import write_json
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.objectives import COSTS
from robmednas_tf.report.training_wording import kept_first
from robmednas_tf.search.candidates import train_anew
from robmednas_tf.search.confirmation import Confirmation
from robmednas_tf.search.executor import Executor, Job, WorkerLostError, run_one
from robmednas_tf.search.failures import InfeasibleTrialError, reason_of_deaths
from robmednas_tf.search.front import values_of
from robmednas_tf.search.hypermodel import UNetHyperModel
from robmednas_tf.search.trials import TrialRecord
from robmednas_tf.search.tuner import SearchTuner
from robmednas_tf.training.checkpoints import DAMAGE

_MADE = "training.json"


@dataclass(frozen=True, eq=False)
class FinalModel:
    """What a search ends with.

    Attributes:
        model: From z-scored MR slices to normalised CT slices.
        note: What a reader must know of it, where it is not what was asked for.
        history: Of its training from scratch, a value an epoch; None where it has the weights that
            its trial was scored with.
    """

    model: keras.Model
    note: str | None = None
    history: Mapping[str, Sequence[float]] | None = None


def final_model(
    folder: Path,
    architecture: Architecture,
    hypermodel: UNetHyperModel | None,
    trial_model: Callable[[], keras.Model],
    origin: Mapping[str, Any],
    preprocessing: Preprocessing,
    max_attempts: int,
    executor: Executor,
) -> FinalModel:
    """Returns the model a search ends with; trains and exports it unless that is done.

    Args:
        folder: Where the model is exported; a training that was stopped goes on from there.
        architecture: The winner's.
        hypermodel: Trains it from scratch; None takes the trial's weights.
        trial_model: Gives the winner with the weights it was scored with; also taken where the
            training from scratch fails.
        origin: All that the model follows from besides, ready for JSON.
        preprocessing: How its volumes were prepared.
        max_attempts: How many times the process may end during the training from scratch before
            that has failed.
        executor: Where it is trained.
    """
    training = asdict(hypermodel.training) if hypermodel else None
    recipe = {**origin, "architecture": architecture.to_dict(), "training": training}
    made = _read_made(folder)
    if made.get("recipe") == recipe:
        path = folder / "model.keras"
        try:
            model = keras.saving.load_model(path, compile=False)
            _drop_checkpoints(folder)
            return FinalModel(model, made["note"], made["history"])
        except DAMAGE as error:
            _warn_of_damage(path, error)
    note, history = None, None
    if hypermodel is not None:
        checkpoint = folder / f"checkpoint-{_digest(recipe)}.npz"
        try:
            with _counted_on_disk(checkpoint, max_attempts):
                line = StepLine("Training the winner anew", hypermodel.training.epochs)
                model, history = _train(
                    executor, hypermodel, architecture, max_attempts, checkpoint, line
                )
                line.close()
        except (FloatingPointError, InfeasibleTrialError, WorkerLostError) as error:
            note = f"The winner's training from scratch failed, so the trial's is kept: {error}"
    if history is None:
        model = trial_model()
    else:
        losses = history["val_loss"]
        note = kept_first(losses.index(min(losses)), len(losses)) or None
    if note:
        print(f"Note: {note}", flush=True)
    # Removed first: while the files change, no note may say that they are made.
    (folder / _MADE).unlink(missing_ok=True)
    export_model(model, folder, preprocessing=preprocessing)
    write_json(folder / _MADE, {"recipe": recipe, "note": note, "history": history})
    _drop_checkpoints(folder)
    return FinalModel(model, note, history)


def trial_model(tuner: SearchTuner, trial: TrialRecord) -> keras.Model:
    """Returns a trial's network with the weights it was scored with."""
    path = tuner.weights_path(trial.trial_id)
    if path.is_file():
        try:
            return tuner.load_model(tuner.oracle.trials[trial.trial_id])
        except DAMAGE as error:
            _warn_of_damage(path, error)
    else:
        # Dropped when fewer trials were to be confirmed.
        print(f"Training trial {trial.trial_id} as before: its weights were not kept.", flush=True)
    # The trial's seed gives them again.
    architecture = Architecture.from_dict(trial.details["architecture"])
    attempts = tuner.oracle.max_attempts
    return _train(tuner.executor, tuner.hypermodel, architecture, attempts)[0]


def tell_result(
    folder: Path, search: SearchConfig, winner: TrialRecord, confirmation: Confirmation | None
) -> None:
    """Says which trial won, by what, and where to look."""
    is_pareto = len(search.objectives) > 1
    title = "Picked" if is_pareto else "Best"
    values = zip(search.objectives, values_of(winner, search.objectives), strict=True)
    reached = ", ".join(
        f"{name} {value:,.0f}" if name in COSTS else f"{name} {value:.4f}" for name, value in values
    )
    lines = [f"{title} trial {winner.trial_id}: {reached}"]
    if confirmation is not None:
        lines.append(outcome_line(confirmation, search.objective))
    if is_pareto:
        lines.append(f"Front:   {folder / 'pareto.csv'}")
    lines += [
        f"Report:  {folder / 'report.html'}",
        f"Model:   {folder / 'best_model'}",
        f"Curves:  tensorboard --logdir {folder / 'tensorboard'}",
    ]
    print("\n".join(lines), flush=True)


def _drop_checkpoints(folder: Path) -> None:
    for path in folder.glob("checkpoint-*"):
        path.unlink()


def _train(
    executor: Executor,
    hypermodel: UNetHyperModel,
    architecture: Architecture,
    max_attempts: int,
    checkpoint: Path | None = None,
    line: StepLine | None = None,
) -> tuple[keras.Model, dict[str, list[float]]]:
    def told(_: str, epoch: int, val_loss: float) -> None:
        if line is not None:
            line.step(f"validation loss {val_loss:.5f}", epoch)

    work = functools.partial(train_anew, hypermodel, architecture, checkpoint)
    weights, history = run_one(executor, Job("final training", work), told, max_attempts)
    model = hypermodel.build_architecture(architecture)
    model.set_weights(weights)
    return model, history


def _warn_of_damage(path: Path, error: Exception) -> None:
    warnings.warn(
        f"File {str(path)!r} is damaged; its network is trained again: {error}",
        RuntimeWarning,
        stacklevel=3,
    )


@contextlib.contextmanager
def _counted_on_disk(checkpoint: Path, max_attempts: int) -> Iterator[None]:
    path = checkpoint.with_suffix(".json")
    attempts = _read_attempts(path)
    if attempts >= max_attempts:
        raise InfeasibleTrialError(reason_of_deaths(attempts, "this training", checkpoint))
    # Before it starts, or a training that ends its process would do so for ever.
    write_json(path, attempts + 1)
    try:
        yield
    except (KeyboardInterrupt, OSError):
        # Whoever ended the process, it was not the training.
        with contextlib.suppress(OSError):
            write_json(path, attempts)
        raise


def _read_attempts(path: Path) -> int:
    try:
        return int(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return 0


def _read_made(folder: Path) -> dict[str, Any]:
    try:
        made = json.loads((folder / _MADE).read_text(encoding="utf-8"))
        if made["history"] is not None:
            math.fsum(made["history"]["val_loss"])
        return {"recipe": made["recipe"], "note": made["note"], "history": made["history"]}
    except (OSError, ValueError, TypeError, KeyError):
        # Missing or damaged: all the same, the model is made anew.
        return {}


def _digest(recipe: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]
