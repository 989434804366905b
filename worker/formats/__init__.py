"""File formats: a file becomes tables, and tables become a file.

The modules a file passes through:

1. `detection` looks at the first bytes, and chooses the format; a file's name is ignored.
2. `compression` decompresses text files, and `text` recodes them to UTF-8.
3. A reader returns tables of unconverted rows: `csv.reader`, `json_lines.reader` or
   `parquet.reader`. It asks `memory` for the bytes that it holds, and returns rejected rows.
   CSV has more steps: `csv.header` and `csv.dialect`, `csv.blocks`, `csv.odd_rows`.
   JSON Lines too: `json_lines.lines`, `json_lines.shapes`, `json_lines.rows`.
4. `selection` chooses the columns that the model reads and the columns to keep, and `features`
   makes the model's frame of them (`types`: what a column's type is, and conversion to it).
5. A writer makes the output: `csv.writer`, `json_lines.writer` or `parquet.writer`; the text
   formats use `float_text` for numbers. `compression` compresses it as the input was.

`base` has the protocols of readers and writers. `json_lines.cells` marks columns of JSON text, so
that the writers of the other formats recognise them.
"""

from worker.formats.base import RejectedRow, TableReader, TableWriter
from worker.formats.compression import compressor
from worker.formats.detection import divide, open_part_writer, open_reader, open_writer
from worker.formats.features import FeatureConverter, Features
from worker.formats.model_inputs import Feature, ModelInputs
from worker.formats.parts import PartReader, Parts, PartWriter
from worker.formats.selection import Selection, select_columns, select_from

__all__ = [
    "Feature",
    "FeatureConverter",
    "Features",
    "ModelInputs",
    "PartReader",
    "PartWriter",
    "Parts",
    "RejectedRow",
    "Selection",
    "TableReader",
    "TableWriter",
    "compressor",
    "divide",
    "open_part_writer",
    "open_reader",
    "open_writer",
    "select_columns",
    "select_from",
]
