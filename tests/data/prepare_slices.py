"""Prepares a folder's subjects into caches, in several processes that start together.

Takes the subjects' folder, and for each process the cache's folder, the sizes of slices and the
function of `prepared` at whose first call the process kills itself ("" for none), as one JSON
list; prints how each process ended.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path

from robmednas_tf.data import prepared
from robmednas_tf.data.cohort import open_folder


def die(*arguments: object) -> None:
    """Ends this process at once, as the system does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def prepare(subjects: str, folder: str, sizes: list[int], dies_at: str) -> None:
    """Prepares all subjects in each size."""
    if dies_at:
        setattr(prepared, dies_at, die)
    for size in sizes:
        cache = prepared.SliceCache(Path(folder), size)
        for subject in open_folder(subjects):
            cache.prepare(subject)
        cache.save_digests()


def main(subjects: str, jobs: str) -> None:
    """Forks, so that the imports are paid for once and the processes truly run side by side."""
    numbers = []
    # Nobody begins before all are there: reading ends when the last has closed its own end.
    begin, end = os.pipe()
    for job in json.loads(jobs):
        number = os.fork()
        if number == 0:
            os.close(end)
            os.read(begin, 1)
            try:
                prepare(subjects, *job)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        numbers.append(number)
    os.close(end)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) for number in numbers]
    print(json.dumps(statuses))


if __name__ == "__main__":
    main(*sys.argv[1:])
