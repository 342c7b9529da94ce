"""Trainings made up for the report: what a real one leaves, without training anything."""

from __future__ import annotations

from typing import Any

import numpy as np

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.models.architecture import NAMED
from robmednas_tf.report.contents import ScoreGroup, ScoreRow
from robmednas_tf.report.training_contents import TrainingReport

from .conftest import EPSILON, make_panel, metrics_at


def make_training(num_epochs: int = 20, size: int = 32, **changes: Any) -> TrainingReport:
    """Makes up a training; keywords replace what it would hold."""
    rng = np.random.default_rng(0)
    epochs = np.arange(num_epochs)
    val_loss = 0.2 * np.exp(-epochs / 5) + 0.02 + 0.001 * epochs
    dice = 0.9 - 0.6 * np.exp(-epochs / 4) + rng.normal(0, 0.004, num_epochs)
    values: dict[str, Any] = {
        "cohort": "phantom",
        "subjects": {
            "train": [f"phantom_{number:03d}" for number in range(4)],
            "validation": ["phantom_004", "phantom_005"],
            "test (not looked at)": ["phantom_006"],
        },
        "architecture": NAMED["robmednas_t"],
        "architecture_name": "robmednas_t",
        "training": "adversarial: half of the slices of each batch replaced by FGSM 0.2",
        "history": {
            "loss": (0.2 * np.exp(-epochs / 4) + 0.01).tolist(),
            "val_loss": val_loss.tolist(),
            "val_dice_clean": dice.tolist(),
            "val_dice_adversarial": (dice - 0.05).tolist(),
            "perturbation": [0.97] * num_epochs,
        },
        "best_epoch": int(val_loss.argmin()) if num_epochs else 0,
        "attack": Perturbation("fgsm", EPSILON),
        "image_size": 64,
        "seconds": 754.0,
        "command": "python run_train.py --flagfile=runs/train/flags.cfg",
        "scores": [
            ScoreGroup(
                "Validation subjects",
                "used to choose the epoch",
                ["phantom_004", "phantom_005"],
                [ScoreRow("Network", metrics_at(0.8)), ScoreRow("Look-up table", metrics_at(0.2))],
            )
        ],
        "panels": [make_panel(size)],
        "settings": {"learning_rate": 1e-4, "epochs": num_epochs},
        "notes": ["Trained on made-up heads."],
    }
    return TrainingReport(**{**values, **changes})
