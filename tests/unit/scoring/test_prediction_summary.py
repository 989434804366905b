"""The summary of a file's predictions: of what is written, whatever the parts and batches."""

from dataclasses import replace
from random import Random

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.support.fakes.input_reader import MemoryInput, MemoryOutput
from tests.support.parts import predict_parts
from tests.support.summaries import classes, numbers
from worker import quoting
from worker.distributions import Classes, Distributions, Numbers
from worker.interfaces import FilePlan, Part, PartMessage, ScoreOptions, ScoreResult
from worker.scoring.parts import score_part
from worker.scoring.score import open_file, score
from worker.scoring.summary import PredictionSummary

PART = 1000
SUMMARIZE = ScoreOptions(summarize=True)
ROWS = 400
BODY = b"id,x\n" + b"".join(b"%05d,%d\n" % (row, row % 97) for row in range(ROWS))


class Sent(list[PartMessage]):
    """Implements worker.interfaces.PartSink."""

    def send_part(self, message: PartMessage) -> None:
        self.append(message)


class Model:
    """Answers with a number and a label for each row."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        x = frame["x"]
        return pd.DataFrame({"label": np.where(x > 50, "high", "low"), "share": x / 97})


def predict(options: ScoreOptions, body: bytes = BODY, part_bytes: int = PART) -> ScoreResult:
    return score(MemoryInput(body), Model(), options, MemoryOutput(), part_bytes=part_bytes)


def expected(body: bytes = BODY) -> Distributions:
    x = [int(line.split(b",")[1]) for line in body.splitlines()[1:]]
    labels = classes("high" if one > 50 else "low" for one in x)
    return Distributions({"label": labels, "share": numbers([one / 97 for one in x])})


def without_mean(found: Distributions | None) -> Distributions:
    assert found is not None
    columns = {
        name: replace(one, mean=0.0) if isinstance(one, Numbers) else one
        for name, one in found.columns.items()
    }
    return replace(found, columns=columns)


def test_a_file_in_one_piece_and_in_parts_has_the_summary_of_its_predictions() -> None:
    for part_bytes in (PART, 10 * len(BODY)):
        found = predict(SUMMARIZE, part_bytes=part_bytes).predictions

        assert without_mean(found) == without_mean(expected())


def test_the_summary_does_not_depend_on_how_many_processes_predict_which_part() -> None:
    plan = open_file(MemoryInput(BODY), Model(), SUMMARIZE, MemoryOutput(), part_bytes=PART)
    assert isinstance(plan, FilePlan)

    def messages(part: Part) -> list[PartMessage]:
        sent = Sent()
        sent.append(score_part(MemoryInput(BODY), Model(), SUMMARIZE, plan, part=part, sink=sent))
        return sent

    draws = [Random(seed) for seed in range(9)]  # noqa: S311 - no secret
    found = [
        predict_parts(plan, messages, max_rejected=0, processes=3, draw=draw, wrong_guesses=0.3)
        for draw in draws
    ]

    assert any(one.repeats for one in found)
    assert {repr(one.result.predictions) for one in found} == {
        repr(predict(SUMMARIZE).predictions)  # to the last digit of the mean
    }


def test_rejected_rows_are_not_in_it() -> None:
    bad = BODY.replace(b"00007,7\n", b"00007,x\n").replace(b"00300,9\n", b"00300,9,9\n")
    options = replace(SUMMARIZE, max_rejected=0.5, dtypes=(("x", "int"),))
    found = predict(options, bad)

    assert found.rejected == 2
    assert found.predictions is not None
    assert {one.count for one in found.predictions.columns.values()} == {ROWS - 2}


def test_the_bytes_of_an_output_are_the_same_with_and_without_it() -> None:
    for part_bytes in (PART, 10 * len(BODY)):
        outputs = []
        for options in (SUMMARIZE, ScoreOptions()):
            output = MemoryOutput()
            result = score(MemoryInput(BODY), Model(), options, output, part_bytes=part_bytes)
            outputs.append(output.output)
        assert outputs[0] == outputs[1]
        assert result.predictions is None


def test_a_file_without_rows_has_an_empty_summary() -> None:
    assert predict(SUMMARIZE, b"id,x\n").predictions == Distributions()


def summary_of(**columns: pa.Array) -> Distributions:
    found = PredictionSummary((), is_wanted=True)
    found.add(pa.table(columns))
    result = found.result()
    assert result is not None
    return result


def test_every_type_of_number_is_summarized_and_labels_by_class() -> None:
    values = pa.array([1, 0, 1])
    for kind in (pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.decimal128(22, 2)):
        assert summary_of(p=values.cast(kind)).columns["p"] == numbers([1, 0, 1])
    labels = pa.array(["b", "a", "b"])
    for kind in (pa.string(), pa.large_string()):
        assert summary_of(p=labels.cast(kind)).columns["p"] == classes("bab")
    assert summary_of(p=labels.dictionary_encode()).columns["p"] == classes("bab")
    assert summary_of(p=pa.array([True, False, True])).columns["p"] == classes(
        ["true", "false", "true"]
    )


def test_columns_of_lists_and_times_are_left_out_and_counted() -> None:
    times = pa.array([0, 1], pa.timestamp("s"))
    found = summary_of(at=times, p=pa.array([1.0, 2.0]), vector=pa.array([[1], [2]]))

    assert (list(found.columns), found.left_out) == (["p"], 2)


def test_of_a_model_with_many_columns_the_first_ones_are_summarized() -> None:
    found = summary_of(**{f"activation_{place}": pa.array([0.5]) for place in range(1_000)})

    assert list(found.columns) == [f"activation_{place}" for place in range(8)]
    assert found.left_out == 992


def test_many_classes_are_counted_together_and_none_is_lost() -> None:
    labels = [f"{'class ' * 9}{row % 300}" for row in range(900)] + ["often"] * 9
    found = summary_of(p=pa.array(labels)).columns["p"]

    assert found.count == 909
    assert next(iter(found.counts.items())) == ("often", 9)  # type: ignore[union-attr] # Classes
    assert len(found.counts) == 100  # type: ignore[union-attr]


def test_masked_labels_are_in_no_summary_as_they_may_be_cells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quoting, "_settings", {"masked": True})
    found = summary_of(label=pa.array(["Ana Silva"]), share=pa.array([0.5]))

    assert found == Distributions({"share": numbers([0.5])}, 1)


@pytest.mark.parametrize("rows", [1_999, 2_000, 2_001, 9_999, 10_000])
def test_of_a_large_batch_a_sample_stands_for_all_rows(rows: int) -> None:
    shares = np.random.default_rng(1).beta(2, 5, rows)
    labels = np.where(shares > 0.3, "high", "low")
    found = summary_of(label=pa.array(labels), share=pa.array(shares))
    numbers_found, labels_found = found.columns["share"], found.columns["label"]

    assert isinstance(numbers_found, Numbers)
    assert isinstance(labels_found, Classes)
    assert (numbers_found.minimum, numbers_found.maximum) == (shares.min(), shares.max())
    assert numbers_found.mean == pytest.approx(shares.mean())
    assert sum(numbers_found.bins.values()) == numbers_found.count == labels_found.count == rows
    assert numbers_found.sample == labels_found.sample
    assert (numbers_found.sample == rows) is (rows < 2_000)
    assert labels_found.counts["high"] / rows == pytest.approx((shares > 0.3).mean(), abs=0.05)


@pytest.mark.parametrize("period", [2, 7, 12, 24, 60])
def test_rows_that_come_in_groups_are_drawn_alike(period: int) -> None:
    values = np.arange(10_000) % period
    found = summary_of(p=pa.array(values.astype(str))).columns["p"]

    assert isinstance(found, Classes)
    assert len(found.counts) == period
    assert found.sample == 1_000
    for count in found.counts.values():  # within five deviations
        assert abs(count / 10 - 1_000 / period) < 5 * (1_000 / period) ** 0.5


def test_large_batches_one_by_one_have_the_summary_that_they_have_together() -> None:
    draw = np.random.default_rng(2)
    batches = [pa.table({"p": draw.normal(size=rows)}) for rows in (10_000, 10_000, 7_000)] * 5
    summary, parts = PredictionSummary((), is_wanted=True), Distributions()
    for batch in batches:
        summary.add(batch)
        part = PredictionSummary((), is_wanted=True)
        part.add(batch)
        found = part.result()
        assert found is not None
        parts = parts.merge(found)

    assert without_mean(summary.result()) == without_mean(parts)
