"""The measurement of how far scores can be trusted: its statistics, its table, its bookkeeping."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
# Six targets rated by four judges each: Shrout and Fleiss 1979, Table 2.
RATINGS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


def made_up(tables, job, epoch, averaging, subjects="scoring", **dice):
    keys = dict(zip(tables.KEYS, job.key, strict=True))
    row = {"epoch": epoch, "averaging": averaging, "subjects": subjects, "best_epoch": epoch}
    row |= {f"{measure}_clean_1": 0.5 for measure in tables.MEASURES}
    return {**keys, **row, **{f"dice_fgsm:0.2_{place[1:]}": dice[place] for place in dice}}


def test_the_published_example_of_the_intraclass_correlation():
    import scores_statistics as statistics

    found = statistics.icc(RATINGS)
    assert found.value == pytest.approx(0.166, abs=5e-4)
    assert (found.low, found.high) == pytest.approx((-0.133, 0.723), abs=1e-3)


def test_the_intraclass_correlation_is_the_share_of_the_variances():
    import scores_statistics as statistics

    # Unbiased parts of the variance, number by number.
    within = np.mean([np.var(row, ddof=1) for row in RATINGS])
    between = np.var([np.mean(row) for row in RATINGS], ddof=1) - within / 4
    assert statistics.icc(RATINGS).value == pytest.approx(between / (between + within))
    assert statistics.seed_sd(RATINGS) == pytest.approx(within**0.5)
    assert statistics.icc_difference(RATINGS, RATINGS).high == 0


def test_rank_correlations_are_scipys_along_the_last_axis():
    import scores_statistics as statistics

    x, y = np.random.default_rng(0).integers(0, 6, (2, 3, 20)).astype(float)
    for ours, theirs in (
        (statistics.spearman, scipy.stats.spearmanr),
        (statistics.kendall, scipy.stats.kendalltau),
    ):
        expected = [theirs(*pair).statistic for pair in zip(x, y, strict=True)]
        assert ours(x, y) == pytest.approx(expected)
    pairs = itertools.combinations(x, 2)
    expected = np.mean([scipy.stats.spearmanr(*pair).statistic for pair in pairs])
    assert statistics.between_seeds(x.T).value == pytest.approx(expected)


def test_halving_loses_nothing_by_true_scores_and_all_by_reversed_ones():
    import scores_statistics as statistics

    worth = np.arange(9.0)
    # 9 candidates for 2 epochs, 3 for 4 more, 1 for the other 6.
    true = statistics.halving([worth, worth], [2, 6], worth, worth, 9, 12)
    assert (true.kept.value, true.loss.value) == (1, 0)
    assert true.epochs == pytest.approx((9 * 2 + 3 * 4 + 1 * 6) / (9 * 12))
    reversed_ = statistics.halving([-worth], [2], worth, worth, 9, 12)
    assert (reversed_.kept.value, reversed_.loss.value) == (0, 8 - 2)


def test_trainings_that_are_done_or_at_work_elsewhere_are_passed_over(tmp_path):
    import scores_table as tables

    path, claims = tmp_path / "scores.csv", tmp_path / "claims"
    jobs = [tables.Job("phantom", "default", number, 0) for number in range(4)]
    tables.add_rows(path, [made_up(tables, jobs[0], 12, 0.96)])
    one, other = (tables.unclaimed(jobs, path, claims) for _ in range(2))
    assert next(one) == jobs[1]
    assert next(other) == jobs[2]
    tables.add_rows(path, [made_up(tables, jobs[1], epoch, 0.96) for epoch in (4, 12)])
    assert next(one) == jobs[3]
    # Killed: nothing is left of its claim, and its training is to be done.
    one.close()
    tables.add_rows(path, [made_up(tables, jobs[2], 12, 0.96)])
    assert list(other) == [jobs[3]]
    assert len(tables.read_rows(path)) == 4


def test_a_training_that_lacks_something_is_done_again_and_replaced(tmp_path):
    import scores_table as tables

    path = tmp_path / "scores.csv"
    short = tables.Job("phantom", "default", 0, 0)
    longer = tables.Job("phantom", "default", 0, 0, to_end=True)
    row = made_up(tables, short, 12, 0.96)
    tables.add_rows(path, [row])
    assert tables.is_done(short, tables.read_rows(path))
    assert list(tables.unclaimed([short, longer], path, tmp_path / "claims")) == [longer]
    tables.add_rows(path, [{**row, "mae_clean_1": ""}])
    assert not tables.is_done(short, tables.read_rows(path))
    tables.add_rows(path, [row, made_up(tables, longer, tables.END, 0.96, "apart")])
    assert tables.is_done(longer, tables.read_rows(path))
    assert len(tables.read_rows(path)) == 2


def test_rows_that_cannot_be_written_leave_the_table_as_it_was(tmp_path):
    import scores_table as tables

    path = tmp_path / "scores.csv"
    job = tables.Job("phantom", "default", 0, 0)
    tables.add_rows(path, [made_up(tables, job, 12, 0.96)])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="unknown"):
        tables.add_rows(path, [made_up(tables, job, 4, 0.96), {"unknown": 1}])
    assert path.read_bytes() == before


def test_a_score_is_the_mean_over_all_that_it_names(tmp_path):
    import scores_kinds as kinds
    import scores_table as tables

    path = tmp_path / "scores.csv"
    whole, cut = (tables.Job("phantom", "default", number, 0) for number in range(2))
    tables.add_rows(
        path,
        [
            made_up(tables, whole, 8, 0.96, _1=0.5, _2=0.7),
            made_up(tables, whole, 12, 0.96, _1=0.6, _2=0.8),
            made_up(tables, whole, 12, 0.9, _1=0.1),
            made_up(tables, whole, 12, 0.96, "validation", _1=0.4),
            made_up(tables, cut, 12, 0.96, _1=0.9),
        ],
    )
    rows = tables.read_rows(path)

    def values(**changed):
        return kinds.Score(**changed).values(rows)

    assert values() == {(0, 0): 0.6, (1, 0): 0.9}
    assert values(epochs=(8, 12), places=(1, 2)) == pytest.approx({(0, 0): 0.65})
    assert values(averaging=0.9) == {(0, 0): 0.1}
    assert values(parts=("scoring", "validation")) == pytest.approx({(0, 0): 0.5})
    assert not values(cohort="sts")


@pytest.mark.parametrize(("slope", "agreement"), [(None, None), (0.1, 1.0), (-0.1, -1.0)])
def test_a_cohorts_scores_are_compared_with_its_own_trainings_ends(slope, agreement):
    import scores_analysis as analysis
    import scores_kinds as kinds
    import scores_table as tables

    rows = []
    for cohort, number, seed in itertools.product(("phantom", "sts"), range(8), range(2)):
        job = tables.Job(cohort, "default", number, seed)
        score = number / 10 + seed / 100
        rows.append(made_up(tables, job, 12, 0.96, _1=score, _2=score))
        # The phantom's networks end in the order of their scores; patients' as the case says.
        rising = 0.1 if cohort == "phantom" else slope
        if rising is not None:
            ends = {f"_{place}": rising * number for place in kinds.ALL_PLACES}
            rows.append(made_up(tables, job, tables.END, 0.96, "apart", **ends))
    rows = [{name: str(value) for name, value in row.items()} for row in rows]

    def with_end(cohort):
        scores = {"score": kinds.Score(places=(1, 2), cohort=cohort)}
        ((name, size, *_, last),) = analysis.icc_table(rows, scores)
        assert (name, size) == ("score", "8 x 2")
        return last

    assert with_end("phantom").startswith("1.00 ")
    if agreement is None:
        assert with_end("sts") == "not trained to the end"
    else:
        assert with_end("sts").startswith(f"{agreement:.2f} ")


def test_the_table_that_is_shipped_is_whole():
    import scores_table as tables

    rows = tables.read_rows(tables.FOLDER / tables.SCORES)
    keys = (*tables.KEYS, "epoch", "subjects", "averaging")
    found = {tuple(row[key] for key in keys) for row in rows}
    assert len(found) == len(rows)
    for training in map(tables.key_of, rows):
        decays = (tables.AVERAGING, *tables.OTHER_AVERAGING[training[0]])
        scored = {(*training, str(tables.EPOCHS), "scoring", f"{decay:g}") for decay in decays}
        assert scored <= found
