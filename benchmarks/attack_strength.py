"""Compares the strength of attacks on trained networks.

    python benchmarks/attack_strength.py [--data=FOLDER] [--seeds=5] [--folder=FOLDER]

Attacks the sound networks of `checks.py`, trained here where --folder lacks them, and prints a
Markdown table: by how much each attack raises the mean squared error of test slices, against FGSM
of the same size; and on which share of the slices APGD does at least as much as PGD of as many
steps, and Square less than the worst of the attacks that know the gradient.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from checks import BATCH_SIZE, NUM_SLICES, test_subjects, train

EPSILON = 0.1
FGSM, PGD, APGD, SQUARE = "fgsm:{}", "pgd:{}:steps=40", "apgd:{}", "square:{}:queries=600"


def rows(runs: Sequence[Path]) -> list[str]:
    """Returns a row of the table for each network."""
    from robmednas_tf.attacks.victim import Victim
    from robmednas_tf.checks.probe import Probe
    from robmednas_tf.checks.sample import places_to_check, read_sample
    from robmednas_tf.evaluation.models import load_model

    batches = read_sample(places_to_check(test_subjects(runs[0]), NUM_SLICES), BATCH_SIZE, 0)
    lines = []
    for seed, run in enumerate(runs):
        model = load_model(run / "model" / "model.keras")
        probe = Probe(Victim.traced(model), batches, EPSILON)
        fgsm, *others = (probe.harm(text) for text in (FGSM, PGD, APGD, SQUARE))
        pgd, apgd, square = others
        ratios = [f"{np.mean(each) / np.mean(fgsm):.2f}" for each in others]
        stronger, weaker = np.mean(apgd >= pgd), np.mean(square < probe.best_harm)
        lines.append(f"| {seed} | {' | '.join(ratios)} | {stronger:.0%} | {weaker:.0%} |")
    return lines


def main() -> None:
    """Trains what is missing, attacks all, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        runs = [train(folder, seed, given.data) for seed in range(given.seeds)]
        print("| seed | PGD-40 | APGD-40 | Square | APGD >= PGD | Square < worst |")
        print("|---" * 6 + "|")
        print("\n".join(rows(runs)))


if __name__ == "__main__":
    main()
