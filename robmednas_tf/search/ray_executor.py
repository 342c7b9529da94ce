"""Jobs done by Ray's workers, on this machine or on a cluster.

Each job is one task, not one actor's: Ray uses a worker's process for one task after the other, so
that TensorFlow starts once a worker; where a task has a GPU, Ray ends its process afterwards, and
with it goes the GPU's memory. Ray never repeats a task by itself: whoever gives jobs counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras_tuner
import ray
from ray import cloudpickle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from robmednas_tf.config import WorkersConfig
from robmednas_tf.search.executor import Job, Outcome, WorkerLostError
from robmednas_tf.search.failures import InfeasibleTrialError
from robmednas_tf.search.ray_cluster import nodes, num_workers
from robmednas_tf.search.ray_worker import Mailbox, as_task, do_job


class RayExecutor:
    """Does jobs as Ray's tasks, in the cluster that this process is connected to.

    Args:
        config: How many at once, and what each has; as from `fitted`.
        start: Called once in each worker's process, before its first job; picklable.
        check: Called in a worker before every job; raises what none can be done with. Picklable.
    """

    def __init__(self, config: WorkersConfig, start: Callable[[], None], check: Callable[[], None]):
        self._config = config
        self._start, self._check = start, check
        self._mailbox: Any = _mailbox()
        self._letter: Any = self._mailbox.next_letter.remote()
        self._task: Any = as_task(do_job, config)
        self._numbers = itertools.count()
        # Each job's number and name by what Ray knows it by.
        self._running: dict[Any, tuple[int, str]] = {}

    @property
    def num_workers(self) -> int:
        """How many jobs can be done at once, on the nodes that are there now."""
        return num_workers(self._config)

    def submit(self, job: Job) -> None:
        """Begins a job as soon as there is room for it."""
        number = next(self._numbers)
        task, work = self._task.options(name=job.name), cloudpickle.dumps(job.work)
        ref = task.remote(self._start, self._check, work, self._mailbox, number)
        self._running[ref] = number, job.name

    def wait(self, told: Callable[..., Any]) -> tuple[str, Outcome]:
        """Waits until a job has ended; answers what jobs tell and ask meanwhile."""
        while True:
            (ready,), _ = ray.wait([self._letter, *self._running])
            if ready == self._letter:
                self._answer(told)
            else:
                outcome = _outcome(ready)
                return self._running.pop(ready)[1], outcome

    def cancel(self) -> None:
        """Ends the process of every job that has not ended."""
        for ref in self._running:
            ray.cancel(ref, force=True)
        self._running.clear()

    def describe(self) -> dict[str, Any]:
        """Returns what a run's record says of it."""
        return {
            "name": "ray",
            "version": ray.__version__,
            "num_workers": self.num_workers,
            "cpus_per_trial": self._config.cpus_per_trial,
            "gpus_per_trial": self._config.gpus_per_trial,
            "nodes": [{kind: each.get(kind, 0.0) for kind in ("CPU", "GPU")} for each in nodes()],
        }

    def _answer(self, told: Callable[..., Any]) -> None:
        try:
            letter, message = ray.get(self._letter)
        except ray.exceptions.RayError as error:
            raise _ray_has_ended(error) from error
        self._letter = self._mailbox.next_letter.remote()
        names = dict(self._running.values())
        # Those of jobs that were stopped meanwhile are not heard.
        answer = told(names[letter[0]], *message) if letter[0] in names else None
        self._mailbox.answer.remote(letter, answer)


def _mailbox() -> Any:
    # Beside its reader, who ends with this machine anyway.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    as_actor: Any = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
    return as_actor(Mailbox).options(scheduling_strategy=here).remote()


def _outcome(ref: Any) -> Outcome:
    try:
        return ray.get(ref)
    except ray.exceptions.OutOfMemoryError as error:
        reason = f"Memory ran out on its machine, and Ray ended it: {_first_line(error)}"
        return Outcome(error=InfeasibleTrialError(reason))
    except ray.exceptions.RayTaskError as error:
        # Not the job's own error, which is an outcome like any other: it was not begun.
        return Outcome(
            error=keras_tuner.errors.FatalRuntimeError(
                f"A worker could not begin: {_first_line(error.cause)}"
            )
        )
    except (ray.exceptions.LocalRayletDiedError, ray.exceptions.OwnerDiedError) as error:
        raise _ray_has_ended(error) from error
    except ray.exceptions.RayError as error:
        return Outcome(error=WorkerLostError(_first_line(error)))


def _ray_has_ended(error: Exception) -> keras_tuner.errors.FatalError:
    # No job is at fault, and none can be begun.
    return keras_tuner.errors.FatalRuntimeError(
        f"Ray has ended on this machine: {_first_line(error)} "
        "The same command goes on from here, on another cluster too."
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0]
