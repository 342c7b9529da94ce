"""The flags of adversarial training, and the settings they make."""

from __future__ import annotations

import difflib
from typing import Any

from absl import flags

from robmednas_tf.adversarial import BERNOULLI, FINETUNE, KINDS, TRADES, AdversarialConfig
from robmednas_tf.cli import attack_flags

NONE = "none"
_PAPERS_PROBABILITY = AdversarialConfig().replacement_probability
# Flag, the field that it sets, and the kind that alone has it.
_OF_ONE_KIND = (("trades_beta", "beta", TRADES), ("clean_share", "clean_share", FINETUNE))


class _KindParser(flags.ArgumentParser):
    syntactic_help = f"{NONE}, {', '.join(KINDS)}"

    def parse(self, argument: Any) -> str:
        """Reads a kind's name; `--adversarial` alone is the paper's, `--noadversarial` none."""
        name = {"true": BERNOULLI, "false": NONE}.get(str(argument).lower(), argument)
        if name not in (NONE, *KINDS):
            near = difflib.get_close_matches(name, KINDS, n=1)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"it must be one of {self.syntactic_help}.{guess}")
        return name


class _KindFlag(flags.Flag):
    """A flag that may stand without a value, as one of a yes or no may."""

    def __init__(self, name: str, text: str):
        super().__init__(_KindParser(), None, name, NONE, text, boolean=True)

    def _serialize(self, value: Any) -> str:
        return f"--{self.name}={value}"


def define(flag_values: flags.FlagValues) -> None:
    """Adds the flags of adversarial training."""
    kinds = "; ".join(f"{name}: {kind.summary}" for name, kind in KINDS.items())
    flags.DEFINE_flag(
        _KindFlag(
            "adversarial",
            f"Train on attacked slices; alone it is {BERNOULLI}, the paper's (section 2.4). What "
            f"happens to a slice that is attacked, by kind: {kinds}.",
        ),
        flag_values,
    )
    flags.DEFINE_float(
        "replacement_probability",
        None,
        "Probability that adversarial training attacks a slice, each by itself. Default: "
        f"{', '.join(f'{name} {kind.replacement_probability:g}' for name, kind in KINDS.items())}. "
        "Paper: 0.5.",
        flag_values=flag_values,
    )
    attack_flags.define(
        flag_values, "What adversarial training attacks slices with, and what validation shows"
    )
    flags.DEFINE_float(
        "trades_beta",
        AdversarialConfig().beta,
        f"Of --adversarial={TRADES}: weight of the attacked term.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "clean_share",
        AdversarialConfig().clean_share,
        f"Of --adversarial={FINETUNE}: share of --epochs on clean slices; patience counts from "
        "there, and the epoch that is kept is a later one.",
        flag_values=flag_values,
    )


def adversarial_config(flag_values: flags.FlagValues) -> AdversarialConfig | None:
    """Turns parsed flags into the settings of adversarial training; None where there is none.

    Raises:
        ValueError: If a value is outside its domain, or two do not go together.
    """
    given = flag_values.flag_values_dict()
    kind, attack = given["adversarial"], attack_flags.attack(flag_values)
    # Not whether a flag was given: a run's own flags.cfg gives every flag.
    for name, _, own in _OF_ONE_KIND:
        if kind != own and given[name] != flag_values[name].default:
            raise ValueError(f"--{name} is for --adversarial={own}. Received: {kind}.")
    probability = given["replacement_probability"]
    if kind == NONE:
        if probability in (None, _PAPERS_PROBABILITY):
            return None
        raise ValueError(
            "--replacement_probability is for adversarial training: add --adversarial."
        )
    if probability is None:
        probability = KINDS[kind].replacement_probability
    fields = {field: given[name] for name, field, _ in _OF_ONE_KIND}
    return AdversarialConfig(probability, attack, kind, **fields)
