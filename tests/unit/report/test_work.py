"""What a run's log lines add up to."""

from datetime import timedelta

from tests.support.run_pages import BEGAN, DIGEST, ENDED, REQUEST, line
from tests.support.summaries import numbers
from tidegate.operating.log_lines import Line
from tidegate.report.work import LISTED, MOST_COLUMNS, Work, sum_up
from worker.distributions import Distributions


def work(*lines: Line) -> Work:
    return sum_up(lines, REQUEST.run, BEGAN, ENDED)


def test_rows_and_seconds_of_the_runs_predictions_are_summed() -> None:
    first = line(input="s3://b/1", rows=3, rejected=1, seconds=2.5)
    found = work(first, line(rows=4), line(rows=8, run="another"))

    assert (found.files, found.rows, found.rejected, found.seconds) == (2, 7, 1, 3.0)
    assert found.files_with_rejected == 1


def test_lines_of_no_prediction_do_not_count() -> None:
    assert work(line(status="already done"), line(event="ready")).files == 0


def test_a_file_that_was_predicted_twice_is_one_file() -> None:
    found = work(line(rejected=0), line(rejected=1))

    assert (found.files, found.rejected) == (1, 1)


def test_the_slowest_files_come_first_and_the_list_ends() -> None:
    found = work(*(line(input=f"s3://b/{place}", seconds=place) for place in range(50)))

    assert [one.seconds for one in found.slowest] == [49 - place for place in range(LISTED)]
    assert found.most_rejected == []


def test_throughput_has_an_equal_period_for_each_number() -> None:
    found = work(line(at=0, rows=1), line(at=9, rows=2), line(at=25, rows=4)).throughput

    assert found.period == timedelta(seconds=10)
    assert found.rows == [3, 0, 4]


def test_a_line_after_the_end_is_in_the_last_period() -> None:
    found = work(line(at=900, rows=5)).throughput

    assert found.rows == [0] * 59 + [5]


def test_files_are_counted_by_worker_and_models_are_named_once() -> None:
    found = work(line(task="a"), line(task="b"), line(task="b", model="s3://other"))

    assert list(found.workers.items()) == [("b", 2), ("a", 1)]
    assert [uri for uri, _ in found.models] == [REQUEST.model, "s3://other"]


def predictions(*values: float) -> dict[str, object]:
    return Distributions({"p": numbers(values)}).fields()


def test_the_predictions_of_all_files_are_merged_for_each_model() -> None:
    found = work(
        line(input="s3://b/1", predictions=predictions(0.1)),
        line(input="s3://b/2", predictions=predictions(0.2, 0.3)),
        line(input="s3://b/1", predictions=predictions(0.4), model_sha256="other"),
    )

    assert found.predictions == {
        DIGEST: Distributions({"p": numbers([0.1]).merge(numbers([0.2, 0.3]))}),
        "other": Distributions({"p": numbers([0.4])}),
    }
    assert found.not_summarized == 0


def test_a_version_of_a_file_that_was_predicted_twice_is_in_the_distribution_once() -> None:
    found = work(
        line(etag="a", predictions=predictions(0.1)),
        line(etag="a", predictions=predictions(0.1)),
        line(etag="b", predictions=predictions(0.2)),
        line(etag="b", version_id="1", predictions=predictions(0.2)),
    )

    assert found.predictions[DIGEST].columns["p"].count == 3


def test_a_file_without_a_summary_or_with_a_damaged_one_is_counted() -> None:
    found = work(line(), line(predictions={"columns": {"p": {"count": -1}}}), line(predictions="…"))

    assert (found.predictions, found.not_summarized) == ({}, 3)


def test_a_plug_in_that_answers_other_columns_for_each_file_does_not_fill_the_memory() -> None:
    found = work(
        *(
            line(
                input=f"s3://b/{place}",
                predictions=Distributions({f"{place}": numbers([1.0])}).fields(),
            )
            for place in range(MOST_COLUMNS + 5)
        )
    )

    assert len(found.predictions[DIGEST].columns) == MOST_COLUMNS
    assert found.not_summarized == 5


def test_what_is_no_number_counts_as_zero() -> None:
    assert work(line(rows="many", seconds=None)).rows == 0
