"""Opening what trains a search's networks, and what a worker's process does first."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from robmednas_tf.cli import command
from robmednas_tf.cli.search_flags import SearchSettings
from robmednas_tf.search.executor import Executor, LocalExecutor


@contextlib.contextmanager
def opened_executor(settings: SearchSettings) -> Iterator[Executor]:
    """Yields where networks are trained; what was started for it ends with the block.

    Ends the command with status 2 where a cluster cannot be used or is too small.
    """
    config = settings.workers
    if config is None:
        command.start_tensorflow(settings.deterministic)
        yield LocalExecutor()
        return
    from robmednas_tf.search.ray_cluster import fitted, num_workers, opened_cluster
    from robmednas_tf.search.ray_worker import start_workers

    with contextlib.ExitStack() as stack:
        with command.refusing_bad_input():
            stack.enter_context(opened_cluster(config.address))
            config = fitted(config)
        start = functools.partial(start_worker, settings.deterministic, config.cpus_per_trial)
        # While this process starts TensorFlow too, and prepares the subjects.
        start_workers(config, num_workers(config), start)
        # The GPUs of this machine are for the workers.
        command.start_tensorflow(settings.deterministic, use_gpus=False)
        from robmednas_tf.search.ray_executor import RayExecutor

        folders = settings.output_dir, settings.data.cache_dir.resolve()
        executor = RayExecutor(config, start, functools.partial(require_folders, folders))
        print(f"Ray trains {executor.num_workers} at a time.", flush=True)
        yield executor


def require_folders(folders: tuple[Path, ...]) -> None:
    """Checks that this machine sees folders that it must share with whoever gives it work.

    Raises:
        ValueError: If a folder is not there.
    """
    missing = [folder for folder in folders if not folder.is_dir()]
    if missing:
        raise ValueError(
            f"Machine {platform.node()!r} does not see folder {str(missing[0])!r}: give an "
            "--output_dir and a --cache_dir that all machines share under one path."
        )


def start_worker(deterministic: bool, num_threads: int) -> None:
    """Starts TensorFlow in a process of its own, as `command.start_tensorflow` does in this one.

    Args:
        deterministic: As there.
        num_threads: Threads that an operation, and operations beside each other, may use.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    command.share_machine(num_threads)
    command.start_tensorflow(deterministic)
