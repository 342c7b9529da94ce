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

from robmednas_tf.search.executor import Outcome, outcome_of

# A job's number and the place of the letter among those that it wrote.
LetterId = tuple[int, int]

_is_prepared = False


def do_job(prepare: Callable[[], None], work: bytes, mailbox: Any, number: int) -> Outcome:
    """Does a job in this process.

    Args:
        prepare: Called before the process's first job.
        work: The job's work, pickled: reading it may start TensorFlow, which is to be prepared.
        mailbox: Handle of a `Mailbox`.
        number: The job's.
    """
    global _is_prepared
    if not _is_prepared:
        prepare()
        _is_prepared = True
    places = itertools.count()

    def tell(*message: Any) -> Any:
        # Where nobody is left to answer, this raises, and the job ends.
        return ray.get(mailbox.ask.remote((number, next(places)), message))

    return _portable(outcome_of(lambda: cloudpickle.loads(work)(tell)))


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
