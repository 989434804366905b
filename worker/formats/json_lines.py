"""JSON Lines in and out."""

from collections.abc import Iterator

from worker.errors import Unparsable
from worker.formats.parquet import ParquetSink, ParquetSource


class JsonLinesSource(ParquetSource):
    """A file of JSON objects, one a line."""

    def __init__(self, text: Iterator[bytes]) -> None:
        raise Unparsable(f"JSON Lines cannot be read yet: {next(text)[:20]!r}")


class JsonLinesSink(ParquetSink):
    """Tables to JSON objects, one a line."""
