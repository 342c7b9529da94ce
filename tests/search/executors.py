"""An executor whose jobs end as a test says, with no process and no training."""

import collections

from robmednas_tf.search.executor import Outcome


class ScriptedExecutor:
    """Ends each job, the oldest first, as `script(name, attempt)` says.

    The script returns an `Outcome`, raises what stops the giver, or returns None to have the job
    done here. `log` has what happened, in order.
    """

    def __init__(self, script, num_workers=2):
        self.num_workers = num_workers
        self.log = []
        self._script = script
        self._jobs = collections.deque()
        self._attempts = collections.Counter()

    def submit(self, job):
        assert len(self._jobs) < self.num_workers
        assert job.name not in [each.name for each in self._jobs]
        self._attempts[job.name] += 1
        self.log.append(("begun", job.name))
        self._jobs.append(job)

    def wait(self, told):
        outcome = self._script(self._jobs[0].name, self._attempts[self._jobs[0].name])
        job = self._jobs.popleft()
        if outcome is None:
            outcome = Outcome(job.work(lambda *message: told(job.name, *message)))
        self.log.append(("ended", job.name))
        return job.name, outcome

    def cancel(self):
        self.log.append(("cancelled", *(job.name for job in self._jobs)))
        self._jobs.clear()
