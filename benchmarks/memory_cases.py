"""One measurement of memory in a process of its own; `memory.py` starts it. Linux only.

    python benchmarks/memory_cases.py CASE ARGUMENTS...

Prints its result as one line of JSON, sizes in bytes.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import keras_tuner
import tensorflow as tf

from robmednas_tf.attacks.notation import CURVES, Perturbation
from robmednas_tf.attacks.perturbations import PerturbedInference
from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.cohort import open_phantom
from robmednas_tf.data.prepared import PreparedSubject, SliceCache
from robmednas_tf.data.slices import ShuffledSlices, ordered_batches
from robmednas_tf.evaluation.volumes import Wanted, evaluate_subject
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.models.unet import build_unet
from robmednas_tf.report.panels import panel_image
from robmednas_tf.search.hypermodel import SearchData, UNetHyperModel
from robmednas_tf.search.hyperparameters import declare_space
from robmednas_tf.search.oracles import RandomOracle
from robmednas_tf.search.tuner import SearchTuner
from robmednas_tf.training.checkpoints import BestEpoch
from robmednas_tf.training.fit import MeanLoss, fit
from robmednas_tf.training.unet import TrainableUNet, compile_model

GRID = (64, 64, 24)
NUM_STEPS = 3
TINY = Architecture((Block("1000", 8),), (Block("1000", 8),))
SMALL = Architecture((Block("1110", 16, 4),) * 3, (Block("0110", 16, 4),) * 3)


def prepare(folder: str, num_subjects: str) -> int:
    """Prepares heads, so that what is measured later is streaming alone."""
    return len(_heads(folder, int(num_subjects)))


def streaming(folder: str, num_subjects: str) -> int:
    """Returns the process's peak after two epochs on that many subjects."""
    heads, config = _heads(folder, int(num_subjects)), TrainingConfig(epochs=2)
    model = TrainableUNet(build_unet(SMALL, (*GRID[:2], 1)))
    compile_model(model, config)
    train = ShuffledSlices(heads, config.batch_size, seed=0)
    fit(model, train, MeanLoss(model, ordered_batches(heads[:1], config.batch_size)), config)
    return _peak()


def evaluation(folder: str, num_subjects: str) -> int:
    """Returns the process's peak after evaluating a network on that many subjects."""
    attacks = (*CURVES["fgsm"], *CURVES["gaussian"])
    inference = PerturbedInference(build_unet(SMALL, (*GRID[:2], 1)), attacks)
    wanted = Wanted(masked=("clean", "fgsm:0.06"), slices=(12,))
    for head in _heads(folder, int(num_subjects)):
        evaluate_subject({"network": inference}, head, wanted)
    return _peak()


def step(image_size: str, architecture: str) -> dict[str, int]:
    """Returns what a few training steps add to the memory of a process that has trained before."""
    shape = (int(image_size), int(image_size), 1)
    _train(TINY, (16, 16, 1))
    keras.backend.clear_session()
    gc.collect()
    before = _current()
    _forget_peak()
    candidate = Architecture.from_json(architecture)
    _train(candidate, shape)
    cost, size = estimate_cost(candidate, shape), TrainingConfig(1).batch_size
    return {
        "measured": _peak() - before,
        "estimate": cost.training_bytes(size),
        "parameters": 4 * cost.parameters,
        "activations": 4 * size * cost.activations,
        "blocks": 2 * candidate.depth,
    }


def trials(folder: str, num_trials: str) -> list[int]:
    """Returns the process's memory after each trial of a search among networks of one size."""
    heads = _heads(folder, 6)
    space = SearchSpace(max_depth=2, filters=(8,), reduction_ratios=())
    data = SearchData(heads[:4], heads[4:5], heads[5:])
    hypermodel = UNetHyperModel(space, data, TrainingConfig(epochs=2), Perturbation("fgsm", 0.2))
    hyperparameters = keras_tuner.HyperParameters()
    declare_space(hyperparameters, space)
    sizes: list[int] = []
    progress = SimpleNamespace(
        trial_started=lambda record: None,
        epoch_ended=lambda record, epoch, val_loss: None,
        trial_ended=lambda record: sizes.append(_current()),
    )
    objective = keras_tuner.Objective("adversarial_dice", "max")
    oracle = RandomOracle(objective, int(num_trials), hyperparameters, seed=0)
    run = Path(folder) / f"search-{os.getpid()}"
    SearchTuner(oracle, hypermodel, run, 3, progress, panel_image, lambda records: None).search()
    return sizes


def _heads(folder: str, num_subjects: int) -> tuple[PreparedSubject, ...]:
    cache = SliceCache(Path(folder), GRID[0])
    return tuple(cache.prepare(subject) for subject in open_phantom(num_subjects, GRID, seed=0))


def _train(architecture: Architecture, shape: tuple[int, int, int]) -> None:
    config = TrainingConfig(epochs=1)
    model = TrainableUNet(build_unet(architecture, shape))
    compile_model(model, config)
    slices = tf.random.stateless_normal((config.batch_size, *shape), seed=(0, 0))
    batches = tf.data.Dataset.from_tensors((slices, slices))
    train = batches.repeat(NUM_STEPS)
    model.fit(train, callbacks=[BestEpoch(config, MeanLoss(model, batches))], verbose=0)


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _current() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize()


def _forget_peak() -> None:
    # Sets the peak to what the process holds now: proc(5), clear_refs.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


if __name__ == "__main__":
    cases = {case.__name__: case for case in (prepare, streaming, evaluation, step, trials)}
    print(json.dumps(cases[sys.argv[1]](*sys.argv[2:])))
