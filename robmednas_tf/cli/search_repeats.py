"""Independent repeats of one search: each a search in a folder of its own, then a report of all.

The slices are prepared and TensorFlow is started once; what has ended is not opened again.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import replace

from robmednas_tf.cli import command as commands
from robmednas_tf.cli.search_data import PreparedCohort, prepare
from robmednas_tf.cli.search_flags import SearchSettings
from robmednas_tf.cli.search_record import write_search_record
from robmednas_tf.cli.search_repeats_folder import repeat_folder
from robmednas_tf.cli.search_repeats_place import RepeatPlace
from robmednas_tf.cli.search_repeats_report import repeats_report, tell_repeats, write_repeats
from robmednas_tf.cli.search_run import SearchRun
from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.split import Split
from robmednas_tf.evaluation.statistics import summarize_values
from robmednas_tf.report.model_card import CARD_FILE
from robmednas_tf.report.repeats import Repeat, RepeatsReport
from robmednas_tf.search.executor import Executor
from robmednas_tf.search.locking import forget
from robmednas_tf.search.outcome import SearchOutcome, read_search_outcome
from robmednas_tf.search.seeding import repeat_seed


class RepeatedSearch:
    """Repeats of one search in a folder, which differ in their seeds alone.

    Args:
        settings: All settings, checked; the seed is that of the first repeat.
        cohort: The subjects, their headers checked.
        whole: The cohort's split, the same in all repeats.
        sub: The searches' sub-dataset, the same in all repeats.
        command: The command line that repeats the run.
        executor: Where networks are trained.
    """

    def __init__(
        self,
        settings: SearchSettings,
        cohort: Cohort,
        whole: Split,
        sub: Split,
        command: str,
        executor: Executor,
    ):
        self.settings, self.cohort, self.whole, self.sub = settings, cohort, whole, sub
        self.command, self.executor, self.folder = command, executor, settings.output_dir
        self.numbers = range(1, settings.repeats + 1)
        self.outcomes: dict[int, SearchOutcome] = {}
        self.faults: dict[int, str] = {}
        self._seconds: list[float] = []

    def run(self) -> None:
        """Brings every repeat to its end and reports; status 1 at the first that stops before."""
        self._prepare()
        self.outcomes = dict(self._ended())
        if self.outcomes:
            done = f"{len(self.outcomes)} of {len(self.numbers)} repeats have ended."
            print(f"Going on in {self.folder}: {done}", flush=True)
        for number in self.numbers:
            if number not in self.outcomes:
                # Of those before it: it may take days.
                self._report()
                self._end(number)
        tell_repeats(self.folder, self._report())

    def _prepare(self) -> None:
        with commands.refusing_bad_input():
            # It speaks for all: but for the seed, their settings are the same.
            first = self._search(1)
            first.oracle.open_folder(first.folder)
            self.settings = replace(self.settings, max_memory_gb=first.limited.max_memory_gb)
            self.subjects = prepare(
                self.cohort, first.cache, self.whole, self.sub, self.settings.search.objectives
            )
            write_search_record(
                self.settings, self.cohort, self.whole, self.sub, self.subjects, self.executor
            )

    def _search(
        self,
        number: int,
        subjects: PreparedCohort | None = None,
        place: RepeatPlace | None = None,
    ) -> SearchRun:
        folder = repeat_folder(self.folder, number)
        settings = replace(
            self.settings,
            output_dir=folder,
            search=replace(self.settings.search, seed=self._seed(number)),
            repeats=1,
        )
        command = commands.repeat_command(folder)
        cohort, splits = self.cohort, (self.whole, self.sub)
        return SearchRun(settings, cohort, *splits, command, self.executor, subjects, place)

    def _seed(self, number: int) -> int:
        return repeat_seed(self.settings.search.seed, number)

    def _ended(self) -> Iterator[tuple[int, SearchOutcome]]:
        for number in self.numbers:
            search = self._search(number)
            outcome = read_search_outcome(search.folder, search.recipe)
            # The card is what is written last of a model.
            if outcome is not None and (search.folder / "best_model" / CARD_FILE).is_file():
                yield number, outcome

    def _end(self, number: int) -> None:
        num_after = sum(each > number and each not in self.outcomes for each in self.numbers)
        seconds_each = summarize_values(self._seconds).mean
        place = RepeatPlace(number, len(self.numbers), num_after, seconds_each)
        search = self._search(number, self.subjects, place)
        print(f"{place.title}: seed {self._seed(number)}{place.left()}", flush=True)
        is_new, begun = not (search.folder / "search.json").exists(), time.monotonic()
        search.run()
        outcome = read_search_outcome(search.folder, search.recipe)
        if outcome is None:
            self._give_up(number, search.fault or "Its outcome cannot be read again.")
        else:
            self.outcomes[number] = outcome
        if is_new:
            self._seconds.append(time.monotonic() - begun)
        # Or the trials of all repeats would stay in memory.
        forget(search.oracle)
        del search
        gc.collect()

    def _give_up(self, number: int, fault: str) -> None:
        self.faults[number] = fault
        self._report()
        # Whatever it was, the others have the same settings and subjects.
        commands.fail(
            f"ERROR: Repeat {number} of {len(self.numbers)}: {fault} The others would meet the "
            f"same, so that none is begun; {str(self.folder / 'report.html')!r} tells of those "
            f"that have ended ({len(self.outcomes)}).",
            1,
        )

    def _report(self) -> RepeatsReport:
        repeats = [
            Repeat(
                number,
                self._seed(number),
                str(repeat_folder(self.folder, number).relative_to(self.folder)),
                self.outcomes.get(number),
                self.faults.get(number),
            )
            for number in self.numbers
        ]
        report = repeats_report(
            self.settings, self.cohort.name, self.subjects, repeats, self.command
        )
        write_repeats(self.folder, report)
        return report
