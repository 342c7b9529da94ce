"""A small search that is killed again and again, against the same search left alone. Linux only.

    python benchmarks/soak.py --kills=50 [--executor=ray]

Kills are spread evenly over trials, confirmation, final training and report, some while a file is
written or while the command starts; then the same command is started again. With workers half of
them hit one of these, or what brings their news, and the driver goes on. In one process all that
the search leaves must equal, bit for bit, what it leaves undisturbed. With workers, which end in
any order, no trial may be lost and none counted twice, and what both searches have trained must
have the same scores. Nowhere may there be more attempts than the kills explain.
"""

from __future__ import annotations

import argparse
import collections
import functools
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from soak_outcome import LOCAL, differences, lost_attempts, num_attempts
from soak_search import NUM_REPEATS, NUM_TRIALS, NUM_UNITS, Search

# Shares of the kills that hit a process before it is at work, and one that writes a file.
EARLY, WRITING = 0.1, 0.4
DRIVER, WORKER, NUM_WORKERS = "driver", "worker", 2


def undisturbed(search: Search) -> float:
    """Runs a search to its end; returns how long one of its units took, in seconds."""
    search.start()
    search.wait_until(search.is_at_work, 600)
    began = time.monotonic()
    search.finish()
    return (time.monotonic() - began) / NUM_UNITS


def disturbed(
    search: Search, num_kills: int, unit_s: float, dice: random.Random
) -> collections.Counter[tuple[str, str]]:
    """Kills a search so many times, spread over its units, and lets it end.

    Returns:
        How many kills hit each phase, or its writing of files, and whom.
    """
    kills: collections.Counter[tuple[str, str]] = collections.Counter()
    for number in range(num_kills):
        if not search.is_running():
            search.start()
        is_hit_writing = _wait_for_turn(search, number * NUM_UNITS // num_kills, unit_s, dice)
        if search.is_running():
            who, process = victim(search.process.pid, dice)
            kills[search.phase() + (", writing" if is_hit_writing else ""), who] += 1
            kill(process)
            # A killed worker leaves its driver, which goes on until its own turn comes.
            search.wait_until(lambda: False, 1)
        if search.process.poll() not in (None, 0, -signal.SIGKILL):
            search.finish()
        print(f"kill {number + 1}: {search.num_done()} of {NUM_UNITS} units done", flush=True)
    if not search.is_running():
        search.start()
    search.finish()
    return kills


def _wait_for_turn(search: Search, unit: int, unit_s: float, dice: random.Random) -> bool:
    if dice.random() < EARLY:
        search.wait_until(lambda: False, dice.uniform(0, 10))
    else:
        search.wait_until(search.is_at_work, 600)
        search.wait_until(functools.partial(search.has_done, unit), 600, every_s=0.1)
        # At some moment of the next unit, however fast the machine is by now.
        is_over = functools.partial(search.has_done, unit + 1)
        search.wait_until(is_over, dice.uniform(0, unit_s), every_s=0.05)
    return dice.random() < WRITING and search.wait_until(search.is_writing, unit_s)


def victim(driver: int, dice: random.Random) -> tuple[str, int]:
    """Returns who is hit, and the process: the driver, or one that works for it."""
    others = workers(driver)
    if not others or dice.random() < 0.5:
        return DRIVER, driver
    process = dice.choice(sorted(others))
    return others[process], process


def workers(process: int) -> dict[int, str]:
    """Returns the processes below one that train candidates, or bring news of it, and what each is.

    Ray's own agents are not among them: with these its node ends, and so does the search.
    """
    found: dict[int, str] = {}
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found |= workers(child)
            title = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0].decode().strip()
            if title.startswith("ray::") and not title.endswith("Agent"):
                name = title.removeprefix("ray::")
                found[child] = {"Mailbox": "mailbox", "IDLE": "idle worker"}.get(name, WORKER)
    return found


def most_attempts(kills: Mapping[str, int], num_workers: int) -> int:
    """Returns how many attempts at trials and repeats so many kills explain, by who was hit."""
    return NUM_TRIALS + NUM_REPEATS + num_workers * kills.get(DRIVER, 0) + kills.get(WORKER, 0)


def kill(process: int) -> None:
    """Kills a process, unless it has ended meanwhile."""
    subprocess.run(["kill", "-KILL", str(process)], capture_output=True, check=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--executor", choices=(LOCAL, "ray"), default=LOCAL)
    parser.add_argument("--seed", type=int, default=0, help="Of the kills.")
    parser.add_argument("--flag", action="append", default=[], help="A flag of the search.")
    parser.add_argument("--folder", type=Path, help="Keeps both searches; else they are removed.")
    given = parser.parse_args()
    flags = [f"--executor={given.executor}"]
    if given.executor != LOCAL:
        # Drawn at random, candidates do not depend on the order in which others end.
        flags += [f"--num_workers={NUM_WORKERS}", "--oracle=random"]
    flags += given.flag
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = (given.folder or Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        whole = Search(folder / "whole", folder / "cache", flags)
        killed = Search(folder / "killed", folder / "cache", flags)
        unit_s = undisturbed(whole)
        print(f"Undisturbed: {unit_s:.1f} s for each of {NUM_UNITS} units", flush=True)
        kills = disturbed(killed, given.kills, unit_s, random.Random(given.seed))
        print("| phase | who | kills |\n|---|---|---|")
        for (phase, who), count in sorted(kills.items()):
            print(f"| {phase} | {who} | {count} |")
        by_who = collections.Counter(who for _, who in kills.elements())
        most = most_attempts(by_who, 1 if given.executor == LOCAL else NUM_WORKERS)
        wrong = [*differences(whole, killed, given.executor), *lost_attempts(killed, most)]
        print(f"\n{sum(kills.values())} kills, {num_attempts(killed)} attempts ", end="")
        print(f"(at most {most}), {(time.monotonic() - began) / 60:.0f} min.")
    if wrong:
        raise SystemExit("\n".join(wrong))
    print("Nothing is lost, nothing is left over, nothing differs.")


if __name__ == "__main__":
    main()
