"""Detects the format of a file by its first bytes, and opens its reader and its writer."""

import codecs
import re
from collections.abc import Iterator

from worker.errors import Unparsable
from worker.formats.base import TableReader, TableWriter
from worker.formats.compression import decompress, detect_compression
from worker.formats.csv.parts import CsvParts
from worker.formats.csv.reader import CsvReader
from worker.formats.csv.writer import CsvWriter
from worker.formats.json_lines.parts import JsonLinesParts
from worker.formats.json_lines.reader import JsonLinesReader
from worker.formats.json_lines.writer import JsonLinesWriter
from worker.formats.memory import InputMemory
from worker.formats.packed import ENDLESS, PackedParts, read_packed
from worker.formats.parquet.part_writer import ParquetPartWriter
from worker.formats.parquet.parts import ParquetParts
from worker.formats.parquet.reader import ParquetReader
from worker.formats.parquet.writer import ParquetWriter
from worker.formats.parts import Parts, PartWriter, TextPartWriter
from worker.formats.text import is_utf8, peek, to_utf8
from worker.interfaces import Compression, Format, InputReader, Position, ScoreOptions

_MAGIC_BYTES = 10
_PARQUET = (b"PAR1", b"PARE")  # PARE: with an encrypted footer
_UNSUPPORTED = {
    re.compile(magic, re.DOTALL): name
    for magic, name in {
        rb"PK\x03\x04": "a zip archive or a workbook",
        rb"\xd0\xcf\x11\xe0": "an old workbook",
        rb"ARROW1\0\0": "Arrow's own format",
        rb"Obj\x01": "Avro",
        rb"BZh[1-9]1AY&SY": "compressed by bzip2",
        rb"\xfd7zXZ\0": "compressed by xz",
    }.items()
}
_HEAD_BYTES = 2**12
_LEAST_RANGE = 2**20
# A compressed file goes in parts if it is larger than this share of a part: its text is larger.
PACKED_SHARE = 4
_JSON = re.compile(rb"\s*(?P<array>\[\s*)?\{")


def open_reader(file: InputReader, options: ScoreOptions) -> tuple[TableReader, Compression | None]:
    """Return a reader of the table in a file, and the compression of the whole file.

    Raises Unparsable if the format is not supported, or the table's beginning cannot be read.
    """
    memory = InputMemory(file.reserve, options)
    if file.first.startswith(_PARQUET):
        return ParquetReader(file, memory), None
    compression = detect_compression(file.first)
    head, pieces = peek(decompress(_read_whole(file), compression), _MAGIC_BYTES)
    _refuse_unsupported(head, compression)
    return _open_text(to_utf8(pieces, options.encoding), options, memory), compression


def divide(
    file: InputReader,
    reader: TableReader,
    compression: Compression | None,
    options: ScoreOptions,
    part_bytes: int,
) -> Parts | None:
    """Return the parts of a file; None if it has only one, or cannot be predicted part by part.

    A text in another encoding than UTF-8 is recoded: its offsets are not those of the file.
    """
    if isinstance(reader, ParquetReader):
        return ParquetParts.of(reader.group_sizes(), part_bytes, reader.footer_bytes)
    if not isinstance(reader, CsvReader | JsonLinesReader) or not is_utf8(options.encoding):
        return None
    if compression is not None:
        return _divide_packed(file, reader, compression, part_bytes)
    if len(file.first) < len(codecs.BOM_UTF8):
        return None
    parts = _divide_text(file.first, reader, file.size, part_bytes)
    return parts if parts.begin.offset < file.size and len(parts.starts) > 1 else None


def _divide_packed(
    file: InputReader,
    reader: CsvReader | JsonLinesReader,
    compression: Compression,
    part_bytes: int,
) -> Parts | None:
    if file.size <= part_bytes // PACKED_SHARE:
        return None
    head, _ = peek(decompress(read_packed(file), compression), len(codecs.BOM_UTF8))
    parts = PackedParts(_divide_text(head, reader, ENDLESS, part_bytes), compression)
    return parts if parts.has_rows(file) else None


def _divide_text(
    head: bytes, reader: CsvReader | JsonLinesReader, size: int, part_bytes: int
) -> CsvParts | JsonLinesParts:
    mark = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    begin = Position(mark + reader.begin.offset, reader.begin.line)
    if isinstance(reader, CsvReader):
        return CsvParts.of(reader.header, begin, size, part_bytes)
    return JsonLinesParts.of(reader.keys, begin, size, part_bytes)


def open_writer(reader: TableReader, output_format: Format, options: ScoreOptions) -> TableWriter:
    """Return a writer; if the format is the reader's, with the reader's dialect or codec."""
    if output_format == reader.format:
        return reader.writer()
    if output_format == "parquet":
        return ParquetWriter()
    if output_format == "jsonl":
        return JsonLinesWriter()
    return CsvWriter(
        delimiter=options.delimiter or ",",
        encoding=options.encoding,
        quote=options.quote,
        escape=options.escape,
        has_header=options.has_header,
    )


def open_part_writer(
    reader: TableReader, output_format: Format, options: ScoreOptions
) -> PartWriter:
    """Return a writer of one part of an output."""
    writer = open_writer(reader, output_format, options)
    return (
        ParquetPartWriter(writer) if isinstance(writer, ParquetWriter) else TextPartWriter(writer)
    )


def _refuse_unsupported(head: bytes, compression: Compression | None) -> None:
    for magic, name in _UNSUPPORTED.items():
        if magic.match(head):
            raise Unparsable(
                f"the file is {name}, not CSV, JSON Lines or Parquet, as it is or in gzip or zstd"
            )
    if second := compression and detect_compression(head):
        raise Unparsable(f"the file is {second} inside {compression}: compress it once")
    if head.startswith(_PARQUET):
        raise Unparsable(
            f"the file is Parquet inside {compression}, which cannot be read by ranges: Parquet "
            "compresses its own columns, so leave it as it is"
        )


def _open_text(text: Iterator[bytes], options: ScoreOptions, memory: InputMemory) -> TableReader:
    """Open CSV if a delimiter is set; else JSON Lines if the text begins with a JSON object."""
    head, text = peek(text, _HEAD_BYTES)
    if options.delimiter is None and (json := _JSON.match(head)):
        if json["array"]:
            raise Unparsable("the file is a JSON array: write one object a line (JSON Lines)")
        return JsonLinesReader.open(
            text, keeps_all=options.keep_columns == ("*",), hold=memory.hold
        )
    return CsvReader.open(
        text,
        delimiter=options.delimiter,
        encoding=options.encoding,
        quote=options.quote,
        escape=options.escape,
        has_header=options.has_header,
        hold=memory.hold,
        may_reject=options.max_rejected > 0,
    )


def _read_whole(file: InputReader) -> Iterator[bytes]:
    yield file.first
    # Who stops here and then reads something else has to take the rest of one range only.
    start = len(file.first)
    while start < file.size:
        stop = min(start + max(start, _LEAST_RANGE), file.size)
        yield from file.read([(start, stop)])
        start = stop
