import bz2
import gzip
import io
import lzma

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.support.fakes.input_reader import MemoryInput
from worker.errors import Unparsable
from worker.formats import open_reader
from worker.interfaces import Compression, ScoreOptions

DEFAULT = ScoreOptions()


def opened(body: bytes, options: ScoreOptions = DEFAULT) -> tuple[str, Compression | None]:
    reader, compression = open_reader(MemoryInput(body, first=6, pieces=(1,)), options)
    return reader.format, compression


def a_parquet_file() -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"id": [1]}), buffer)
    return buffer.getvalue()


def test_text_is_csv_in_any_compression() -> None:
    body = b"id,x\n1,2\n"
    assert opened(body) == ("csv", None)
    assert opened(gzip.compress(body)) == ("csv", "gzip")
    assert opened(pa.compress(body, codec="zstd", asbytes=True)) == ("csv", "zstd")


def test_parquet_is_known_by_its_first_bytes() -> None:
    reader, compression = open_reader(MemoryInput(a_parquet_file()), DEFAULT)
    assert (reader.format, compression) == ("parquet", None)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"PK\x03\x04...", "a zip archive or a workbook"),
        (b"\xd0\xcf\x11\xe0...", "an old workbook"),
        (b"ARROW1\0\0...", "Arrow's own format"),
        (b"Obj\x01...", "Avro"),
        (bz2.compress(b"id,x\n"), "compressed by bzip2"),
        (lzma.compress(b"id,x\n"), "compressed by xz"),
    ],
)
def test_a_file_of_another_format_is_named_as_one(
    pack: type[bytes], body: bytes, what: str
) -> None:
    with pytest.raises(Unparsable, match=f"the file is {what}, not CSV"):
        opened(pack(body))


@pytest.mark.parametrize("header", [b"Object,x\n", b"ARROW1,x\n", b"BZh9,x\n", b"PK,x\n"])
def test_a_name_that_begins_like_another_format_is_a_name(header: bytes) -> None:
    assert opened(header + b"1,2\n") == ("csv", None)


def test_what_is_compressed_twice_is_refused_naming_both() -> None:
    with pytest.raises(Unparsable, match="the file is gzip inside gzip: compress it once"):
        opened(gzip.compress(gzip.compress(b"id,x\n1,2\n")))


def test_compressed_parquet_is_refused_with_the_reason() -> None:
    with pytest.raises(Unparsable, match="Parquet inside gzip, which cannot be read by ranges"):
        opened(gzip.compress(a_parquet_file()))


@pytest.mark.parametrize("body", [b'[{"id": 1}]', b' \n[\r\n  {"id": 1}]'])
def test_an_array_of_objects_is_refused_saying_how_to_write_them(body: bytes) -> None:
    with pytest.raises(Unparsable, match="JSON array: write one object a line"):
        opened(body)


@pytest.mark.parametrize("body", [b'{"id";x\n1;2\n', b'[{"id";x\n1;2\n'])
def test_a_file_is_csv_if_the_delimiter_is_set(body: bytes) -> None:
    assert opened(body, ScoreOptions(delimiter=";")) == ("csv", None)


@pytest.mark.parametrize("body", [b"[id],x\n1,2\n", b"id{,x\n1,2\n"])
def test_a_bracket_in_a_name_does_not_make_a_file_json(body: bytes) -> None:
    assert opened(body) == ("csv", None)


@pytest.mark.parametrize("body", [b"", gzip.compress(b"")])
def test_an_empty_file_is_refused(body: bytes) -> None:
    with pytest.raises(Unparsable, match="the file is empty"):
        opened(body)


def test_text_in_another_encoding_is_opened_as_set() -> None:
    body = "id,x\n1,2\n".encode("utf-16")
    assert opened(body, ScoreOptions(encoding="utf-16")) == ("csv", None)
