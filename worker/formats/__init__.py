"""Files to tables and back: a format is known by its content, never by its name.

On the road of a file: `compression`, then `csv_source` (with `dialect`) or `parquet`, `selection`,
`features` (with `kinds`), and out by `csv_sink` or `parquet`. `tables` holds what they share.
"""

from worker.errors import Unparsable
from worker.formats.compression import pack, unpack
from worker.formats.csv_sink import CsvSink, rejects_csv
from worker.formats.csv_source import CsvSource
from worker.formats.features import Features
from worker.formats.parquet_sink import ParquetSink
from worker.formats.parquet_source import ParquetSource
from worker.formats.selection import Needs, select
from worker.formats.tables import Reject, Sink, Source
from worker.scored import Format, ScoreOptions

__all__ = [
    "Features",
    "Needs",
    "Reject",
    "Sink",
    "Source",
    "open_sink",
    "open_source",
    "pack",
    "rejects_csv",
    "select",
    "unpack",
]

_PARQUET = b"PAR1"
_ZIP = b"PK\x03\x04"


def open_source(body: bytes, options: ScoreOptions) -> Source:
    """The table in a body that is not compressed as a whole; raises Unparsable."""
    if body.startswith(_PARQUET):
        return ParquetSource(body)
    if body.startswith(_ZIP):
        raise Unparsable("the file is a zip archive or a workbook, not CSV or Parquet")
    return CsvSource(body, delimiter=options.delimiter, encoding=options.encoding)


def open_sink(source: Source, output_format: Format, options: ScoreOptions) -> Sink:
    """A writer, in the source's own dialect or codec where the formats agree."""
    if output_format == source.format:
        return source.sink()
    if output_format == "parquet":
        return ParquetSink()
    return CsvSink(delimiter=options.delimiter or ",", encoding=options.encoding)
