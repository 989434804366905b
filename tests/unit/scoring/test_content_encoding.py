"""The Content-Encoding of an input: how it is read, and what its output says of itself."""

import gzip

import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression

from tests.support.fakes.input_reader import MemoryInput, MemoryOutput
from worker.errors import SchemaMismatch, Unparsable
from worker.interfaces import OutputForm, ScoreOptions
from worker.models import SklearnPredictor
from worker.scoring import score as scoring

MODEL = SklearnPredictor(LinearRegression().fit(pd.DataFrame({"x": [1.0, 2.0]}), [1.0, 2.0]))
CSV = b"id,x\na,1\n"
JSON_LINES = b'{"id": "a", "x": 1}\n'


def form_of(body: bytes, told: str | None, **options: object) -> tuple[OutputForm, bytes]:
    output = MemoryOutput()
    scoring.score(
        MemoryInput(body),
        MODEL,
        ScoreOptions(content_encoding=told, **options),  # type: ignore[arg-type]
        output,
    )
    assert output.form is not None
    return output.form, output.output


@pytest.mark.parametrize(
    ("body", "content_type"), [(CSV, "text/csv"), (JSON_LINES, "application/x-ndjson")]
)
@pytest.mark.parametrize(
    "told", ["gzip", "GZIP", "x-gzip", "aws-chunked,gzip", "gzip, aws-chunked", "aws-chunked, gzip"]
)
def test_gzip_on_the_input_is_read_as_such_and_the_output_says_the_same_of_itself(
    body: bytes, content_type: str, told: str
) -> None:
    form, output = form_of(gzip.compress(body), told)
    assert form == OutputForm(content_type, None, "gzip")
    assert gzip.decompress(output) == form_of(body, None)[1]


def test_zstd_on_the_input_is_read_as_such_and_the_output_says_the_same_of_itself() -> None:
    form, output = form_of(pa.compress(CSV, codec="zstd", asbytes=True), "zstd")
    assert form == OutputForm("text/csv", None, "zstd")
    assert pa.CompressedInputStream(pa.BufferReader(output), "zstd").read() == form_of(CSV, "")[1]


@pytest.mark.parametrize("told", ["gzip", "aws-chunked", "utf-8", "identity", "br", "", None])
def test_plain_bytes_are_read_as_they_are_whatever_their_encoding_says(told: str | None) -> None:
    form, output = form_of(CSV, told)
    assert form == OutputForm("text/csv", None)
    assert output.startswith(b"id,prediction\na,")


@pytest.mark.parametrize("told", [None, "aws-chunked", "utf-8", "br", "gzip, gzip"])
def test_gzip_that_no_encoding_tells_of_is_a_gzip_file(told: str | None) -> None:
    assert form_of(gzip.compress(CSV), told)[0] == OutputForm("application/gzip", None)


def test_a_converted_output_has_no_encoding() -> None:
    form, output = form_of(gzip.compress(CSV), "gzip", output_format="jsonl")
    assert form == OutputForm("application/x-ndjson", "jsonl")
    assert output.startswith(b'{"id": "a", ')


@pytest.mark.parametrize("told", ["br", "deflate", "aws-chunked,br"])
def test_a_file_that_cannot_be_read_is_refused_naming_an_encoding_that_is_not_decoded(
    told: str,
) -> None:
    with pytest.raises(Unparsable, match=r"Content-Encoding is (br|deflate), which is not decoded"):
        form_of(b"\x8b\x04\x80id,x\xff\xfe", told)
    with pytest.raises(SchemaMismatch, match="Content-Encoding is"):
        form_of(b"\x1b\x07", told)


def test_a_file_that_cannot_be_read_says_nothing_of_an_encoding_that_is_true() -> None:
    with pytest.raises(SchemaMismatch) as refusal:
        form_of(gzip.compress(b"id,y\na,1\n"), "gzip")
    assert "Encoding" not in str(refusal.value)
