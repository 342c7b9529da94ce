"""What runs in the processes that Ray starts: a job in a worker, and the mailbox for its news."""

from __future__ import annotations

import asyncio
import itertools
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ray
from ray import cloudpickle

from robmednas_tf.config import WorkersConfig
from robmednas_tf.search.executor import Outcome, outcome_of

# A job's number and the place of the letter among those that it wrote.
LetterId = tuple[int, int]

_is_started = False


def as_task(function: Callable[..., Any], config: WorkersConfig) -> Any:
    """Returns a function as a task of Ray's, with a worker's share of processors and GPUs."""
    return ray.remote(
        max_retries=0,
        num_cpus=config.cpus_per_trial,
        # Any of a GPU, and the process serves one task alone.
        num_gpus=config.gpus_per_trial or 0.0,
    )(function)


def start_workers(config: WorkersConfig, num_workers: int, start: Callable[[], None]) -> None:
    """Has workers start what their jobs need, and does not wait: the first jobs find it there.

    What fails here fails again where a job begins, and is told there.

    Args:
        config: What each worker has. One with a GPU has a new process for each job: it starts none.
        num_workers: How many there can be at once.
        start: Called once in each worker's process; picklable.
    """
    if not config.gpus_per_trial:
        task = as_task(_start_once, config).options(name="start")
        for _ in range(num_workers):
            task.remote(start)


def do_job(
    start: Callable[[], None],
    check: Callable[[], None],
    work: bytes,
    mailbox: Any,
    number: int,
) -> Outcome:
    """Does a job in this process.

    Args:
        start: Called once in each process, before its first job.
        check: Called before every job; raises what none could be done with.
        work: The job's work, pickled: reading it may start TensorFlow, which is `start`'s to do.
        mailbox: Handle of a `Mailbox`.
        number: The job's.
    """
    check()
    _start_once(start)
    places = itertools.count()

    def tell(*message: Any) -> Any:
        # Where nobody is left to answer, this raises, and the job ends.
        return ray.get(mailbox.ask.remote((number, next(places)), message))

    return _portable(outcome_of(lambda: cloudpickle.loads(work)(tell)))


def _start_once(start: Callable[[], None]) -> None:
    global _is_started
    if not _is_started:
        start()
        _is_started = True


def _portable(outcome: Outcome) -> Outcome:
    try:
        cloudpickle.loads(cloudpickle.dumps(outcome))
        return outcome
    # What an exception holds may be bound to this process in any way.
    except Exception:
        name, text = type(outcome.error).__name__, str(outcome.error)
        lines = traceback.format_exception_only(type(outcome.error), outcome.error)
        if outcome.error is None:
            return Outcome(error=TypeError("A job returned what cannot be sent."))
        return replace(outcome, error=RuntimeError(f"{name}: {text}" if text else lines[-1]))


class Mailbox:
    """Between the workers, which write and wait for an answer, and their giver, who reads.

    An actor of Ray's. Where its process ends, Ray starts it anew and has all waiting calls
    repeated, so that a letter may be read twice; none is lost.
    """

    def __init__(self) -> None:
        self._letters: asyncio.Queue[tuple[LetterId, tuple[Any, ...]]] = asyncio.Queue()
        self._answers: dict[LetterId, asyncio.Future[Any]] = {}

    async def ask(self, letter: LetterId, message: tuple[Any, ...]) -> Any:
        """Leaves a letter and returns the answer to it."""
        answer = asyncio.get_running_loop().create_future()
        self._answers[letter] = answer
        await self._letters.put((letter, message))
        return await answer

    async def next_letter(self) -> tuple[LetterId, tuple[Any, ...]]:
        """Returns the next letter as soon as there is one."""
        return await self._letters.get()

    async def answer(self, letter: LetterId, answer: Any) -> None:
        """Answers a letter."""
        waiting = self._answers.pop(letter, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
