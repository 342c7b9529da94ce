"""The flags that say which candidates of a search are not trained to the end."""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from robmednas_tf.search.pruning import (
    ETA,
    HALVING,
    MIN_EPOCHS,
    PRUNERS,
    Pruner,
    default_rungs,
)

_NONE = "none"


def define(flag_values: flags.FlagValues) -> None:
    """Defines the flags."""
    flags.DEFINE_enum(
        "pruner",
        _NONE,
        (_NONE, *PRUNERS),
        "Rule that stops hopeless candidates: none, halving (asynchronous successive halving) or "
        "hyperband (some candidates are judged from a later rung on, some never). Paper: none.",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "rungs",
        [],
        "Epochs at which --pruner scores candidates under attack, before the last. By default half "
        f"of --epochs and, from {MIN_EPOCHS} epochs on, that divided by --pruner_eta again and "
        "again: 6 of 12, 6 and 18 of 36.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "pruner_eta",
        ETA,
        "At a rung one in so many goes on: those with the best scores there so far.",
        flag_values=flag_values,
    )


def pruner(flag_values: flags.FlagValues, epochs: int, objectives: Sequence[str]) -> Pruner | None:
    """Returns what the parsed flags say; None where every candidate is trained to the end.

    Args:
        flag_values: The flags.
        epochs: Of a trial.
        objectives: What is optimised.

    Raises:
        ValueError: If a value is outside its domain, or belongs to a pruner that is not there, or
            there are several objectives.
    """
    name, eta, rungs = flag_values.pruner, flag_values.pruner_eta, _rungs(flag_values)
    if name == _NONE:
        if rungs or eta != ETA:
            raise ValueError(
                "--rungs and --pruner_eta say how a pruner works. Received: --pruner=none. "
                f"Leave them out, or give --pruner={HALVING}."
            )
        return None
    if len(objectives) > 1:
        raise ValueError(
            "A pruner stops candidates by one objective, and might stop what is best in another. "
            f"Received: --pruner={name} --objectives={','.join(objectives)}. Give one of the two."
        )
    if not rungs and eta > 1:
        rungs = default_rungs(epochs, eta)
        if not rungs:
            raise ValueError(
                f"--pruner={name} needs a rung before the last epoch. Received: --epochs={epochs}. "
                "Raise it, or give --pruner=none."
            )
    found = Pruner(name, rungs, eta)
    if rungs[-1] >= epochs:
        raise ValueError(
            f"--rungs must lie before the last epoch. Received: {rungs[-1]} with "
            f"--epochs={epochs}. At its last epoch a candidate is scored anyway."
        )
    return found


def _rungs(flag_values: flags.FlagValues) -> tuple[int, ...]:
    values = flag_values.rungs or []
    try:
        return tuple(int(value) for value in values)
    except ValueError:
        raise ValueError(
            f"--rungs must be whole numbers with commas between. Received: {','.join(values)!r}."
        ) from None
