"""Measures the data pipeline at the paper's size: preparing, starting, streaming against training.

    python benchmarks/data.py [prepare] [start] [stream] [--folder=FOLDER]

- prepare: subjects of 256 x 256 x 182 from compressed NIfTI into the cache, by one thread and by
  all cores: seconds a subject, and the process's peak memory for few and for many subjects.
- start: a cohort of 300 subjects whose cache is there: seconds until training could begin, and how
  much of the files is read for it.
- stream: batches of 6 slices of 256 x 256 a second, against what one training step of the paper's
  best network (Table 4) consumes.

Every case runs in a process of its own. The subjects are made-up heads, 27 MB each; they and their
cache take 2.5 GB in FOLDER, which defaults to a temporary one. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import nibabel as nib
import numpy as np

from robmednas_tf import machine
from robmednas_tf.cli import subjects
from robmednas_tf.data.cohort import open_folder
from robmednas_tf.data.phantom import make_head
from robmednas_tf.data.subjects import FileSubject

LARGE, SMALL = (256, 256, 182), (32, 32, 8)
NUM_LARGE, NUM_SMALL, BATCH_SIZE = (4, 12), 300, 6


def write_cohort(folder: Path, shape: tuple[int, int, int], count: int) -> None:
    """Writes heads of one anatomy under noise of their own; those that are there stay."""
    head, rng = make_head(shape, seed=0, subject=0), np.random.default_rng(0)
    for number in range(count):
        subject = folder / f"{number:03d}"
        noise = rng.normal(0, 2, shape)
        if (subject / "mask.nii.gz").is_file():
            continue
        subject.mkdir(parents=True, exist_ok=True)
        mr = np.clip(head.mr + noise, 0, None).astype(np.int16)
        volumes = {"mr": mr, "ct": head.ct.astype(np.int16), "mask": head.mask}
        for role, volume in volumes.items():
            nib.save(nib.Nifti1Image(volume, head.affine), subject / f"{role}.nii.gz")


def case_prepare(folder: str, cache: str, count: str, workers: str) -> dict[str, float]:
    """Prepares the first subjects with that many threads."""
    from robmednas_tf.data.prepared import SliceCache

    subjects.num_cores = lambda: int(workers)
    cohort = open_folder(folder)
    began, names = time.perf_counter(), cohort.names[: int(count)]
    subjects.prepare_subjects(cohort, SliceCache(Path(cache), LARGE[0]), names)
    seconds = time.perf_counter() - began
    return {"seconds": seconds / int(count), "peak_gb": _peak_gb()}


def case_start(folder: str, cache: str) -> dict[str, float]:
    """Opens, checks and prepares a cohort, as a command does before it trains."""
    from robmednas_tf.data.prepared import SliceCache

    before, began = _bytes_read(), time.perf_counter()
    cohort = open_folder(folder)
    cohort.check()
    checked = time.perf_counter()
    prepared = subjects.prepare_subjects(cohort, SliceCache(Path(cache), SMALL[0]), cohort.names)
    stored = [subject for subject in cohort if isinstance(subject, FileSubject)]
    files = [path for subject in stored for path in subject.files().values()]
    size = sum(each.num_bytes for each in prepared.values())
    return {
        "check_s": checked - began,
        "prepare_s": time.perf_counter() - checked,
        "read_mb": (_bytes_read() - before) / 1e6,
        "size_mb": (size + sum(path.stat().st_size for path in files)) / 1e6,
    }


def case_stream(folder: str, cache: str, count: str) -> dict[str, float]:
    """Streams batches of one epoch, then times steps of the paper's best network on them."""
    from robmednas_tf.config import TrainingConfig
    from robmednas_tf.data.prepared import SliceCache
    from robmednas_tf.data.slices import ShuffledSlices
    from robmednas_tf.models.architecture import NAMED
    from robmednas_tf.models.unet import build_unet
    from robmednas_tf.training.unet import TrainableUNet, compile_model

    cohort = open_folder(folder)
    names = cohort.names[: int(count)]
    prepared = subjects.prepare_subjects(cohort, SliceCache(Path(cache), LARGE[0]), names)
    slices = ShuffledSlices(tuple(prepared.values()), BATCH_SIZE, seed=0)
    batches = iter(slices.batches())
    next(batches)
    num_batches, began = 100, time.perf_counter()
    for _ in range(num_batches):
        next(batches)
    streaming_s = (time.perf_counter() - began) / num_batches
    model = TrainableUNet(build_unet(NAMED["robmednas_t"], (*LARGE[:2], 1)))
    compile_model(model, TrainingConfig(epochs=1))
    batch, steps = next(batches), []
    for _ in range(3):
        began = time.perf_counter()
        model.train_on_batch(*batch)
        steps.append(time.perf_counter() - began)
    # The first one traces.
    return {"streaming_s": streaming_s, "training_s": min(steps[1:]), "peak_gb": _peak_gb()}


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _bytes_read() -> int:
    lines = Path("/proc/self/io").read_text(encoding="utf-8").splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def measure(case: str, *arguments: object) -> dict[str, float]:
    """Runs a case in a process of its own and returns its result."""
    done = subprocess.run(
        [sys.executable, __file__, "--case", case, *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{case} {arguments} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def prepare(folder: Path) -> None:
    """Prints seconds and memory of preparing."""
    cohort, cores = folder / "large", machine.num_cores()
    write_cohort(cohort, LARGE, max(NUM_LARGE))
    print("| subjects | threads | seconds a subject | peak memory, GB |\n|---|---|---|---|")
    for count, workers in ((NUM_LARGE[0], 1), *((count, cores) for count in NUM_LARGE)):
        with tempfile.TemporaryDirectory(dir=folder) as cache:
            found = measure("prepare", cohort, cache, count, workers)
        print(f"| {count} | {workers} | {found['seconds']:.2f} | {found['peak_gb']:.2f} |")


def start(folder: Path) -> None:
    """Prints what starting with a full cache takes."""
    cohort, cache = folder / "small", folder / "small_cache"
    write_cohort(cohort, SMALL, NUM_SMALL)
    # So that the files are older than the clock's step, and are remembered.
    time.sleep(4)
    print("| start | checking headers, s | the rest, s | read, MB | size of all, MB |")
    print("|---|---|---|---|---|")
    for name in ("first", "second"):
        found: dict[str, Any] = measure("start", cohort, cache)
        values = " | ".join(f"{found[key]:.2f}" for key in ("check_s", "prepare_s"))
        print(f"| {name} | {values} | {found['read_mb']:.1f} | {found['size_mb']:.1f} |")


def stream(folder: Path) -> None:
    """Prints the time of a batch against that of a training step."""
    cohort = folder / "large"
    write_cohort(cohort, LARGE, max(NUM_LARGE))
    found = measure("stream", cohort, folder / "large_cache", NUM_LARGE[0])
    ratio = found["training_s"] / found["streaming_s"]
    print("| a batch from the cache, ms | a training step, s | ratio | peak memory, GB |")
    print("|---|---|---|---|")
    print(
        f"| {1000 * found['streaming_s']:.1f} | {found['training_s']:.1f} | {ratio:.0f} "
        f"| {found['peak_gb']:.1f} |"
    )


def main() -> None:
    """Runs the benchmarks asked for, or one case of one."""
    kinds = {"prepare": prepare, "start": start, "stream": stream}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=list(kinds))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--case", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        case, *arguments = given.kinds
        print(json.dumps(globals()[f"case_{case}"](*arguments)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        for kind in given.kinds:
            kinds[kind](given.folder or Path(temporary))


if __name__ == "__main__":
    main()
