"""What the steps of a study will take: work from their networks' operations, and time from that.

One unit of work is a training step of one batch; everything else is counted in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.cost import Cost, estimate_cost
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.study.arms import ADVERSARIAL, ORACLES, RANDOM, ROBMEDNAS_T
from robmednas_tf.study.steps import Step

# Of a training step, which goes forward once and back at twice that price.
_FORWARD, _GRADIENT = 1 / 3, 1.0
_BOTH_PREDICTED = 2 * _FORWARD
_NUM_DRAWS = 400
_WEIGHT_BYTES = 4.0
# Left by a step of a kind, its weights aside: measured on three studies of 16 to 96 pixels a side.
# A search's grows with its trials; pictures of slices are most of the rest, and grow with the side.
_LEFT_BYTES = {"train": 95e3, "eval": 200e3, "pick": 60e3}
_TRIAL_BYTES = 70e3
_PICTURE_BYTES_A_PIXEL = {"search": 23e3, "compare": 158e3, "collect": 105e3}
# Of a prepared voxel: MR, CT and body mask.
_VOXEL_BYTES = 9


@dataclass(frozen=True)
class Sizes:
    """How large a study's pieces are.

    Attributes:
        subjects: All subjects.
        slices_each: Slices of a subject.
        train: Subjects that train.
        validation: Subjects that choose the epoch.
        test: Subjects that are scored.
        search_train: Subjects of the search's sub-dataset that train.
        search_validation: Those of it that choose the epoch.
        search_test: Those of it that score.
        image_size: Pixels a side.
        batch_size: Slices a step.
        trials: Candidates of a search.
        confirmed: Further trainings of a search's best candidates.
        trial_epochs: Epochs of a trial.
        epochs: Epochs of a training, at most.
        conditions: Perturbations of an evaluation.
        levels: Levels of the progressive corruptions.
        trial_gradients: Passes forward and back that the attack on a trial takes.
        adversarial_gradients: Those that the attacks on a slice take in an adversarial training.
        evaluation_gradients: Those of an evaluation's attacks, all in all.
    """

    subjects: int
    slices_each: int
    train: int
    validation: int
    test: int
    search_train: int
    search_validation: int
    search_test: int
    image_size: int
    batch_size: int
    trials: int
    confirmed: int
    trial_epochs: int
    epochs: int
    conditions: int
    levels: int
    trial_gradients: float = 1.0
    adversarial_gradients: float = 0.5
    evaluation_gradients: float = 1.0

    def batches(self, subjects: float) -> float:
        """Returns how many batches the slices of some subjects make."""
        return math.ceil(subjects * self.slices_each / self.batch_size)


@dataclass(frozen=True)
class Work:
    """What a step has to do.

    Attributes:
        networks: Networks built.
        batches: Training steps, and what else is worth as many.
        blocks: Of a network.
        gflop: Of a network's training step, 10^9 operations.
        parameters: Of a network.
    """

    networks: float = 0.0
    batches: float = 0.0
    blocks: float = 0.0
    gflop: float = 0.0
    parameters: float = 0.0


@dataclass(frozen=True)
class Rate:
    """How fast a machine is, as measured there.

    Attributes:
        host: Which machine.
        device: What trains on it, in words.
        build_s: To make a block of a network ready for training.
        batch_s: Of a training step, whatever the network.
        gflop_s: Of a training step besides, for each 10^9 operations.
    """

    host: str
    device: str
    build_s: float
    batch_s: float
    gflop_s: float

    def seconds(self, work: Work) -> float:
        """Returns how long work takes."""
        each = self.batch_s + self.gflop_s * work.gflop
        return self.build_s * work.blocks * work.networks + each * work.batches


# To start a process, to read and to write: of a step of a kind.
FIXED_S: Mapping[str, float] = {"search": 6.0, "train": 3.0, "eval": 4.0, "draw": 5.0}
_COLLECT_S = 20.0


class StudyCosts:
    """What each step of a study costs.

    Args:
        sizes: How large its pieces are.
        baseline: The hand-crafted architecture.
        space: Where is searched.
    """

    def __init__(self, sizes: Sizes, baseline: Architecture, space: SearchSpace):
        self.sizes = sizes
        shape = (sizes.image_size, sizes.image_size, 1)
        self._baseline = _mean([estimate_cost(baseline, shape)])
        self._space = _mean([estimate_cost(each, shape) for each in spread_over(space)])

    def work(self, step: Step) -> Work:
        """Returns what a step has to do; of an architecture not known yet, the space's mean."""
        sizes, cost = self.sizes, self._space if self._is_found(step) else self._baseline
        networks, batches = 1.0, 0.0
        if step.command == "search":
            cost, networks = self._space, float(sizes.trials + sizes.confirmed)
            batches = networks * self._trial_batches()
        elif step.command == "train":
            extra = sizes.adversarial_gradients if step.arm == ADVERSARIAL else 0.0
            each = 1 + extra * _GRADIENT
            validation = (_BOTH_PREDICTED + _GRADIENT) * sizes.batches(sizes.validation)
            batches = sizes.epochs * (each * sizes.batches(sizes.train) + validation)
        elif step.command == "eval":
            levels = sizes.conditions + (sizes.levels if step.arm is None else 0)
            networks = 1.0 if step.arm is not None else 5.0
            each = _FORWARD * (1 + levels) + _GRADIENT * sizes.evaluation_gradients
            batches = networks * each * sizes.batches(sizes.test)
        else:
            networks = 0.0
        gflop = 3 * cost.flops * sizes.batch_size / 1e9
        return Work(networks, batches, cost.blocks, gflop, cost.parameters)

    def seconds(self, step: Step, rate: Rate) -> float:
        """Returns how long a step takes, by the rate alone."""
        if step.command == "collect":
            return _COLLECT_S
        return FIXED_S.get(step.command, 0.1) + rate.seconds(self.work(step))

    def left_bytes(self, step: Step) -> float:
        """Returns what a step leaves for good, the weights of networks aside."""
        trials = self.sizes.trials if step.command == "search" else 0
        kind = step.name if step.name == "compare" else step.command
        pictures = _PICTURE_BYTES_A_PIXEL.get(kind, 0.0) * self.sizes.image_size
        return _LEFT_BYTES.get(kind, 2e3) + _TRIAL_BYTES * trials + pictures

    def weights_bytes(self, step: Step) -> float:
        """Returns what the weights of a training, or those that were picked, take."""
        if step.command not in ("train", "pick"):
            return 0.0
        found = self._space if self._is_found(step) else self._baseline
        return _WEIGHT_BYTES * found.parameters

    def prepared_bytes(self) -> float:
        """Returns what prepared slices take, which is in the cache, not in the study's folder."""
        sizes = self.sizes
        return float(_VOXEL_BYTES * sizes.subjects * sizes.slices_each * sizes.image_size**2)

    def _trial_batches(self) -> float:
        sizes = self.sizes
        epoch = sizes.batches(sizes.search_train)
        epoch += _FORWARD * sizes.batches(sizes.search_validation)
        attacked = _BOTH_PREDICTED + _GRADIENT * sizes.trial_gradients
        return sizes.trial_epochs * epoch + attacked * sizes.batches(sizes.search_test)

    @staticmethod
    def _is_found(step: Step) -> bool:
        return step.arm in (*ORACLES, RANDOM, ROBMEDNAS_T)


def spread_over(space: SearchSpace, count: int = _NUM_DRAWS) -> list[Architecture]:
    """Returns architectures spread evenly over a space's depths, patterns and filters.

    They stand for the space where costs are estimated; squeeze-and-excitation, which costs next to
    nothing, is left out, and no search ever proposes from them.
    """
    generator = np.random.default_rng(0)

    def blocks(depth: int) -> tuple[Block, ...]:
        return tuple(
            Block(
                space.patterns[generator.integers(len(space.patterns))],
                space.filters[generator.integers(len(space.filters))],
            )
            for _ in range(depth)
        )

    depths = [1 + number % space.max_depth for number in range(count)]
    return [Architecture(blocks(depth), blocks(depth)) for depth in depths]


@dataclass(frozen=True)
class _MeanCost:
    parameters: float
    flops: float
    blocks: float


def _mean(costs: Iterable[Cost]) -> _MeanCost:
    costs = list(costs)
    return _MeanCost(
        *(
            math.fsum(getattr(cost, name) for cost in costs) / len(costs)
            for name in ("parameters", "flops", "blocks")
        )
    )
