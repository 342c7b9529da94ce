"""Calibrates the checks: what sound and broken models show, over seeds and cohorts.

    python benchmarks/checks.py [--data=FOLDER] [--seeds=5] [--folder=FOLDER] [--epsilon=0.1]

Trains a small network for each seed on the cohort (the phantom, or the one in FOLDER), and runs
every check on it and on three models that are made of it and broken on purpose: input quantised,
`x + 0.01 sin(1000 x)`, noise inside. Prints a Markdown table: the range over seeds of each figure,
with how many of the seeds it flags. Trained networks stay in --folder and are not trained again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from robmednas_tf.checks.table import CHECKS, Finding
from robmednas_tf.models.architecture import Architecture, Block

ROOT = Path(__file__).resolve().parents[1]
SMALL = Architecture((Block("0110", 16, 4),) * 3, (Block("0110", 16, 4),) * 3)
NUM_SLICES, BATCH_SIZE = 12, 6


def train(folder: Path, seed: int, data: str | None) -> Path:
    """Returns a trained network's folder; one that is there is not trained again."""
    run = folder / f"seed{seed}"
    if (run / "model" / "model.keras").is_file():
        return run
    architecture = folder / "small.json"
    architecture.write_text(SMALL.to_json(), encoding="utf-8")
    size = ["--image_size=96", "--epochs=40"] if data else ["--image_size=64", "--epochs=25"]
    subprocess.run(
        [
            *(sys.executable, str(ROOT / "run_train.py"), "--brief", "--patience=0"),
            *(f"--architecture={architecture}", f"--seed={seed}", f"--output_dir={run}"),
            *([f"--data={data}", "--slices_per_subject=24"] if data else []),
            *size,
        ],
        check=True,
    )
    return run


def findings(runs: Sequence[Path], data: str | None, epsilon: float) -> list[Finding]:
    """Checks every network, sound and broken; the other seeds' are what is transferred from."""
    from broken_models import BROKEN

    from robmednas_tf.attacks.fgsm import SliceModel
    from robmednas_tf.attacks.victim import Victim
    from robmednas_tf.checks.examine import examine
    from robmednas_tf.checks.probe import Probe
    from robmednas_tf.checks.sample import places_to_check, read_sample
    from robmednas_tf.evaluation.models import load_model

    batches = read_sample(places_to_check(test_subjects(runs[0]), NUM_SLICES), BATCH_SIZE, 0)
    models = [load_model(run / "model" / "model.keras") for run in runs]
    victims = [Victim.traced(model) for model in models]
    found = []
    for number, model in enumerate(models):
        other = {"another seed": victims[(number + 1) % len(victims)]}
        kinds: dict[str, SliceModel] = {"sound": model}
        kinds |= {name: broken(model) for name, broken in BROKEN.items()}
        for name, kind in kinds.items():
            probe = Probe(Victim.traced(kind), batches, epsilon, other)
            found += examine(name, probe)
            print(f"seed {number}, {name} is checked", file=sys.stderr, flush=True)
    return found


def test_subjects(run: Path) -> list:
    """Returns the prepared test subjects of a run, as its own record names them."""
    from robmednas_tf.cli import data_flags, train_flags
    from robmednas_tf.cli.subjects import open_cohort, prepare_subjects, subjects_of
    from robmednas_tf.data.prepared import SliceCache

    flags = train_flags.FLAGS
    flags(["checks", f"--flagfile={run / 'flags.cfg'}"])
    config = data_flags.data_config(flags)
    cohort = open_cohort(config)
    cache = SliceCache(config.cache_dir, config.image_size, config.slices_per_subject)
    names = list(subjects_of("test", cohort, config))
    return list(prepare_subjects(cohort, cache, names).values())


def table(found: Sequence[Finding]) -> list[str]:
    """Returns a Markdown table: a row a check, a column a kind of model."""
    kinds = list(dict.fromkeys(each.model for each in found))
    lines = [f"| check | limit | {' | '.join(kinds)} |", "|---" * (2 + len(kinds)) + "|"]
    for name, check in CHECKS.items():
        cells = []
        for kind in kinds:
            ours = [each for each in found if (each.model, each.check) == (kind, name)]
            cells.append(_cell(ours))
        lines.append(f"| {check.title} | {check.flags} {check.limit:g} | {' | '.join(cells)} |")
    return lines


def _cell(found: Sequence[Finding]) -> str:
    figures = np.array([each.figure for each in found])
    defined = figures[~np.isnan(figures)]
    if not len(defined):
        return "not defined"
    flagged = sum(each.is_flagged for each in found)
    mark = f", {flagged} of {len(found)} flagged" if flagged else ""
    return f"{defined.min():.3g} to {defined.max():.3g}{mark}"


def main() -> None:
    """Trains what is missing, checks all, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--epsilon", type=float, default=0.1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        runs = [train(folder, seed, given.data) for seed in range(given.seeds)]
        print("\n".join(table(findings(runs, given.data, given.epsilon))))


if __name__ == "__main__":
    main()
