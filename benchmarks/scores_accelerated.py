"""Trains the random networks of `scores.py` many at a time, in JAX on a GPU.

    python benchmarks/scores_accelerated.py prepare --folder=runs/accelerated
    python benchmarks/scores_accelerated.py train --folder=runs/accelerated --out=OUT --minutes=8

`prepare` needs TensorFlow, and writes the slices of the subjects of `scores.py` and its
architectures. `train` needs JAX, and writes `accelerated.csv`, in the form of `scores.csv`, and
`attacks.csv`, batch of networks by batch, in the order of `accelerated_plan.PHASES`.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import accelerated_plan as plan
import numpy as np
import scores_table as tables

from robmednas_tf.data.intensities import normalize_ct

PARTS = ("train", "validation", "scoring", "apart")
ATTACKS = "attacks.csv"


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
    arrays = {}
    for name, own in parts:
        pairs = [tuple(zip(*read_slices(each), strict=True)) for each in own]
        arrays |= {f"{name}_mr": np.stack([mr for mr, _ in pairs])}
        arrays |= {f"{name}_hu": np.stack([ct for _, ct in pairs])}
    np.savez_compressed(folder / "data.npz", **arrays)
    drawn = scores.random_architectures(tables.NUM_TO_END + scores.NUM_FURTHER)
    text = json.dumps([architecture.to_dict() for _, architecture in drawn])
    (folder / "architectures.json").write_text(text)


def read_data(folder: Path) -> dict[str, np.ndarray]:
    """Returns the subjects' slices, float32 `(subjects, slices, height, width, 1)`."""
    with np.load(folder / "data.npz") as saved:
        return {name: saved[name][..., np.newaxis] for name in saved.files}


class Trainer:
    """Trains batches of networks and writes their rows.

    Args:
        folder: Of `prepare`.
        out: Folder of the tables.
        size: Networks of a batch.
        num_threads: That compile.
    """

    def __init__(self, folder: Path, out: Path, size: int, num_threads: int):
        import accelerated_networks
        import accelerated_training
        import jax

        self._jax, self._training, self._networks = jax, accelerated_training, accelerated_networks
        self._out, self._size = out, size
        self.architectures = plan.read_architectures((folder / "architectures.json").read_text())
        self.groups = plan.groups_of(self.architectures)
        arrays = read_data(folder)
        self._num_slices = arrays["train_mr"].shape[0] * arrays["train_mr"].shape[1]
        self._mean = float(normalize_ct(arrays["train_hu"]).mean(dtype=np.float64))
        trained, validated = (
            tuple(jax.device_put(each.reshape(-1, *each.shape[2:])) for each in pair)
            for pair in (
                (arrays["train_mr"], normalize_ct(arrays["train_hu"])),
                (arrays["validation_mr"], normalize_ct(arrays["validation_hu"])),
            )
        )
        self._data = (trained, validated)
        self._subjects = {
            part: [
                jax.device_put(pair)
                for pair in zip(arrays[f"{part}_mr"], arrays[f"{part}_hu"], strict=True)
            ]
            for part in PARTS[1:]
        }
        self._pool = ThreadPoolExecutor(num_threads)
        self._programs: dict[Any, Future] = {}

    def compile(self, keys: Iterable[Any]) -> None:
        """Begins to compile the programs of some groups, one group after the other."""
        one = ThreadPoolExecutor(1)
        for key in keys:
            self._programs[key] = one.submit(self._begin_compiling, key)

    def _begin_compiling(self, key: Any) -> Any:
        own = [self.architectures[number] for number in self.groups[key]]
        return self._training.Programs(
            self._pool,
            self._networks.envelope_of(own),
            self._size,
            self._data,
            self._subjects["scoring"][0],
        )

    def wait_for(self, key: Any) -> None:
        """Waits until a group's programs are compiled."""
        self._programs[key].result().wait()

    def run(self, phase: plan.Phase, key: Any, trainings: Sequence[plan.Training]) -> None:
        """Trains a batch and adds its rows to the tables."""
        programs = self._programs[key].result()
        # A batch has one size: what is missing is the first one again, and not looked at.
        filled = [*trainings, *[trainings[0]] * (self._size - len(trainings))]
        own = [self.architectures[number] for _, number, _ in filled]
        gates = self._stacked(self._networks.gates_in(each, programs.envelope) for each in own)
        weights = (self._weights(each, programs.envelope) for each in filled)
        state = programs.begin(self._stacked(weights))
        orders = np.stack([self._orders(each) for each in filled], axis=1)
        variants = [plan.VARIANTS[variant] for variant, _, _ in filled]
        rates = np.stack([each.rates(orders.shape[2])[: phase.epochs] for each in variants], axis=1)
        rows, attacked = [], []
        for epoch in range(1, phase.epochs + 1):
            state, _, _ = programs.epoch(
                state, gates, orders[epoch - 1], rates[epoch - 1], self._data
            )
            found = (state["best"], gates, trainings, epoch)
            rows += self._score(programs, found, plan.wanted_at(phase, epoch))
            if phase.is_full and epoch == tables.EPOCHS:
                attacked += self._attack(programs, found)
        if phase.to_end:
            found = (state["end"], gates, trainings, tables.END)
            rows += self._score(programs, found, plan.wanted_at_end(phase))
            attacked += self._attack(programs, found) if phase.is_full else []
        _append(self._out / tables.ACCELERATED, tables.COLUMNS, rows)
        _append(self._out / ATTACKS, plan.ATTACK_COLUMNS, attacked)

    def _weights(self, training: plan.Training, envelope: Any) -> Any:
        name, number, seed = training
        variant = plan.VARIANTS[name]
        architecture = self.architectures[number]
        weights = self._networks.initial_weights(
            architecture,
            variant.initializer,
            plan.seed_of(architecture, 0 if variant.one_start else seed),
            self._mean if variant.start_at_mean else None,
        )
        return self._networks.put_in(weights, architecture, envelope)

    def _orders(self, training: plan.Training) -> np.ndarray:
        name, number, seed = training
        own = 0 if plan.VARIANTS[name].one_order else plan.seed_of(self.architectures[number], seed)
        return plan.orders(own, self._num_slices, self._training.BATCH_SIZE)

    def _stacked(self, trees: Iterable[Any]) -> Any:
        return self._jax.tree.map(lambda *each: np.stack(each), *trees)

    def _score(
        self, programs: Any, found: tuple, wanted: Sequence[plan.Wanted]
    ) -> list[Mapping[str, str]]:
        best, gates, trainings, epoch = found
        # All are under way before one is waited for.
        sums = [
            [
                programs.score(best["weights"], np.int32(each.place), gates, subject)
                for subject in self._subjects[each.part][: each.num_subjects]
            ]
            for each in wanted
        ]
        rows = []
        if not wanted:
            return rows
        epochs, losses = np.asarray(best["epoch"]), np.asarray(best["loss"])
        for each, own in zip(wanted, sums, strict=True):
            values = [np.asarray(subject) for subject in own]
            for place, training in enumerate(trainings):
                scores = [
                    [self._training.region_scores(part) for part in subject[place]]
                    for subject in values
                ]
                averaging = self._training.DECAYS[each.place]
                chosen = (int(epochs[place, each.place]), float(losses[place, each.place]))
                row = plan.row(training, epoch, averaging, each.part, chosen, scores)
                rows.append(row)
        return rows

    def _attack(self, programs: Any, found: tuple) -> list[Mapping[str, str]]:
        best, gates, trainings, epoch = found
        subject, rows = self._subjects["scoring"][0], []
        for average in (0, 1):
            outcome = programs.attack(best["weights"], np.int32(average), gates, subject)
            sums, errors = map(np.asarray, outcome)
            for place, training in enumerate(trainings):
                scores = [self._training.region_scores(part) for part in sums[place]]
                means = errors[place] / len(subject[0])
                averaging = self._training.DECAYS[average]
                rows += plan.attack_rows(training, epoch, averaging, scores, means)
        return rows


def _append(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    is_new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerows(rows)


def train(given: argparse.Namespace) -> None:
    """Trains phase by phase until time is over."""
    began = time.monotonic()
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
