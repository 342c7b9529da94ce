"""The steps of a cohort's examination: each subject, all side by side, then table and page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from robmednas_tf.cli import check_flags, command
from robmednas_tf.cli.check_flags import CheckSettings
from robmednas_tf.cli.check_table import finding_lines, table_lines
from robmednas_tf.cli.progress import StepLine
from robmednas_tf.cli.run_record import read_flags
from robmednas_tf.config import PHANTOM
from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.file_digests import FileDigests, digest_of_file
from robmednas_tf.data.subjects import Subject
from robmednas_tf.examination.comparison import cohort_warnings, compare_subjects, folders_left_out
from robmednas_tf.examination.store import ExaminationStore
from robmednas_tf.examination.subject import Examination, examine
from robmednas_tf.files import write_json, write_text
from robmednas_tf.report.cohort import CohortReport, write_cohort_csv, write_cohort_report


class CheckRun:
    """One examination in its folder.

    Args:
        settings: All settings, checked.
        cohort: The subjects.
        repeat: The command line that repeats the run.
    """

    def __init__(self, settings: CheckSettings, cohort: Cohort, repeat: str):
        self.settings, self.cohort, self.repeat = settings, cohort, repeat
        self.folder = settings.output_dir
        self._digests = FileDigests(self.folder / "subjects" / "digests.json", digest_of_file)
        self._store = ExaminationStore(self.folder / "subjects", self._digests)

    def run(self) -> list[str]:
        """Examines, prints and writes everything.

        Returns:
            The names of the subjects that break a rule.

        Raises:
            OSError: If something cannot be written.
        """
        self._write_record()
        examinations = compare_subjects(self._examine_all())
        warnings = cohort_warnings(examinations)
        if self.settings.data != PHANTOM:
            warnings += folders_left_out(Path(self.settings.data).expanduser(), self.cohort)
        report = CohortReport(
            self.cohort.name,
            examinations,
            warnings,
            self.repeat,
            read_flags(self.folder),
            self._notes(),
        )
        write_cohort_csv(self.folder / "cohort.csv", examinations)
        write_cohort_report(self.folder / "cohort.html", report)
        self._say(report)
        return [each.name for each in examinations if each.errors]

    def _write_record(self) -> None:
        data = self.settings.data
        effective: dict[str, object] = {"output_dir": self.folder, "data": data}
        if data != PHANTOM:
            effective["data"] = Path(data).expanduser().resolve()
        write_text(self.folder / "flags.cfg", command.flag_file(check_flags.FLAGS, effective))
        # By this the other commands know what the folder is.
        write_json(
            self.folder / "split.json", {"command": "check", "subjects": list(self.cohort.names)}
        )

    def _examine_all(self) -> list[Examination]:
        line = StepLine("Examining subjects", len(self.cohort))
        found: dict[str, Examination] = {}
        paths: list[Path | None] = []
        # Threads do as well as processes: unpacking and filters release the interpreter's lock.
        with ThreadPoolExecutor(self.settings.num_workers) as pool:
            try:
                tasks = [pool.submit(self._examine, subject) for subject in self.cohort]
                for task in as_completed(tasks):
                    path, examination = task.result()
                    found[examination.name] = examination
                    paths.append(path)
                    line.step(examination.name)
            except MemoryError:
                command.fail("ERROR: Memory ran out. Lower --num_workers; what is done stays.", 1)
            finally:
                pool.shutdown(cancel_futures=True)
                self._digests.save()
        line.close()
        self._store.keep_only(paths)
        return [found[name] for name in self.cohort.names]

    def _examine(self, subject: Subject) -> tuple[Path | None, Examination]:
        path = self._store.path(subject)
        examination = self._store.read(path)
        if examination is None:
            examination = examine(subject)
            self._store.write(path, examination)
        return path, examination

    def _notes(self) -> list[str]:
        if self.settings.data == PHANTOM:
            return ["The subjects are made-up heads: the figures say nothing of patients."]
        return []

    def _say(self, report: CohortReport) -> None:
        lines = [*table_lines(report.examinations), "", *finding_lines(report)]
        print("", *lines, sep="\n")
        print(f"Table: {self.folder / 'cohort.csv'}\nPage:  {self.folder / 'cohort.html'}")
        # Before the last line, which goes to the other stream.
        print(end="", flush=True)
