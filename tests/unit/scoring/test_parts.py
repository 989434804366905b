"""A large CSV is predicted part by part; what is told of it is as of one piece."""

import gzip
import io
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.support.fakes.input_reader import MemoryInput, MemoryOutput
from worker.errors import ModelRaised, NeedsTypes, PredictionFailed, Unparsable
from worker.formats.csv.reader import BLOCK_BYTES
from worker.interfaces import (
    FilePlan,
    Part,
    PartBegin,
    PartMessage,
    Position,
    ScoreOptions,
    ScoreResult,
)
from worker.scoring.all_parts import ChainSink
from worker.scoring.batches import BATCH_ROWS
from worker.scoring.part_chain import PartChain
from worker.scoring.parts import score_part
from worker.scoring.score import open_file, score

PART = 1000
LENIENT = ScoreOptions(max_rejected=0.9)
LINE = b"%05d,1\n"  # 8 bytes
MANY = b"id,x\n" + b"".join(LINE % number for number in range(400))


class Model:
    """Answers with a function's result, and remembers what it got."""

    def __init__(self, answer: Callable[[pd.DataFrame], object]) -> None:
        self._answer = answer
        self.frames: list[pd.DataFrame] = []

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        self.frames.append(frame)
        return pd.DataFrame({"seen": self._answer(frame)})


def double(frame: pd.DataFrame) -> object:
    return frame["x"] * 2


def predict(
    body: bytes, options: ScoreOptions = LENIENT, model: Model | None = None, part_bytes: int = PART
) -> MemoryOutput:
    output = MemoryOutput()
    score(MemoryInput(body), model or Model(double), options, output, part_bytes=part_bytes)
    return output


def plan_of(body: bytes, options: ScoreOptions = LENIENT) -> FilePlan:
    plan = open_file(MemoryInput(body), Model(double), options, MemoryOutput(), part_bytes=PART)
    assert isinstance(plan, FilePlan)
    return plan


class Sent(list[PartMessage]):
    """Implements worker.interfaces.PartSink."""

    def send_part(self, message: PartMessage) -> None:
        self.append(message)


def test_batches_begin_anew_at_each_part() -> None:
    model = Model(double)
    predict(MANY, model=model)
    assert [len(frame) for frame in model.frames] == [125, 125, 125, 25]


def test_a_row_belongs_to_the_part_in_which_it_begins() -> None:
    plan, sent = plan_of(MANY), Sent()
    ended = score_part(
        MemoryInput(MANY), Model(double), LENIENT, plan, part=Part(1, None), sink=sent
    )
    assert sent[0] == PartBegin(1005)  # behind the row of which most is in part 0
    assert (ended.end, ended.lines, ended.rows) == (2005, 125, 125)


def test_a_plan_takes_no_more_than_the_first_bytes_if_they_have_the_first_rows() -> None:
    body = MANY + MANY[5:] * 400
    file = MemoryInput(body, first=BLOCK_BYTES)
    plan = open_file(file, Model(double), LENIENT, MemoryOutput(), part_bytes=PART)
    assert isinstance(plan, FilePlan)
    assert (plan.begin, plan.end, file.asked) == (Position(5, 2), len(body), [])
    assert list(plan.starts[:3]) == [0, 1000, 2000]


def test_a_wide_file_has_fewer_parts_and_so_fewer_batches() -> None:
    names = [f"c{number}" for number in range(300)]
    body = "\n".join([",".join(names), *[",".join(["1"] * 300)] * 20, ""]).encode()
    model = Model(lambda frame: np.zeros(len(frame)))
    plan = open_file(MemoryInput(body), model, LENIENT, MemoryOutput(), part_bytes=PART)
    assert isinstance(plan, FilePlan)
    assert list(plan.starts[:2]) == [0, 3 * PART]


def test_the_header_may_be_longer_than_a_part() -> None:
    body = b"id,x," + b"y" * 2 * PART + b"\n" + b"a,1,2\n" * 400
    assert predict(body).output == b"id,seen\n" + b"a,2\n" * 400


def test_a_row_may_be_longer_than_a_part() -> None:
    body = b'id,x\n"' + b"z\n" * PART + b'",1\nb,2\n' + MANY[5:]
    output = predict(body).output
    assert output == b'id,seen\n"' + b"z\n" * PART + b'",2\nb,4\n' + predict(MANY).output[8:]


def test_an_error_in_a_later_part_has_the_line_of_the_file() -> None:
    body = MANY + b"9" * 17 * 2**20
    with pytest.raises(Unparsable, match=r"^line 402: the row is longer than 16 MiB"):
        predict(body)


def test_a_byte_in_a_later_part_that_is_not_utf8_has_its_position_in_the_file() -> None:
    body = "\ufeff".encode() + MANY + b"\xff,1\n"
    with pytest.raises(Unparsable, match=rf"^byte {len(body) - 4} \(0xff\) is not utf-8"):
        predict(body)


def test_rejected_rows_of_later_parts_have_the_lines_of_the_file() -> None:
    body = MANY.replace(b"00200,1", b"00200,x").replace(b"00300,1", b"0030011")
    assert predict(body, replace(LENIENT, dtypes=(("x", "float"),))).rejects == (
        b"line,reason,row\n"
        b"202,\"column 'x' is 'x', not a number\",\"00200,x\"\n"
        b"302,1 cells where the header has 2,0030011\n"
    )


@pytest.mark.parametrize("cell", [b"0.5", b"x", b""])
def test_a_cell_in_a_later_part_that_changes_a_type_has_the_types_of_the_whole_file(
    cell: bytes,
) -> None:
    body = MANY.replace(b"00300,1", b"00300," + cell)
    with pytest.raises(NeedsTypes) as whole:
        predict(body)
    types = str(whole.value)
    model = Model(lambda frame: np.arange(len(frame)))
    predict(body, replace(LENIENT, found_types=types), model)
    expected = pd.read_csv(io.BytesIO(body))["x"]
    assert {frame["x"].dtype for frame in model.frames} == {expected.dtype}


def raises_on(*rows: int) -> Model:
    def answer(frame: pd.DataFrame) -> object:
        if frame["x"].isin(rows).any():
            raise ValueError("not these")
        return frame["x"]

    return Model(answer)


COUNTED = b"id,x\n" + b"".join(b"%03d,%03d\n" % (number, number) for number in range(400))


def test_rows_that_the_model_raises_on_are_bad_once_the_types_are_those_of_the_whole_file() -> None:
    options = LENIENT
    with pytest.raises(NeedsTypes) as types:
        predict(COUNTED, options, raises_on(300, 302))
    options = replace(options, found_types=str(types.value))
    output = predict(COUNTED, options, raises_on(300, 302))
    assert output.rejects == (
        b'line,reason,row\n302,the model raised ValueError: not these,"300,300"\n'
        b'304,the model raised ValueError: not these,"302,302"\n'
    )


def test_a_later_part_whose_rows_the_model_all_raises_on_has_bad_rows() -> None:
    later = range(125, 250)
    options = replace(LENIENT, dtypes=(("x", "int"),))
    output = predict(COUNTED, options, raises_on(*later))
    assert output.rejects is not None
    assert output.rejects.count(b"not these") == len(later)
    assert len(output.output.splitlines()) == 1 + 400 - len(later)


def test_rejected_rows_before_rows_that_the_model_all_raises_on_are_bad_in_a_guess_too() -> None:
    good = b"id,x\n" + LINE % 0 * (2 * BATCH_ROWS)
    body = good + b"00000,x\n" * BATCH_ROWS + b"00000,7\n" * BATCH_ROWS
    options = replace(LENIENT, max_rejected=1, dtypes=(("x", "int"),))
    file, model, output = MemoryInput(body), raises_on(7), MemoryOutput()
    plan = open_file(file, model, options, output, part_bytes=len(good))
    assert isinstance(plan, FilePlan)
    output.open(plan.form)
    chain = PartChain(plan, options.max_rejected)
    parts = deque([chain.next_part(), chain.next_part()])  # the second begins as a guess
    while (part := parts.popleft() if parts else chain.next_part()) is not None:
        sink = ChainSink(chain, part, output)
        try:
            sink.send_part(score_part(file, model, options, plan, part=part, sink=sink))
        except ModelRaised as error:
            sink.send_part(error)
    assert chain.result() == ScoreResult(2 * BATCH_ROWS, 2 * BATCH_ROWS)


def test_a_model_that_raises_on_all_rows_of_the_first_part_fails_the_file() -> None:
    options = replace(LENIENT, dtypes=(("x", "int"),))
    with pytest.raises(ModelRaised, match="not these"):
        predict(COUNTED, options, raises_on(*range(125)))


def test_a_model_whose_answer_has_another_type_in_a_later_part_fails_the_file() -> None:
    model = Model(lambda frame: frame["x"] if frame["x"].min() < 200 else frame["x"] / 2)
    with pytest.raises(PredictionFailed, match=r"seen \(int64\) for the first rows and seen"):
        predict(COUNTED, LENIENT, model)


@pytest.mark.parametrize(
    ("body", "options"),
    [
        (MANY[:PART], LENIENT),
        (b"id,x" + b"y" * PART, LENIENT),
        (gzip.compress(b"id,x\n" + LINE % 7 * 400), LENIENT),
        (gzip.compress(MANY.decode().encode("utf-16")), replace(LENIENT, encoding="utf-16")),
        ("é,x\n".encode("latin-1") + MANY[5:], replace(LENIENT, encoding="latin-1")),
        (MANY.decode().encode("utf-16"), replace(LENIENT, encoding="utf-16")),
    ],
    ids=[
        "small",
        "a header alone",
        "small as it is compressed",
        "utf-16 in gzip",
        "latin-1",
        "utf-16",
    ],
)
def test_a_file_that_has_one_part_only_is_predicted_at_once(
    body: bytes, options: ScoreOptions
) -> None:
    model = Model(lambda frame: frame.iloc[:, 0] if len(frame.columns) else [])
    opened = open_file(MemoryInput(body), model, options, MemoryOutput(), part_bytes=PART)
    assert isinstance(opened, ScoreResult)
