"""The flags that say what a search optimises, and who wins where that is several things."""

from __future__ import annotations

from absl import flags

from robmednas_tf.objectives import COSTS, FIRST, OBJECTIVES, PickRule


def define(flag_values: flags.FlagValues) -> None:
    """Defines the flags."""
    flags.DEFINE_enum(
        "objective",
        "adversarial_dice",
        sorted(OBJECTIVES),
        "What is optimised, on the sub-dataset's test subjects: mean over the four regions, or one "
        "region. Dice is maximised, MAE (HU) minimised. Paper: Dice under attack.",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "objectives",
        None,
        "Several objectives, a Pareto search: those of --objective, and the costs "
        f"{', '.join(COSTS)}, which are minimised. By the first, a Dice or an MAE, go progress, "
        "--keep_models and the report's analysis. Such as adversarial_dice,clean_dice,flops.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "pick",
        None,
        "Which trial of the Pareto front wins. first (the default): the best first objective. "
        "knee: the smallest Manhattan distance to the best of everything, each objective scaled "
        "from 0 (the front's best) to 1 (its worst). within:SIZE: among those at most SIZE worse "
        "in the first objective than the best, the best second one, and so on. May differ when a "
        "search goes on.",
        flag_values=flag_values,
    )


def objectives(flag_values: flags.FlagValues) -> tuple[str, ...]:
    """Returns what is optimised, the first objective first.

    Raises:
        ValueError: If the flags contradict each other.
    """
    if flag_values.objectives is None:
        return (flag_values.objective,)
    names = tuple(flag_values.objectives)
    if flag_values["objective"].present and flag_values.objective not in names[:1]:
        raise ValueError(
            "--objective must be the first of --objectives, or be left out. Received: "
            f"--objective={flag_values.objective} --objectives={','.join(names)}."
        )
    return names


def pick(flag_values: flags.FlagValues) -> PickRule:
    """Returns how the winner is picked.

    Raises:
        ValueError: If there is no such rule, or a single objective leaves nothing to pick.
    """
    if flag_values.pick is None:
        return FIRST
    if len(flag_values.objectives or ()) < 2:
        raise ValueError(
            "--pick chooses from the Pareto front of several objectives. Received: "
            f"--pick={flag_values.pick} with a single objective. Give --objectives, or "
            "leave it out."
        )
    return PickRule.parse(flag_values.pick)
