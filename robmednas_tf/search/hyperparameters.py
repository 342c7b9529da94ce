"""The search space as KerasTuner's hyperparameters, and the architecture that their values name.

Source: paper Table 1, Figure 1.
"""

from __future__ import annotations

from keras_tuner import HyperParameters

from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.space import SearchSpace


def declare_space(hp: HyperParameters, space: SearchSpace) -> None:
    """Declares every hyperparameter of `space`, each active only where the model has it.

    A depth of d has the blocks `enc1`..`encd` and `dec1`..`decd`, in the order the data passes
    them; a reduction ratio exists only where squeeze-and-excitation is on.
    """
    hp.Choice("depth", list(range(1, space.max_depth + 1)))
    for place in range(1, space.max_depth + 1):
        with hp.conditional_scope("depth", list(range(place, space.max_depth + 1))):
            _declare_block(hp, space, f"enc{place}")
            _declare_block(hp, space, f"dec{place}")


def architecture_of(hp: HyperParameters) -> Architecture:
    """Returns the architecture that the values of `hp` name.

    Raises:
        KeyError: If a value the architecture needs is missing.
    """
    depth = hp.values["depth"]
    return Architecture(
        encoder=tuple(_block(hp, f"enc{place}") for place in range(1, depth + 1)),
        decoder=tuple(_block(hp, f"dec{place}") for place in range(1, depth + 1)),
    )


def _declare_block(hp: HyperParameters, space: SearchSpace, name: str) -> None:
    hp.Choice(f"{name}_pattern", list(space.patterns))
    hp.Choice(f"{name}_filters", list(space.filters))
    if space.reduction_ratios:
        hp.Boolean(f"{name}_se")
        with hp.conditional_scope(f"{name}_se", [True]):
            hp.Choice(f"{name}_reduction_ratio", list(space.reduction_ratios))


def _block(hp: HyperParameters, name: str) -> Block:
    has_se = hp.values.get(f"{name}_se", False)
    return Block(
        pattern=hp.values[f"{name}_pattern"],
        filters=hp.values[f"{name}_filters"],
        reduction_ratio=hp.values[f"{name}_reduction_ratio"] if has_se else None,
    )
