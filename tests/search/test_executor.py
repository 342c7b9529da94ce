"""Jobs: how many run, what becomes of them, and that nothing is left when they are stopped."""

import pickle
import traceback

import pytest

from robmednas_tf.search.executor import (
    Job,
    LocalExecutor,
    Outcome,
    WorkerLostError,
    outcome_of,
    run_jobs,
    run_one,
)
from robmednas_tf.search.failures import InfeasibleTrialError, reason_of

from .executors import ScriptedExecutor


class Squares:
    """Numbers to be squared; `again` says how often a lost one is given once more."""

    def __init__(self, numbers, again=0):
        self.waiting = [str(number) for number in numbers]
        self.again, self.results, self.heard, self.stopped = again, {}, [], 0

    def next_job(self):
        if not self.waiting:
            return None
        name = self.waiting.pop(0)
        return Job(name, lambda tell: tell("squaring", name) or int(name) ** 2)

    def told(self, name, *message):
        self.heard.append((name, *message))

    def ended(self, name, outcome):
        if isinstance(outcome.error, WorkerLostError) and self.again:
            self.again -= 1
            self.waiting.append(name)
        else:
            self.results[name] = outcome.value()

    def interrupted(self):
        self.stopped += 1


def test_in_this_process_one_job_follows_the_other():
    work = Squares([3, 4])
    run_jobs(LocalExecutor(), work)
    assert work.results == {"3": 9, "4": 16}
    assert work.heard == [("3", "squaring", "3"), ("4", "squaring", "4")]
    assert work.stopped == 0


def test_workers_are_kept_busy_and_a_lost_job_is_begun_again():
    lost = Outcome(error=WorkerLostError("killed"))
    executor = ScriptedExecutor(lambda name, attempt: lost if (name, attempt) == ("1", 1) else None)
    work = Squares([1, 2, 3], again=1)
    run_jobs(executor, work)
    assert work.results == {"1": 1, "2": 4, "3": 9}
    assert executor.log == [
        *(("begun", "1"), ("begun", "2"), ("ended", "1"), ("begun", "3"), ("ended", "2")),
        *(("begun", "1"), ("ended", "3"), ("ended", "1")),
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("of the giver")])
def test_whatever_stops_the_giver_stops_the_jobs(error):
    def script(name, attempt):
        if name == "2":
            raise error

    executor, work = ScriptedExecutor(script), Squares([1, 2, 3])
    with pytest.raises(type(error)):
        run_jobs(executor, work)
    assert executor.log[-1] == ("cancelled", "2", "3")
    assert work.stopped == 1


def test_one_job_is_begun_as_often_as_allowed():
    lost = Outcome(error=WorkerLostError("killed"))
    job = Job("one", lambda tell: tell(5))
    executor = ScriptedExecutor(lambda name, attempt: lost if attempt < 3 else None)
    assert run_one(executor, job, lambda number: 2 * number, max_attempts=3) == 10
    assert [what for what, _ in executor.log] == ["begun", "ended"] * 3
    executor = ScriptedExecutor(lambda name, attempt: lost)
    with pytest.raises(WorkerLostError, match="killed"):
        run_one(executor, job, print, max_attempts=2)
    assert len(executor.log) == 4


def test_an_error_of_another_process_reads_as_if_it_were_raised_here():
    def fail():
        raise InfeasibleTrialError("Memory ran out.")

    here = LocalExecutor()
    here.submit(Job("job", lambda tell: fail()))
    texts = []
    for outcome in (here.wait(print)[1], pickle.loads(pickle.dumps(outcome_of(fail)))):
        with pytest.raises(InfeasibleTrialError):
            outcome.value()
        try:
            outcome.value()
        except InfeasibleTrialError:
            texts.append(traceback.format_exc())
    assert [reason_of(text) for text in texts] == ["InfeasibleTrialError: Memory ran out."] * 2
    # The place where it was raised is not lost on the way.
    assert all("in fail\n" in text for text in texts)
