"""The flags that say where a search's networks are trained."""

from __future__ import annotations

import importlib.util

from absl import flags

from robmednas_tf.config import WorkersConfig

_DEFAULTS = WorkersConfig()


def define(flag_values: flags.FlagValues) -> None:
    """Defines the flags; none of them is part of what makes a search the same search."""
    flags.DEFINE_enum(
        "executor",
        "local",
        ("local", "ray"),
        "Where networks are trained: one after the other in this process, or by several workers of "
        "Ray, on this machine or on a cluster (docs/cluster.md). A search may go on with another.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "num_workers",
        _DEFAULTS.num_workers,
        "With --executor=ray: networks trained at once. By default as many as there is room for.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "ray_address",
        _DEFAULTS.address,
        "With --executor=ray: host:port of a cluster that is there, or auto on one of its "
        "machines. Empty: one on this machine, until the run ends.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "cpus_per_trial",
        _DEFAULTS.cpus_per_trial,
        "With --executor=ray: processors, and threads, of each network that is trained.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "gpus_per_trial",
        _DEFAULTS.gpus_per_trial,
        "With --executor=ray: GPUs of each network that is trained: a whole number, or a share "
        "such as 0.5 for two on one GPU. By default 1 where the cluster has GPUs.",
        flag_values=flag_values,
    )


def workers_config(flag_values: flags.FlagValues) -> WorkersConfig | None:
    """Turns the flags into settings; None trains in this process.

    Raises:
        ValueError: If a value is outside its domain or needs Ray, or if Ray is missing.
    """
    config = WorkersConfig(
        flag_values.num_workers,
        flag_values.ray_address,
        flag_values.cpus_per_trial,
        flag_values.gpus_per_trial,
    )
    if flag_values.executor == "ray":
        _require_ray()
        return config
    names = ("num_workers", "ray_address", "cpus_per_trial", "gpus_per_trial")
    given = [name for name in names if flag_values[name].value != flag_values[name].default]
    if given:
        raise ValueError(
            f"--{given[0]} is for workers of Ray. Received: --executor=local. "
            "Give --executor=ray, or leave it out."
        )
    return None


def _require_ray() -> None:
    if importlib.util.find_spec("ray") is None:
        raise ValueError(
            "--executor=ray needs the package ray, which is missing: "
            "pip install 'robmednas-tf[ray]'."
        )
