"""Trains the random networks of `scores.py` many at a time, in JAX on a GPU.

    python benchmarks/scores_accelerated.py prepare --folder=runs/accelerated
    python benchmarks/scores_accelerated.py train --folder=runs/accelerated --out=OUT --minutes=8

`prepare` needs TensorFlow, and writes the slices of the subjects of `scores.py` and its
architectures. `train` needs JAX, and writes `accelerated.csv`, in the form of `scores.csv`, and
`attacks.csv`, batch of networks by batch, in the order of `accelerated_plan.PHASES`.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import accelerated_plan as plan
import numpy as np
import scores_table as tables

PARTS = ("train", "validation", "scoring", "apart")


def prepare(folder: Path) -> None:
    """Writes what `train` needs: subjects' slices and architectures."""
    import scores

    from robmednas_tf.data.slices import read_slices

    subjects = scores.phantom(folder / "cache")
    parts = zip(
        PARTS,
        (subjects.search.train, subjects.search.validation, subjects.scoring, subjects.apart),
        strict=True,
    )
    # To a type checker a name might be `allow_pickle`, whose value is no array.
    arrays: dict[str, Any] = {}
    for name, own in parts:
        pairs = [tuple(zip(*read_slices(each), strict=True)) for each in own]
        arrays |= {f"{name}_mr": np.stack([mr for mr, _ in pairs])}
        arrays |= {f"{name}_hu": np.stack([ct for _, ct in pairs])}
    np.savez_compressed(folder / "data.npz", **arrays)
    drawn = scores.random_architectures(tables.NUM_TO_END + scores.NUM_FURTHER)
    text = json.dumps([architecture.to_dict() for _, architecture in drawn])
    (folder / "architectures.json").write_text(text)


def train(given: argparse.Namespace) -> None:
    """Trains phase by phase until time is over."""
    began = time.monotonic()
    from accelerated_trainer import Trainer

    trainer = Trainer(given.folder, given.out, given.size, given.threads)
    keys = list(trainer.groups)[: given.groups]
    trainer.compile(keys)
    # What a batch of a kind took last, and so may take again.
    took: dict[Any, float] = {}
    for number, phase in enumerate(plan.PHASES):
        for key, trainings in plan.batches(phase, trainer.groups, given.size):
            if key not in keys:
                continue
            trainer.wait_for(key)
            start, kind = time.monotonic(), (key, phase.to_end, phase.is_full)
            if start - began + took.get(kind, 0.0) > 60 * given.minutes:
                continue
            trainer.run(phase, key, trainings)
            took[kind] = time.monotonic() - start
            print(
                f"phase {number}, group {key}: {len(trainings)} in {took[kind]:.2f} s; "
                f"{time.monotonic() - began:.0f} s in all",
                flush=True,
            )


def main() -> None:
    """Prepares or trains."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("prepare", "train"):
        command = commands.add_parser(name)
        command.add_argument("--folder", type=Path, required=True, help="Of slices, architectures.")
    command.add_argument("--out", type=Path, required=True, help="Folder of the tables.")
    command.add_argument("--minutes", type=float, default=math.inf, help="Nothing begins after.")
    command.add_argument("--size", type=int, default=12, help="Networks of a batch.")
    command.add_argument("--threads", type=int, default=16, help="That compile.")
    command.add_argument("--groups", type=int, help="Only the cheapest so many.")
    given = parser.parse_args()
    if given.command == "prepare":
        given.folder.mkdir(parents=True, exist_ok=True)
        prepare(given.folder)
    else:
        given.out.mkdir(parents=True, exist_ok=True)
        train(given)


if __name__ == "__main__":
    main()
