"""What the strategies of `strategies.py` search on: scores of architectures without training.

`fitted` is a model of this project's own trials on the phantom, `interacting` an invention over the
paper's whole space, so that no conclusion hangs on one fit. No TensorFlow here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import math
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats
from strategies_table import Table

from robmednas_tf.models.architecture import PATTERNS, Architecture, Block
from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.models.space import FILTERS, REDUCTION_RATIOS, SearchSpace
from robmednas_tf.search.descriptors import describe

# The space that the table's architectures were drawn from, and their grid.
TABLE_SPACE = SearchSpace(max_depth=3, filters=(8, 16, 32))
GRID = (64, 64, 1)
NUM_FOLDS, NUM_PARTITIONS = 10, 5

# Kinds of model whose values do not end where the data do, as those of trees must.
SMOOTH = ("ridge regression", "Gaussian process")

Value = Callable[[Architecture], float]


@dataclass(frozen=True)
class Landscape:
    """A noisy score of every architecture of a space.

    Attributes:
        space: The architectures.
        value: The score without noise; the larger, the better.
        noise_sd: Standard deviation of a training's luck, in the score's unit.
        fingerprint: Differs where anything above does.
    """

    space: SearchSpace
    value: Value
    noise_sd: float
    fingerprint: str

    def score(self, architecture: Architecture, seed: int) -> float:
        """Returns what a trial of a search would see: the same for one architecture and seed."""
        place = zlib.crc32(architecture.to_json().encode())
        luck = np.random.default_rng([seed, place]).normal()
        return self.value(architecture) + self.noise_sd * float(luck)


@dataclass(frozen=True)
class Fit:
    """How well a model foretells architectures that it has not seen.

    Attributes:
        r2: Share of the variance of their mean scores, over repeated cross-validation.
        rho: Spearman's correlation.
    """

    r2: float
    rho: float


def features(architecture: Architecture, max_depth: int = TABLE_SPACE.max_depth) -> np.ndarray:
    """Returns numbers that a model can learn from: of each block, of all, and the cost.

    Blocks are told by their grid, the full one first, so that a block is among its like whatever
    the depth; those that an architecture does not have are zeros.
    """
    cost = estimate_cost(architecture, GRID)
    found = [math.log(cost.parameters), math.log(cost.flops), math.log(cost.activations)]
    found += describe(architecture).values()
    for blocks in (architecture.encoder, architecture.decoder[::-1]):
        for level in range(max_depth):
            block = blocks[level] if level < len(blocks) else None
            found += [0.0] * 7 if block is None else _block_features(block)
    return np.array(found)


def models() -> Mapping[str, Any]:
    """Returns the kinds of model that are tried; needs scikit-learn."""
    from sklearn import ensemble, gaussian_process, linear_model, pipeline, preprocessing

    kernels = gaussian_process.kernels
    kernel = kernels.ConstantKernel() * kernels.RBF(5.0, (1.0, 100.0)) + kernels.WhiteKernel()
    smooth = gaussian_process.GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
    ridge = linear_model.RidgeCV(np.logspace(0, 4, 17))
    return {
        "ridge regression": pipeline.make_pipeline(preprocessing.StandardScaler(), ridge),
        "Gaussian process": pipeline.make_pipeline(preprocessing.StandardScaler(), smooth),
        "extra trees": ensemble.ExtraTreesRegressor(100, min_samples_leaf=2, random_state=0),
        "gradient boosting": ensemble.GradientBoostingRegressor(
            n_estimators=100, learning_rate=0.08, max_depth=3, subsample=0.7, random_state=0
        ),
    }


def cross_validated(model: Any, x: np.ndarray, y: np.ndarray) -> Fit:
    """Returns how well a model foretells what it has not seen, over repeated partitions."""
    from sklearn import model_selection

    fits = []
    for repeat in range(NUM_PARTITIONS):
        folds = model_selection.KFold(NUM_FOLDS, shuffle=True, random_state=repeat)
        told = model_selection.cross_val_predict(model, x, y, cv=folds)
        r2 = 1.0 - ((y - told) ** 2).sum() / ((y - y.mean()) ** 2).sum()
        fits.append((r2, scipy.stats.spearmanr(y, told)[0]))
    return Fit(*map(float, np.mean(fits, axis=0)))


def without_luck(landscape: Landscape) -> Landscape:
    """Returns a landscape on which every trial sees the value itself."""
    return dataclasses.replace(
        landscape, noise_sd=0.0, fingerprint=f"{landscape.fingerprint} without luck"
    )


def cross_validations(table: Table) -> dict[str, Fit]:
    """Returns how well each kind of model foretells a table's architectures, the best first."""
    x = _all_features(table)
    with _quiet():
        fits = {name: cross_validated(model, x, table.means) for name, model in models().items()}
    return dict(sorted(fits.items(), key=lambda item: -item[1].r2))


def fitted(table: Table, name: str) -> Landscape:
    """Returns what a kind of model makes of trials, with the luck between their seeds.

    Args:
        table: The trials.
        name: Key of `models()`.
    """
    with _quiet():
        model = models()[name].fit(_all_features(table), table.means)
    content = json.dumps([[each.to_dict() for each in table.architectures], table.scores])
    fingerprint = f"{zlib.crc32(content.encode()):08x} {name}"

    # A forest takes longer to ask than a strategy takes to propose.
    @functools.cache
    def value(architecture: Architecture) -> float:
        return float(model.predict(features(architecture)[None])[0])

    return Landscape(TABLE_SPACE, value, math.sqrt(table.noise_variance), fingerprint)


def interacting(noise_sd: float = 0.5) -> Landscape:
    """Returns a landscape over the paper's whole space in which choices work together or not.

    Every block has an effect of each of its choices by itself (a third of the variance) and of
    pairs of choices: pattern with filters in the block, pattern with the next block's pattern, and
    filters with those on the same grid across the U-Net. All are drawn once, independently, by
    place. One unit is the standard deviation between random architectures, at every depth.
    """
    space = SearchSpace()
    generator = np.random.default_rng(2024)
    blocks, ratios = 2 * space.max_depth, (None, *REDUCTION_RATIOS)
    shapes = [(15,), (6,), (5,), (15, 6), (15, 15), (6, 6)]
    weights = np.sqrt([1 / 9] * 3 + [2 / 9] * 3)
    alone_1, alone_2, alone_3, within, along, across = (
        weight * generator.normal(size=(blocks, *shape))
        for weight, shape in zip(weights, shapes, strict=True)
    )

    def value(architecture: Architecture) -> float:
        chain = architecture.encoder + architecture.decoder
        p = [PATTERNS.index(block.pattern) for block in chain]
        f = [FILTERS.index(block.filters) for block in chain]
        r = [ratios.index(block.reduction_ratio) for block in chain]
        total = 0.0
        for place in range(len(chain)):
            total += alone_1[place, p[place]] + alone_2[place, f[place]] + alone_3[place, r[place]]
            total += within[place, p[place], f[place]] + along[place, p[place - 1], p[place]]
            total += across[place, f[place], f[-1 - place]]
        return total / math.sqrt(len(chain))

    return Landscape(space, value, noise_sd, f"1 {noise_sd}")


def _all_features(table: Table) -> np.ndarray:
    return np.stack([features(each) for each in table.architectures])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        # The Gaussian process warns where it takes a table for all noise, or for none.
        warnings.simplefilter("ignore", UserWarning)
        yield


def _block_features(block: Block) -> list[float]:
    ratio = 0.0 if block.reduction_ratio is None else math.log2(block.reduction_ratio)
    switches = [float(switch) for switch in block.pattern]
    return [*switches, math.log2(block.filters), float(block.reduction_ratio is not None), ratio]
