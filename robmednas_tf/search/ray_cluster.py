"""A cluster of Ray's: this run's own on this machine, or one that is there; and what it holds."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ray
from ray._private import worker as ray_driver

from robmednas_tf.config import WorkersConfig
from robmednas_tf.folder_lock import locked_folder
from robmednas_tf.machine import num_cores
from robmednas_tf.standard_error import standard_error_into

# What jobs return is small, but for the weights of a final training.
_OBJECT_STORE_BYTES = 512 * 2**20
_FOLDER = "robmednas-ray-"
_ANSWERS_WITHIN_S = 10.0


@contextlib.contextmanager
def opened_cluster(address: str) -> Iterator[None]:
    """Joins a cluster, or starts one with this machine's processors and GPUs until the block ends.

    Args:
        address: `host:port`, or `auto` for the one that this machine is part of; empty starts one.

    Raises:
        ValueError: If no cluster answers at `address`, or it lets this process not in.
    """
    with contextlib.ExitStack() as stack:
        own: dict[str, Any] = {}
        if not address:
            # Ray's own default leaves a folder for every run there was.
            folder = stack.enter_context(_temporary_folder())
            own = {
                "num_cpus": num_cores(),
                "include_dashboard": False,
                "object_store_memory": _OBJECT_STORE_BYTES,
                "_temp_dir": str(folder),
            }
            # Of a worker that was killed while Ray ends, its runtime tells on standard error.
            os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
            # Ray's own default gives way to every other process, this one among them.
            os.environ.setdefault("RAY_worker_niceness", "0")
        elif address != "auto":
            _require_answer(address)
        stack.callback(ray.shutdown)
        with _own_signals(), _in_one_line(address):
            _silence()
            ray.init(
                address=address or "local", logging_level=logging.ERROR, log_to_driver=False, **own
            )
        yield


def nodes() -> list[dict[str, float]]:
    """Returns the resources of each node that is there now."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def fitted(config: WorkersConfig) -> WorkersConfig:
    """Returns settings with the GPUs that a worker gets here, if the cluster has room for them.

    Raises:
        ValueError: If it does not hold so many workers.
    """
    there = nodes()
    if config.gpus_per_trial is None:
        has_gpus = any(each.get("GPU") for each in there)
        config = dataclasses.replace(config, gpus_per_trial=float(has_gpus))
    cpus, gpus = config.cpus_per_trial, config.gpus_per_trial or 0.0
    room, wanted = capacity(there, cpus, gpus), config.num_workers or 1
    if wanted <= room:
        return config
    has = "; ".join(f"{each.get('CPU', 0):g} and {each.get('GPU', 0):g}" for each in there)
    share = f"--cpus_per_trial={cpus} and --gpus_per_trial={gpus:g}"
    if not room:
        raise ValueError(
            f"Some machine of Ray's must have what one trial gets. Received: {share}, where its "
            f"machines have so many CPUs and GPUs: {has}. Give a trial less."
        )
    raise ValueError(
        f"Ray has room for {room} trials at once of {share}: its machines have so many CPUs and "
        f"GPUs: {has}. Received: --num_workers={wanted}. Give fewer workers, or less to each."
    )


def num_workers(config: WorkersConfig) -> int:
    """Returns how many jobs can be done at once on the nodes that are there now, at least one."""
    room = max(1, capacity(nodes(), config.cpus_per_trial, config.gpus_per_trial or 0.0))
    return min(config.num_workers or room, room)


def capacity(resources: Iterable[Mapping[str, float]], cpus: int, gpus: float) -> int:
    """Returns how many jobs nodes hold at once.

    Args:
        resources: Each node's, as from `nodes`.
        cpus: Processors a job, >= 1.
        gpus: GPUs a job: a whole number, or a share of one.
    """
    return sum(_held(each.get("CPU", 0.0), each.get("GPU", 0.0), cpus, gpus) for each in resources)


def _held(num_cpus: float, num_gpus: float, cpus: int, gpus: float) -> int:
    by_cpus = int(num_cpus // cpus)
    if not gpus:
        return by_cpus
    # A job's share lies on one GPU.
    by_gpus = num_gpus // gpus if gpus >= 1 else int(num_gpus) * math.floor(1 / gpus + 1e-9)
    return min(by_cpus, int(by_gpus))


def _require_answer(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        # Ray itself would try for minutes.
        with socket.create_connection((host, int(port)), timeout=_ANSWERS_WITHIN_S):
            pass
    except (OSError, ValueError, OverflowError) as error:
        raise ValueError(
            f"A Ray cluster must answer at --ray_address=host:port. Received: {address!r}: "
            f"{error}. Its head says the address when it starts (ray start --head)."
        ) from error


def _silence() -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray prints on standard output what became of each worker that ended; the run says it itself.
    ray_driver._worker_logs_enabled = False


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as stop:
        # Ray's way to end on SIGTERM, while it starts.
        raise KeyboardInterrupt from stop
    finally:
        signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def _in_one_line(address: str) -> Iterator[None]:
    # Ray's runtime says the same twenty times.
    with tempfile.TemporaryFile() as held:
        try:
            with standard_error_into(held):
                yield
        except (ray.exceptions.RayError, ConnectionError, RuntimeError, ValueError) as error:
            held.seek(0)
            raise ValueError(_refusal(address, error, held.read())) from error


def _refusal(address: str, error: Exception, said: bytes) -> str:
    where = f"The Ray cluster at {address!r} cannot be joined" if address else "Ray cannot start"
    if b"InvalidAuthToken" in said or isinstance(error, ray.exceptions.AuthenticationError):
        return (
            f"{where}: its token is another, or is missing here. Set RAY_AUTH_MODE=token and "
            "RAY_AUTH_TOKEN (or ~/.ray/auth_token) as on its head."
        )
    reason = (str(error).strip() or repr(error)).splitlines()[0]
    return f"{where}: {reason} Its machines need the same versions of Ray and Python as this one."


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    # Short, whatever TMPDIR says: the names of sockets may have 107 characters.
    parent = Path(os.environ.get("RAY_TMPDIR", "/tmp"))
    for left in parent.glob(f"{_FOLDER}*"):
        # Of runs that were killed. Those that go on hold theirs.
        with contextlib.suppress(OSError, ValueError), locked_folder(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER, dir=parent))
    try:
        with locked_folder(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
