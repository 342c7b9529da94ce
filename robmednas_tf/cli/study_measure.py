"""How fast this machine trains: measured once, on two networks of a study's grid, and kept."""

from __future__ import annotations

import json
import platform
import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from robmednas_tf.cli.study_process import StepProcess, share_of
from robmednas_tf.files import write_json
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.study.cost import Rate

_LONGEST_S = 4.0
_MOST_STEPS = 40


def this_machine() -> str:
    """Returns what tells this machine from others."""
    return f"{socket.gethostname()} ({platform.machine()})"


def measured_rate(
    folder: Path,
    baseline: Architecture,
    other: Architecture,
    image_size: int,
    batch_size: int,
    jobs: int,
    tell: Callable[[str], None],
) -> Rate | None:
    """Returns this machine's rate: as kept in a folder, or measured now.

    Args:
        folder: Where rates are kept, one a machine.
        baseline: A network to be timed.
        other: Another one, of other cost.
        image_size: Pixels a side of a slice.
        batch_size: Slices of a training step.
        jobs: Trainings at a time.
        tell: Is told that something takes a while.

    Returns:
        None where it cannot be measured here: `folder / "rate.log"` says why.
    """
    of_jobs = f"-{jobs}" if jobs > 1 else ""
    path = folder / f"rate-{socket.gethostname()}{of_jobs}.json"
    found = _read(path)
    if found is None:
        tell("Measuring how fast this machine trains: under a minute, once.")
        log = folder / "rate.log"
        arguments = (path, baseline, other, image_size, batch_size)
        # As many beside each other as there will be; any of their rates will do.
        processes = [
            StepProcess(measure, arguments, log, share_of(place, jobs)) for place in range(jobs)
        ]
        for process in processes:
            process.wait()
        found = _read(path)
    return found


def measure(
    path: Path, baseline: Architecture, other: Architecture, image_size: int, batch_size: int
) -> None:
    """Times two networks' building and training steps, and writes the rate.

    Args:
        path: The file.
        baseline: One network.
        other: The other one.
        image_size: Pixels a side of a slice.
        batch_size: Slices of a training step.
    """
    from robmednas_tf.cli.command import start_tensorflow

    start_tensorflow()
    import tensorflow as tf

    timed = [_timed(each, image_size, batch_size) for each in (other, baseline)]
    blocks = [2 * each.depth for each in (other, baseline)]
    shape = (image_size, image_size, 1)
    flops = [3 * batch_size * estimate_cost(each, shape).flops for each in (other, baseline)]
    gpus = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
    batch_s, gflop_s = _line([each / 1e9 for each in flops], [step for _, step in timed])
    rate = Rate(
        this_machine(),
        details.get("device_name", "CPU"),
        sum(build for build, _ in timed) / sum(blocks),
        batch_s,
        gflop_s,
    )
    write_json(path, asdict(rate))


def _line(x: list[float], y: list[float]) -> tuple[float, float]:
    """Returns intercept and slope, neither below zero, of what goes through two points."""
    slope = max(0.0, (y[1] - y[0]) / (x[1] - x[0])) if x[0] != x[1] else 0.0
    intercept = min(y) - slope * min(x)
    return (
        (intercept, slope)
        if intercept >= 0
        else (0.0, max(b / a for a, b in zip(x, y, strict=True)))
    )


def _timed(architecture: Architecture, image_size: int, batch_size: int) -> tuple[float, float]:
    import numpy as np

    from robmednas_tf.config import TrainingConfig
    from robmednas_tf.models.unet import build_unet
    from robmednas_tf.training.unet import TrainableUNet, compile_model

    begun = time.monotonic()
    model = TrainableUNet(build_unet(architecture, (image_size, image_size, 1), seed=0))
    compile_model(model, TrainingConfig(epochs=1))
    slices = np.zeros((batch_size, image_size, image_size, 1), np.float32)
    model.train_on_batch(slices, slices)
    build = time.monotonic() - begun
    steps: list[float] = []
    while len(steps) < _MOST_STEPS and sum(steps) < _LONGEST_S:
        begun = time.monotonic()
        model.train_on_batch(slices, slices)
        steps.append(time.monotonic() - begun)
    return max(0.0, build - steps[0]), statistics.median(steps)


def _read(path: Path) -> Rate | None:
    try:
        return Rate(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
