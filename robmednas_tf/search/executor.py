"""Where trainings are done: jobs, what becomes of them, and the process at hand as a worker.

A job is picklable, so that another process can do it; whoever gives jobs keeps the records.
"""

from __future__ import annotations

import collections
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

# Called by a job with news or a question, what it is and about what; returns the giver's answer.
Tell = Callable[..., Any]


@dataclass(frozen=True)
class Job:
    """A piece of work for any process that sees the run's folder and the prepared slices.

    Attributes:
        name: What the giver knows it by; no two that run at once have the same.
        work: Does it and returns its result; picklable where another process is to do it.
    """

    name: str
    work: Callable[[Tell], Any]


class WorkerLostError(RuntimeError):
    """The process that did a job has ended, and the job with it."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        result: What its work returned.
        error: What it raised instead, or `WorkerLostError`.
        traceback: Where another process raised it.
    """

    result: Any = None
    error: Exception | None = None
    traceback: str | None = None

    def value(self) -> Any:
        """Returns the result, or raises the error as if it had been raised here."""
        if self.error is None:
            return self.result
        if self.traceback is None:
            raise self.error
        raise self.error from _ElsewhereError(self.traceback)


class Executor(Protocol):
    """Does jobs, some at once."""

    @property
    def num_workers(self) -> int:
        """How many jobs can be done at once."""

    def submit(self, job: Job) -> None:
        """Takes a job; `wait` says what became of it."""

    def wait(self, told: Callable[..., Any]) -> tuple[str, Outcome]:
        """Waits until a job has ended.

        Args:
            told: Called with a job's name and what it tells meanwhile; returns the answer.

        Returns:
            The job's name and what became of it.
        """

    def cancel(self) -> None:
        """Stops every job that has not ended; nothing more is heard of them."""

    def describe(self) -> dict[str, Any]:
        """Returns what a run's record says of it, ready for JSON."""


class Work(Protocol):
    """Whoever gives jobs and keeps the records of them."""

    def next_job(self) -> Job | None:
        """Returns a job that begins now; None where there is none, at least until one has ended."""

    def told(self, name: str, what: str, *arguments: Any) -> Any:
        """Hears what a running job tells or asks, and answers; twice the same to the same."""

    def ended(self, name: str, outcome: Outcome) -> None:
        """Takes what became of a job."""

    def interrupted(self) -> None:
        """Hears that the jobs which run were stopped, through no fault of theirs."""


def run_jobs(executor: Executor, work: Work) -> None:
    """Keeps the executor's workers busy until there are no more jobs.

    Whatever stops this, an interruption or an error of `work` itself, stops the jobs too.
    """
    num_running = 0
    try:
        while True:
            while num_running < executor.num_workers and (job := work.next_job()) is not None:
                executor.submit(job)
                num_running += 1
            if not num_running:
                return
            name, outcome = executor.wait(work.told)
            num_running -= 1
            work.ended(name, outcome)
    except (KeyboardInterrupt, Exception):
        try:
            executor.cancel()
        finally:
            work.interrupted()
        raise


def run_one(executor: Executor, job: Job, told: Callable[..., Any], max_attempts: int) -> Any:
    """Does one job that goes on where it was when its process ends, and returns its result.

    Args:
        executor: Where.
        job: Keeps its own state on disk.
        told: Called with what the job tells; returns the answer.
        max_attempts: How often it is begun at most.

    Raises:
        WorkerLostError: If its process ended as often.
        Exception: Whatever the job raises.
    """
    single = _Single(job, told, max_attempts)
    run_jobs(executor, single)
    return single.outcome.value()


class LocalExecutor:
    """Does jobs in this process, one after the other."""

    num_workers = 1

    def __init__(self) -> None:
        self._jobs: collections.deque[Job] = collections.deque()

    def submit(self, job: Job) -> None:
        """Takes a job, which `wait` does."""
        self._jobs.append(job)

    def wait(self, told: Callable[..., Any]) -> tuple[str, Outcome]:
        """Does the next job."""
        job = self._jobs.popleft()
        try:
            return job.name, Outcome(job.work(lambda *message: told(job.name, *message)))
        except Exception as error:
            return job.name, Outcome(error=error)

    def cancel(self) -> None:
        """Forgets the jobs that have not begun."""
        self._jobs.clear()

    def describe(self) -> dict[str, Any]:
        """Returns what a run's record says of it."""
        return {"name": "local"}


class _Single:
    def __init__(self, job: Job, told: Callable[..., Any], max_attempts: int):
        self.outcome = Outcome()
        self._job, self._told, self._attempts_left = job, told, max_attempts
        self._next: Job | None = job

    def next_job(self) -> Job | None:
        job, self._next = self._next, None
        return job

    def told(self, name: str, what: str, *arguments: Any) -> Any:
        return self._told(what, *arguments)

    def ended(self, name: str, outcome: Outcome) -> None:
        self.outcome = outcome
        self._attempts_left -= 1
        if isinstance(outcome.error, WorkerLostError) and self._attempts_left:
            self._next = self._job

    def interrupted(self) -> None:
        pass


class _ElsewhereError(Exception):
    """Shows where another process raised an error, as its cause."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def outcome_of(work: Callable[[], Any]) -> Outcome:
    """Does a job's work in a process of its own and returns what became of it, picklable."""
    try:
        return Outcome(work())
    except Exception as error:
        return Outcome(error=error, traceback=traceback.format_exc())
