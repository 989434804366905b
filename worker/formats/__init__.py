"""Files to tables and back: a format is known by its content, never by its name.

On the road of a file: `opening` looks what it is, `compression` (with `zstd`) and `text` unwrap it;
`csv_source` (with `dialect`, `csv_blocks`, `csv_aside`), `json_lines_source` (with `lines`,
`json_rows`) or `parquet_source` (with `row_groups`, `ranges`) read it; `selection`, `features`
(with `kinds`); out by `csv_sink`, `json_lines_sink` (with `shortest`), `parquet_sink`. `json_cells`
says what JSON text is to the others, `room` what may be held at once, and `tables` what all share.
"""

from worker.formats.base import Reject, Sink, Source
from worker.formats.compression import Compression, compressor
from worker.formats.csv.writer import RejectsSink
from worker.formats.detection import open_sink, open_source
from worker.formats.features import Features
from worker.formats.selection import Needs, select

__all__ = [
    "Compression",
    "Features",
    "Needs",
    "Reject",
    "RejectsSink",
    "Sink",
    "Source",
    "compressor",
    "open_sink",
    "open_source",
    "select",
]
