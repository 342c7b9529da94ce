"""Measures memory: of streaming, evaluation, a training step against its estimate, many trials.

    python benchmarks/memory.py [streaming] [evaluation] [estimate] [trials]

- streaming: peak of a process that trains two epochs on 8 or on 64 prepared subjects; the two
  should be equal, since slices are streamed.
- evaluation: the same of a process that evaluates a network clean, attacked, in twenty levels of
  corruption and inside the body mask.
- estimate: what three training steps of batch 6 add to a process, against `Cost.training_bytes`,
  for random architectures: those of the quick start's space on 64 x 64, of the paper's on 64 x 64
  and 128 x 128.
- trials: memory left after each trial of one search, among networks of like size; a slope is a
  leak.

Every case runs in a process of its own. This one stays small: Linux counts the memory of a process
towards the peak of those it starts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.space import SearchSpace

NUM_SUBJECTS = (8, 64)
NUM_REPEATS = 2
QUICK_SPACE, PAPER_SPACE = SearchSpace(max_depth=3, filters=(8, 16, 32)), SearchSpace()
# Slice size, space, and how many architectures are drawn.
DRAWS = ((64, QUICK_SPACE, 4), (64, PAPER_SPACE, 8), (128, PAPER_SPACE, 4))
NUM_TRIALS = 45
# The first trials fill caches that later ones share.
NUM_FIRST_TRIALS = 10


def measure(case: str, *arguments: object) -> Any:
    """Runs a case of `memory_cases.py` and returns its result."""
    script = Path(__file__).with_name("memory_cases.py")
    done = subprocess.run(
        [sys.executable, str(script), case, *map(str, arguments)], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{case} {arguments} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def streaming(folder: Path) -> None:
    """Prints the peak of a training for few and for many subjects."""
    _print_peaks("streaming", folder)


def evaluation(folder: Path) -> None:
    """Prints the peak of an evaluation for few and for many subjects."""
    _print_peaks("evaluation", folder)


def _print_peaks(case: str, folder: Path) -> None:
    measure("prepare", folder, max(NUM_SUBJECTS))
    print(f"| subjects | {case}: peak, MB |\n|---|---|")
    peaks = {
        count: [measure(case, folder, count) / 1e6 for _ in range(NUM_REPEATS)]
        for count in NUM_SUBJECTS
    }
    for count, each in peaks.items():
        print(f"| {count} | {', '.join(f'{peak:.0f}' for peak in each)} |")
    few, many = (np.mean(each) for each in peaks.values())
    print(f"\nRatio: {many / few:.3f}\n")


def estimate(folder: Path) -> None:
    """Prints estimated and measured memory of training steps."""
    print("| size | depth | parameters, MB | activations, MB | estimated, MB | measured | ratio |")
    print("|---|---|---|---|---|---|---|")
    generator = np.random.default_rng(0)
    for size, space, count in DRAWS:
        for _ in range(count):
            architecture = random_architecture(space, generator)
            found = measure("step", size, architecture.to_json())
            columns = ("parameters", "activations", "estimate", "measured")
            cells = " | ".join(f"{found[name] / 1e6:.1f}" for name in columns)
            ratio = found["estimate"] / found["measured"]
            print(f"| {size} | {architecture.depth} | {cells} | {ratio:.2f} |", flush=True)
    print()


def trials(folder: Path) -> None:
    """Prints the memory after each trial and its slope once the first ones are over."""
    sizes = np.array(measure("trials", folder, NUM_TRIALS)) / 1e6
    print("After each trial, MB: " + ", ".join(f"{size:.0f}" for size in sizes))
    later = sizes[NUM_FIRST_TRIALS:]
    slope = np.polyfit(np.arange(len(later)), later, 1)[0]
    print(f"\nSlope after the first {NUM_FIRST_TRIALS}: {slope:.1f} MB a trial\n")


def random_architecture(space: SearchSpace, generator: np.random.Generator) -> Architecture:
    """Draws an architecture, its depth first."""
    depth = int(generator.integers(1, space.max_depth + 1))

    def block() -> Block:
        ratio = generator.choice(space.reduction_ratios) if generator.integers(2) else None
        return Block(
            str(generator.choice(space.patterns)),
            int(generator.choice(space.filters)),
            None if ratio is None else int(ratio),
        )

    return Architecture(tuple(block() for _ in range(depth)), tuple(block() for _ in range(depth)))


def main() -> None:
    parts = {part.__name__: part for part in (streaming, evaluation, estimate, trials)}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"Any of {', '.join(parts)}.")
    chosen = parser.parse_args().parts or list(parts)
    if unknown := set(chosen) - set(parts):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            parts[name](Path(folder))


if __name__ == "__main__":
    main()
