"""What a run's log lines add up to."""

from datetime import timedelta

from tests.support.run_pages import BEGAN, ENDED, REQUEST, line
from tidegate.operating.log_lines import Line
from tidegate.report.work import LISTED, Work, sum_up


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


def test_what_is_no_number_counts_as_zero() -> None:
    assert work(line(rows="many", seconds=None)).rows == 0
