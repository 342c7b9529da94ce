"""Trains batches of networks by `accelerated_plan.py`, and writes the tables."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import accelerated_networks as networks
import accelerated_plan as plan
import accelerated_scoring as scoring
import accelerated_training as training
import jax
import numpy as np
import scores_table as tables

from robmednas_tf.data.intensities import normalize_ct

PARTS = ("validation", "scoring", "apart")
ATTACKS = "attacks.csv"

# A batch's best weights with epochs and losses, its gates, whose they are, and after how long.
Found = tuple[training.State, Mapping[str, np.ndarray], Sequence[plan.Training], int | str]


class Trainer:
    """Trains batches of networks and writes their rows.

    Args:
        folder: Of `prepare`.
        out: Folder of the tables.
        size: Networks of a batch.
        num_threads: That compile.
    """

    def __init__(self, folder: Path, out: Path, size: int, num_threads: int):
        self._out, self._size = out, size
        self.architectures = plan.read_architectures((folder / "architectures.json").read_text())
        self.groups = plan.groups_of(self.architectures)
        with np.load(folder / "data.npz") as saved:
            arrays = {name: saved[name][..., np.newaxis] for name in saved.files}
        self._num_slices = arrays["train_mr"].shape[0] * arrays["train_mr"].shape[1]
        self._mean = float(normalize_ct(arrays["train_hu"]).mean(dtype=np.float64))
        fitted, validated = (
            tuple(jax.device_put(each.reshape(-1, *each.shape[2:])) for each in pair)
            for pair in (
                (arrays["train_mr"], normalize_ct(arrays["train_hu"])),
                (arrays["validation_mr"], normalize_ct(arrays["validation_hu"])),
            )
        )
        self._data = (fitted, validated)
        self._subjects = {
            part: [
                jax.device_put(pair)
                for pair in zip(arrays[f"{part}_mr"], arrays[f"{part}_hu"], strict=True)
            ]
            for part in PARTS
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
        return training.Programs(
            self._pool,
            networks.envelope_of(own),
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
        gates = self._stacked(networks.gates_in(each, programs.envelope) for each in own)
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
            found: Found = (state["best"], gates, trainings, epoch)
            rows += self._score(programs, found, plan.wanted_at(phase, epoch))
            if phase.is_full and epoch == tables.EPOCHS:
                attacked += self._attack(programs, found)
        if phase.to_end:
            found = (state["end"], gates, trainings, tables.END)
            rows += self._score(programs, found, plan.wanted_at_end(phase))
            attacked += self._attack(programs, found) if phase.is_full else []
        _append(self._out / tables.ACCELERATED, tables.COLUMNS, rows)
        _append(self._out / ATTACKS, plan.ATTACK_COLUMNS, attacked)

    def _weights(self, trained: plan.Training, envelope: Any) -> Any:
        name, number, seed = trained
        variant = plan.VARIANTS[name]
        architecture = self.architectures[number]
        weights = networks.initial_weights(
            architecture,
            variant.initializer,
            plan.seed_of(architecture, 0 if variant.one_start else seed),
            self._mean if variant.start_at_mean else None,
        )
        return networks.put_in(weights, architecture, envelope)

    def _orders(self, trained: plan.Training) -> np.ndarray:
        name, number, seed = trained
        own = 0 if plan.VARIANTS[name].one_order else plan.seed_of(self.architectures[number], seed)
        return plan.orders(own, self._num_slices, scoring.BATCH_SIZE)

    def _stacked(self, trees: Iterable[Any]) -> Any:
        return jax.tree.map(lambda *each: np.stack(each), *trees)

    def _score(
        self, programs: Any, found: Found, wanted: Sequence[plan.Wanted]
    ) -> list[dict[str, str]]:
        best, gates, trainings, epoch = found
        # All are under way before one is waited for.
        sums = [
            [
                programs.score(best["weights"], np.int32(each.place), gates, subject)
                for subject in self._subjects[each.part][: each.num_subjects]
            ]
            for each in wanted
        ]
        rows: list[dict[str, str]] = []
        if not wanted:
            return rows
        epochs, losses = np.asarray(best["epoch"]), np.asarray(best["loss"])
        for each, own in zip(wanted, sums, strict=True):
            values = [np.asarray(subject) for subject in own]
            for place, trained in enumerate(trainings):
                scores = [
                    [scoring.region_scores(part) for part in subject[place]] for subject in values
                ]
                averaging = training.DECAYS[each.place]
                chosen = (int(epochs[place, each.place]), float(losses[place, each.place]))
                row = plan.row(trained, epoch, averaging, each.part, chosen, scores)
                rows.append(row)
        return rows

    def _attack(self, programs: Any, found: Found) -> list[dict[str, str]]:
        best, gates, trainings, epoch = found
        subject = self._subjects["scoring"][0]
        rows: list[dict[str, str]] = []
        for average in (0, 1):
            outcome = programs.attack(best["weights"], np.int32(average), gates, subject)
            sums, errors = map(np.asarray, outcome)
            for place, trained in enumerate(trainings):
                scores = [scoring.region_scores(part) for part in sums[place]]
                means = errors[place] / len(subject[0])
                averaging = training.DECAYS[average]
                rows += plan.attack_rows(trained, epoch, averaging, scores, means)
        return rows


def _append(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    is_new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerows(rows)
