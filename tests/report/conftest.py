"""Searches made up for the report: what a real one leaves, without training anything."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.data.intensities import zscore
from robmednas_tf.data.phantom import make_head
from robmednas_tf.evaluation.inference import Panel
from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.models.architecture import PATTERNS, Architecture, Block
from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.report.search import ScoreGroup, ScoreRow, SearchReport
from robmednas_tf.search import importance
from robmednas_tf.search.trials import COMPLETED, FAILED, TrialRecord, best, id_of

EPSILON = 0.2
MESSAGE = "InfeasibleTrialError: training needs 61.3 GB of memory; --max_memory_gb allows 12."


def random_architecture(rng: np.random.Generator, depth: int) -> Architecture:
    def block() -> Block:
        ratio = rng.choice([0, 0, 2, 4, 8, 16])
        return Block(
            str(rng.choice(PATTERNS)), int(rng.choice([8, 16, 32, 64, 128])), int(ratio) or None
        )

    return Architecture(tuple(block() for _ in range(depth)), tuple(block() for _ in range(depth)))


def metrics_at(quality: float, empty_region: str = "") -> dict[str, float]:
    """Metrics that look like those of a network of this quality, 0 to 1."""
    hardness = {"brain": 0.06, "air": 0.03, "bone": 0.55, "soft_tissue": 0.2}
    found: dict[str, float] = {"val_loss": 0.02 * (1.2 - quality)}
    for condition, loss in (("clean", 1.0), ("adversarial", 1.5)):
        for metric in ("dice", "mae"):
            values = {
                region: 1 - loss * hardness[region] * (1.1 - quality)
                if metric == "dice"
                else 900 * loss * hardness[region] * (1.15 - quality)
                for region in REGIONS
            }
            if empty_region:
                values[empty_region] = math.nan
            found[f"{condition}_{metric}"] = float(np.nanmean(list(values.values())))
            found.update({f"{condition}_{metric}_{r}": v for r, v in values.items()})
    return found


def make_record(
    number: int,
    architecture: Architecture,
    metrics: dict[str, float] | None,
    objective: str = "adversarial_dice",
    source: str = "model",
    message: str | None = None,
) -> TrialRecord:
    cost = estimate_cost(architecture, (64, 64, 1))
    details: dict[str, Any] = {
        "architecture": architecture.to_dict(),
        "parameters": cost.parameters,
        "flops": cost.flops,
        "memory_gb": cost.training_bytes(6) / 1e9,
        "depth": architecture.depth,
    }
    if metrics is not None:
        details |= {"best_epoch": 9, "history": {"loss": [0.2, 0.1], "val_loss": [0.21, 0.12]}}
    return TrialRecord(
        trial_id=id_of(number),
        number=number,
        status=FAILED if metrics is None else COMPLETED,
        attempts=1,
        source=source,
        values={"depth": architecture.depth},
        score=None if metrics is None else metrics[objective],
        metrics=metrics or {},
        message=message,
        seconds=None if metrics is None else 21.4 + number,
        details=details,
    )


def make_records(
    num_trials: int, objective: str = "adversarial_dice", seed: int = 0
) -> list[TrialRecord]:
    """Trials of which every ninth fails; the first ten are start-up."""
    rng = np.random.default_rng(seed)
    records = []
    for number in range(num_trials):
        architecture = random_architecture(rng, int(rng.integers(1, 6)))
        quality = rng.normal(0.35 + 0.4 * number / (number + 20), 0.12)
        metrics = metrics_at(quality)
        for name in metrics:
            metrics[name] *= rng.normal(1, 0.015)
        fails = number % 9 == 4
        records.append(
            make_record(
                number,
                architecture,
                None if fails else metrics,
                objective,
                "startup" if number < 10 else "model",
                MESSAGE if fails else None,
            )
        )
    return records


def make_panel(size: int = 64, subject: str = "phantom_004", slice_index: int = 11) -> Panel:
    head = make_head((size, size, 24), seed=3, subject=slice_index)
    rng = np.random.default_rng(slice_index)
    mr, ct = (
        np.rot90(volume[:, :, slice_index]).astype(np.float32)
        for volume in (zscore(head.mr), head.ct)
    )
    sign = np.sign(gaussian_filter(rng.standard_normal((size, size)), 1.2)).astype(np.float32)
    clean = gaussian_filter(ct, 0.9) + rng.normal(0, 25, ct.shape).astype(np.float32)
    return Panel(
        subject,
        slice_index,
        mr=mr,
        attacked_mr=mr + EPSILON * sign,
        ct=ct,
        synthetic_ct=clean,
        attacked_synthetic_ct=gaussian_filter(clean, 1.1) + 160 * sign * (ct > -500),
    )


def make_groups(empty_region: str = "") -> list[ScoreGroup]:
    table = {
        name: value
        for name, value in metrics_at(0.3, empty_region).items()
        if name.startswith("clean")
    }
    groups = []
    for title, use, subject, lift in (
        ("Search test subject", "used to choose the winner", "phantom_004", 0.0),
        ("Held-out test subject", "used for nothing but this table", "phantom_007", -0.06),
    ):
        rows = [
            ScoreRow("Final model", metrics_at(0.85 + lift, empty_region)),
            ScoreRow("Best trial", metrics_at(0.78 + lift, empty_region)),
            ScoreRow("Median trial", metrics_at(0.6 + lift, empty_region)),
            ScoreRow("Intensity look-up table", table),
        ]
        groups.append(ScoreGroup(title, use, [subject], rows))
    return groups


@pytest.fixture(scope="session", autouse=True)
def few_resamples():
    """Importance from few resamples: enough to be drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importance, "NUM_RESAMPLES", 10)
        yield


@pytest.fixture(scope="session")
def make_report() -> Callable[..., SearchReport]:
    """A function that makes up a report; keywords replace what it would hold."""

    def make(num_trials: int = 40, **changes: Any) -> SearchReport:
        objective = changes.get("objective", "adversarial_dice")
        direction = "min" if "mae" in objective else "max"
        records = changes.pop("records", None)
        records = make_records(num_trials, objective) if records is None else records
        winners = best(records, direction)
        values: dict[str, Any] = {
            "cohort": "phantom",
            "subjects": {
                "train": [f"phantom_{number:03d}" for number in range(4)],
                "validation": ["phantom_005"],
                "test": ["phantom_004"],
                "held out": ["phantom_007"],
            },
            "records": records,
            "objective": objective,
            "direction": direction,
            "best_trial_id": winners[0].trial_id if winners else None,
            "architecture": Architecture.from_dict(winners[0].details["architecture"])
            if winners
            else None,
            "image_size": 64,
            "attack": Perturbation("fgsm", EPSILON),
            "seconds": 1894.0,
            "command": "python run_search.py --flagfile=runs/quick/flags.cfg",
            "settings": {"num_trials": num_trials, "oracle": "tpe", "learning_rate": 1e-3},
            "scores": make_groups() if winners else [],
            "panels": [],
            "notes": ["The best trial was chosen on one subject; its score is optimistic."],
        }
        return SearchReport(**{**values, **changes})

    return make
