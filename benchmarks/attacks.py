"""Measures attacks against the passes that they are made of.

    python benchmarks/attacks.py [--repeats=5]

For a few networks: PGD with 20 steps against one pass forward and back, APGD with 40 steps
likewise, and a query of Square against one prediction. Ratios are taken within a repeat, one after
the other, and the table gives their median and range. Targets: PGD-20 at most 21 passes, a query at
most 1.1 predictions.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from robmednas_tf.attacks.attack import Slices, attacked
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.attacks.perturbations import PerturbedInference
from robmednas_tf.attacks.victim import Victim
from robmednas_tf.models.architecture import NAMED, Architecture, Block
from robmednas_tf.models.unet import build_unet

SMALL = Architecture((Block("0110", 16, 4),) * 3, (Block("0110", 16, 4),) * 3)
TINY = Architecture((Block("0100", 8),), (Block("0100", 8),))
CASES = (
    ("depth 1, 8 filters", TINY, 64, 6),
    ("depth 3, 16 filters", SMALL, 64, 6),
    ("depth 3, 16 filters", SMALL, 128, 6),
    ("Table 4", NAMED["robmednas_t"], 64, 1),
)
QUERIES = 60
PGD, APGD, SQUARE = (
    Perturbation.parse(text) for text in ("pgd:0.1", "apgd:0.1", f"square:0.1:queries={QUERIES}")
)


def seconds(call: Callable[[], object], times: int = 1) -> float:
    """Returns how long a call takes, the mean of several."""
    began = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - began) / times


def measure(architecture: Architecture, size: int, count: int) -> dict[str, list[float]]:
    """Returns ratios of each attack, a value a repeat; the first repeats trace and are left out."""
    model = build_unet(architecture, (size, size, 1))
    mr, ct = np.random.default_rng(0).normal(size=(2, 6, size, size, 1)).astype("float32")
    slices, victim = Slices.of("a", 0, 0, mr, ct), Victim.traced(model)
    # Where slices are scored, queries are made in one graph; the predictions of the clean slices
    # and of what the queries found are two more.
    searched = PerturbedInference(model, [SQUARE])
    found: dict[str, list[float]] = {"pgd": [], "apgd": [], "query": []}
    for number in range(count + 1):
        both = seconds(lambda: victim.explain(slices.mr, slices.ct), 5)
        found["pgd"].append(seconds(lambda: attacked(PGD, victim, slices)) / both)
        found["apgd"].append(seconds(lambda: attacked(APGD, victim, slices)) / both)
        forward = seconds(lambda: victim.predict(slices.mr), 10)
        queries = seconds(lambda: list(searched(slices, wanted=[str(SQUARE)])))
        found["query"].append(queries / (QUERIES + 2) / forward)
        if not number:
            found = {name: [] for name in found}
    return found


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    print("| network | PGD-20 / pass | APGD-40 / pass | query / prediction |\n|---|---|---|---|")
    for name, architecture, size, few in CASES:
        found = measure(architecture, size, min(repeats, max(few, 2)))
        cells = [
            f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
            for values in found.values()
        ]
        print(f"| {name}, {size} x {size} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
