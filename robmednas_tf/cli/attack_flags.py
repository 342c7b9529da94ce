"""The flag of the attack under which a command scores or trains."""

from __future__ import annotations

from absl import flags

from robmednas_tf.attacks.kinds import ATTACK, CHANCE
from robmednas_tf.attacks.notation import Perturbation, described


def define(flag_values: flags.FlagValues, what: str) -> None:
    """Adds the flag.

    Args:
        flag_values: Where it is added.
        what: What the attack is for, as the beginning of a sentence.
    """
    flags.DEFINE_string(
        "attack",
        "fgsm:0.2",
        f"{what}: name:size, or name:size:option=value, in standard deviations of MR; "
        f"{described()}. One attack; those of another model or of several do not go here. "
        "Paper: fgsm:0.2.",
        flag_values=flag_values,
    )


def attack(flag_values: flags.FlagValues) -> Perturbation:
    """Reads the flag.

    Raises:
        ValueError: If it names no attack that can be made on one network by itself.
    """
    text = flag_values.flag_values_dict()["attack"]
    try:
        parsed = Perturbation.parse(text)
    except ValueError as error:
        raise ValueError(f"--attack: {error}") from error
    if parsed.table.made_by not in (ATTACK, CHANCE):
        raise ValueError(
            f"--attack must be made on one network by itself. Received: {text!r}. "
            "Evaluate the trained model under it (run_eval.py --attacks)."
        )
    return parsed
