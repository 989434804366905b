"""With WORKER_REPORT_VALUES=mask nothing that is said of a bad file holds a value of the file.

Each value of the files begins with MARK, which stands nowhere else. A report, a dead letter and a
log line are made of what the pool process sends back: an error, pickled, with its notes.
"""

import gzip
import io
import pickle
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from tests.support.whole_file import score
from worker import quoting
from worker.columns import ColumnSpec
from worker.errors import SchemaMismatch, TidegateError, TransientError
from worker.interfaces import ScoreOptions
from worker.models import Predictor
from worker.pool.child import _attempt

MARK = "Zq"
NUMBER = "481516"  # begins the values that are numbers
NOTHING: dict[object, str] = {}


def value(number: int) -> str:
    return f"{MARK}{number:04}"


class Numbers:
    """Takes numbers by name."""

    feature_names_in_ = ("x", "y")
    numbers_only = True

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"prediction": range(len(frame))})


class NumbersByPosition(Numbers):
    feature_names_in_ = None  # type: ignore[assignment] # by position
    n_features_in_ = 2


class Anything(Numbers):
    """Takes anything by position."""

    feature_names_in_ = None  # type: ignore[assignment] # by position
    numbers_only = False


class Categories(Numbers):
    """Takes a pandas.Categorical of other categories than the file has."""

    numbers_only = False
    column_specs = (
        ColumnSpec("text", categories=("a", "b"), as_categorical=True),
        ColumnSpec("category", missing="refused", categories=("1", 1)),
    )


class Integers(Numbers):
    numbers_only = False
    column_specs = (ColumnSpec("int", missing="refused"), ColumnSpec("bool"))


class Raising(Anything):
    """Raises an error that quotes a cell, because of another one that quotes it too."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        cell = frame.iloc[:, 0].tolist()
        try:
            NOTHING[str(cell)]
        except KeyError as error:
            raise ValueError(f"could not convert string to float: {cell}") from error
        return frame


class RaisingMeanwhile(Anything):
    """Raises an error while another one is handled; both quote cells."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        try:
            NOTHING[frame.iloc[0, 0]]
        except KeyError:
            frame[frame.iloc[0, 0]]
        return frame


class Refusing(Anything):
    """Raises one of the worker's own errors, which quotes a cell."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        raise SchemaMismatch(f"never seen: {frame.iloc[0, 0]!s}")


class Own(SchemaMismatch):
    """An error of a plug-in."""


class RefusingInItsOwnWay(Anything):
    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        raise Own(f"never seen: {frame.iloc[0, 0]!s}")


class Exiting(Anything):
    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        raise SystemExit(str(frame.iloc[0, 0]))


class OutOfMemory(Anything):
    """Raises what is no error of the file, so that the job is retried."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        raise MemoryError(str(frame.iloc[:, 0].tolist()))


class Mixed(Anything):
    """Answers a column of several types, with a cell in it."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        cells = [frame.iloc[0, 0], *range(len(frame) - 1)]
        return pd.DataFrame({"prediction": pd.Series([*cells], dtype=object)})


@dataclass(frozen=True)
class BadFile:
    """A file that fails, or whose model fails."""

    name: str
    body: bytes
    predictor: Predictor
    options: ScoreOptions = field(default_factory=ScoreOptions)

    def __str__(self) -> str:
        return self.name


def rows(*, header: str = "id,x,y\n", end: str = "\n", count: int = 30) -> str:
    cells = iter(range(10_000))
    return header + "".join(
        ",".join(value(next(cells)) for _ in range(3)) + end for _ in range(count)
    )


def good(*, header: str = "id,x,y\n") -> str:
    return header + "".join(f"{value(number)},1,2\n" for number in range(30))


def json_rows(x: str = '"%s"') -> str:
    lines = (f'{{"id": "{value(n)}", "x": {x % value(n + 100)}, "y": 1}}\n' for n in range(30))
    return "".join(lines)


def parquet_of(**columns: object) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pa.table(dict(columns)), sink)
    return sink.getvalue()


TEXTS = [value(number) for number in range(10)]
KEEP_ALL = ScoreOptions(keep_columns=("*",))


def csv_files() -> Iterator[BadFile]:
    yield BadFile("text for numbers", rows().encode(), Numbers())
    yield BadFile("text for numbers, by position", rows().encode(), NumbersByPosition())
    yield BadFile("text for integers", rows().encode(), Integers())
    yield BadFile("other categories", rows().encode(), Categories())
    yield BadFile("a value where categories differ", b"id,x,y\n1,Zq1,1\n", Categories())
    yield BadFile("numbers for booleans", b"id,x,y\n1,2,481516\n", Integers())
    yield BadFile("fractions for integers", b"id,x,y\n1,481516.5,1\n", Integers())
    yield BadFile("too many cells", rows(end=",Zq9\n").encode(), Numbers())
    yield BadFile("too few cells", rows(header="id,x,y,z\n").encode(), Numbers())
    yield BadFile("no header", rows(header="").encode(), Numbers())
    yield BadFile("no header, by position", rows(header="").encode(), NumbersByPosition())
    yield BadFile("a wrong count of columns", rows(header="Zq1,Zq2,Zq3,Zq4\n").encode(), Numbers())
    yield BadFile(
        "a wrong count, by position", rows(header="Zq1,Zq2,Zq3,Zq4\n").encode(), NumbersByPosition()
    )
    yield BadFile("one column", b"Zq1\nZq2\n", Anything())
    yield BadFile("a column twice", rows(header="Zq1,Zq1,Zq1\n").encode(), Anything())
    yield BadFile("numbers for a header", b"481516,481516.5,4815162\n1,2,3\n", NumbersByPosition())
    yield BadFile("dates for a header", b"Zq1,2020-01-01,Zq2\nZq3,2020-01-02,4\n", Anything())
    yield BadFile("a title", ("Zq title,,\n" + good()).encode(), Numbers())
    yield BadFile("a title by position", ("Zq title\n" + good()).encode(), NumbersByPosition())
    yield BadFile("a header absent", good().encode(), Numbers(), ScoreOptions(has_header=False))
    yield BadFile("no name above data", rows(header="id,,y\n").encode(), Anything())
    yield BadFile("apostrophes", rows(header="'Zq1','Zq2','Zq3'\n").encode(), Numbers())
    yield BadFile("a stray quote", (good() + 'Zq1,"Zq2"Zq3,1\n').encode(), Numbers())
    yield BadFile("an open quote", (good() + 'Zq1,"Zq2,1\n').encode(), Numbers())
    yield BadFile("a quote within", (good() + 'Zq1,a"Zq,b"2,1\n').encode(), Numbers())
    yield BadFile("a backslash", (good() + 'Zq1,"Zq\\"2",1\n').encode(), Numbers())
    yield BadFile("an open quote in the header", b'Zq1,"Zq2\n1,2\n', Numbers())
    yield BadFile("not UTF-8", good().encode() + b"Zq1,\xff,1\n", Numbers())
    yield BadFile("NUL", good(header="id,x\0Zq,y\n").encode(), Numbers())
    yield BadFile("truncated gzip", gzip.compress(rows().encode())[:-20], Numbers())
    yield BadFile(
        "a delimiter without quotes",
        b'{"id": "Zq1,Zq2", "x": 1, "y": 2}\n',
        Numbers(),
        ScoreOptions(quote=None, output_format="csv"),
    )
    yield BadFile(
        "an encoding that lacks a letter",
        '{"id": "Zqź", "x": 1, "y": 2}\n'.encode(),
        Numbers(),
        ScoreOptions(output_format="csv", encoding="utf-8"),
    )


def other_files() -> Iterator[BadFile]:
    yield BadFile("JSON text for numbers", json_rows().encode(), Numbers())
    yield BadFile("JSON text by position", json_rows().encode(), NumbersByPosition())
    yield BadFile("JSON lists for numbers", json_rows('["%s"]').encode(), Numbers())
    yield BadFile("JSON categories", json_rows().encode(), Categories())
    yield BadFile("malformed JSON", (json_rows("1 %s") + "{").encode(), Numbers())
    yield BadFile("no JSON object", b'{"id": "Zq1" "Zq2"}\n', Numbers())
    yield BadFile("a JSON array", b'[{"id": "Zq1"}]\n', Numbers())
    yield BadFile("half a character", b'{"id": "\\ud800Zq", "x": 1, "y": 2}\n', Numbers())
    yield BadFile("Parquet text", parquet_of(id=TEXTS, x=TEXTS, y=TEXTS), Numbers())
    yield BadFile("Parquet categories", parquet_of(id=TEXTS, x=TEXTS, y=TEXTS), Categories())
    yield BadFile("Parquet by position", parquet_of(id=TEXTS, x=TEXTS, y=TEXTS), Integers())
    bytes_of = [text.encode() + b"\xff" for text in TEXTS]
    yield BadFile("Parquet bytes", parquet_of(id=TEXTS, x=bytes_of, y=bytes_of), Numbers())
    lists = [[text] for text in TEXTS]
    yield BadFile("Parquet lists", parquet_of(id=TEXTS, x=lists, y=lists), Numbers())
    yield BadFile("damaged", parquet_of(id=TEXTS, x=TEXTS, y=TEXTS)[:-9], Numbers())


def failing_models() -> Iterator[BadFile]:
    kinds = (Raising, RaisingMeanwhile, Refusing, RefusingInItsOwnWay, Exiting, OutOfMemory, Mixed)
    for kind in kinds:
        name = kind.__name__
        yield BadFile(f"{name}, CSV", rows().encode(), kind())
        yield BadFile(f"{name}, JSON", json_rows().encode(), kind())
        yield BadFile(f"{name}, Parquet", parquet_of(id=TEXTS, x=TEXTS, y=TEXTS), kind())
        lenient = ScoreOptions(max_rejected=0.5)
        yield BadFile(f"{name}, lenient", rows().encode(), kind(), lenient)


FILES = [*csv_files(), *other_files(), *failing_models()]


@contextmanager
def masked() -> Iterator[None]:
    quoting.configure(masked=True)
    try:
        yield
    finally:
        quoting.configure(masked=False)


def said_of(file: BadFile) -> str:
    """Return all that a report, a dead letter or a log line could say of a file that fails."""
    score_file: Callable[[], object] = lambda: score(file.body, file.predictor, file.options)  # noqa: E731
    failure = _attempt(score_file, otherwise=TransientError)
    if not isinstance(failure, TidegateError):
        return ""
    sent = pickle.loads(pickle.dumps(failure))  # noqa: S301 - our own
    return "".join(traceback.format_exception(sent))


@pytest.mark.parametrize("file", FILES, ids=str)
def test_no_value_of_a_bad_file_is_said_where_values_are_masked(file: BadFile) -> None:
    with masked():
        said = said_of(file)
    assert MARK not in said
    assert NUMBER not in said


def test_most_of_these_files_say_a_value_where_values_are_shown() -> None:
    shown = [file.name for file in FILES if MARK in (said := said_of(file)) or NUMBER in said]
    assert len(shown) > 0.6 * len(FILES), shown


def test_what_is_masked_still_says_where_and_what() -> None:
    with masked():
        said = said_of(BadFile("", b"id,x,y\nZq1,1,2\nZq2,Zq3,4\n", Numbers()))
        raised = said_of(BadFile("", rows().encode(), Raising()))
    assert "line 3: column 'x' is ***, not a number" in said
    message, _, notes = raised.partition("In the pool process:\n")
    assert "the model raised ValueError" in message
    ends = [notes.index(f"{name}\n") for name in ("KeyError", "ValueError", "ModelRaised")]
    assert ends == sorted(ends)
    assert notes.count("in predict\n") == 2


@given(
    st.integers(0, 200),
    st.sampled_from(['"', "'", ",", ";", "\n", "\r", "\t", "\\", "\0", "ź", "{", "[", " "]),
    st.sampled_from([Numbers, NumbersByPosition, Anything, Categories, Integers, Raising]),
    st.sampled_from([rows(count=4), rows(header="", count=4), json_rows()]),
)
def test_no_value_is_said_wherever_a_wrong_character_stands(
    place: int, wrong: str, predictor: Callable[[], Predictor], text: str
) -> None:
    body = (text[:place] + wrong + text[place + 1 :]).encode()
    with masked():
        said = said_of(BadFile("", body, predictor()))
    assert MARK not in said
