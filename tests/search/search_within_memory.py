"""Searches with as little memory left as a small candidate needs; the first one needs more.

Takes the run's folder; prints each trial's status and message, as JSON. Linux only.
"""

import json
import resource
import sys
from pathlib import Path
from types import SimpleNamespace

import keras_tuner
import numpy as np

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.cohort import open_phantom
from robmednas_tf.data.prepared import SliceCache
from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.search.hypermodel import SearchData, UNetHyperModel
from robmednas_tf.search.hyperparameters import declare_space
from robmednas_tf.search.oracles import RandomOracle
from robmednas_tf.search.tuner import SearchTuner

SIZE = 128
# Less than one activation of a wide network, which takes 6 x 128 x 128 x 1024 x 4 bytes.
ROOM_BYTES = 1 << 30
SMALL = Architecture((Block("1000", 8),), (Block("1000", 8),))


def limit_memory() -> None:
    """Leaves this much room to what the process holds by now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(folder: Path) -> None:
    """Trains a small network, so that all libraries are there, and then searches."""
    cache = SliceCache(folder / "cache", SIZE)
    heads = [cache.prepare(subject) for subject in open_phantom(3, (SIZE, SIZE, 8), seed=0)]
    space = SearchSpace(
        max_depth=1, patterns=("1000", "1111"), filters=(8, 256), reduction_ratios=()
    )
    data = SearchData((heads[0],), (heads[1],), (heads[2],))
    hypermodel = UNetHyperModel(space, data, TrainingConfig(epochs=1), Perturbation("fgsm", 0.2))
    hypermodel.train_and_score(hypermodel.build_architecture(SMALL), SMALL)
    limit_memory()
    hyperparameters = keras_tuner.HyperParameters()
    declare_space(hyperparameters, space)
    objective = keras_tuner.Objective("adversarial_dice", "max")
    # By this seed a wide network is proposed first, a small one next.
    oracle = RandomOracle(objective, 1, hyperparameters, seed=165, max_attempts=1)
    progress = SimpleNamespace(
        trial_started=lambda record: None,
        epoch_ended=lambda record, epoch, val_loss: None,
        trial_ended=lambda record: None,
    )
    picture = np.zeros((4, 4, 3), np.uint8)
    SearchTuner(
        oracle, hypermodel, folder / "run", 1, progress, lambda panel: picture, lambda records: None
    ).search()
    print(json.dumps([[each.status, each.message] for each in oracle.records()]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
