"""What a file is, by its first bytes, and what reads and writes it."""

import re
from collections.abc import Iterator

from worker.errors import Unparsable
from worker.formats.base import Sink, Source
from worker.formats.compression import Compression, recognised, unpacked
from worker.formats.csv.reader import CsvSource
from worker.formats.csv.writer import CsvSink
from worker.formats.json_lines.reader import JsonLinesSource
from worker.formats.json_lines.writer import JsonLinesSink
from worker.formats.memory import Room
from worker.formats.parquet.reader import ParquetSource
from worker.formats.parquet.writer import ParquetSink
from worker.formats.text import peek, utf8
from worker.interfaces import Format, InputReader, ScoreOptions

_MAGIC_BYTES = 10
_PARQUET = (b"PAR1", b"PARE")  # the second one with an encrypted footer
_OTHERS = {
    re.compile(magic, re.DOTALL): what
    for magic, what in {
        rb"PK\x03\x04": "a zip archive or a workbook",
        rb"\xd0\xcf\x11\xe0": "an old workbook",
        rb"ARROW1\0\0": "Arrow's own format",
        rb"Obj\x01": "Avro",
        rb"BZh[1-9]1AY&SY": "compressed by bzip2",
        rb"\xfd7zXZ\0": "compressed by xz",
    }.items()
}
_HEAD_BYTES = 2**12
_JSON = re.compile(rb"\s*(?P<array>\[\s*)?\{")


def open_source(reader: InputReader, options: ScoreOptions) -> tuple[Source, Compression | None]:
    """The table in an object, and what it is compressed with as a whole; raises Unparsable."""
    if reader.first.startswith(_PARQUET):
        return ParquetSource(reader, memory_bytes=options.memory_bytes), None
    compression = recognised(reader.first)
    head, pieces = peek(unpacked(_pieces(reader), compression), _MAGIC_BYTES)
    for magic, what in _OTHERS.items():
        if magic.match(head):
            raise Unparsable(
                f"the file is {what}, not CSV, JSON Lines or Parquet, as it is or in gzip or zstd"
            )
    if again := compression and recognised(head):
        raise Unparsable(f"the file is {again} inside {compression}: compress it once")
    if head.startswith(_PARQUET):
        raise Unparsable(
            f"the file is Parquet inside {compression}, which cannot be read by ranges: Parquet "
            "compresses its own columns, so leave it as it is"
        )
    room = Room(reader.reserve, options.memory_bytes)
    return _open_text(utf8(pieces, options.encoding), options, room), compression


def open_sink(source: Source, output_format: Format, options: ScoreOptions) -> Sink:
    """A writer, in the source's own dialect or codec where the formats agree."""
    if output_format == source.format:
        return source.sink()
    if output_format == "parquet":
        return ParquetSink()
    if output_format == "jsonl":
        return JsonLinesSink()
    return CsvSink(delimiter=options.delimiter or ",", encoding=options.encoding)


def _open_text(text: Iterator[bytes], options: ScoreOptions, room: Room) -> Source:
    """A delimiter that is set says CSV; without one, what begins as a JSON object is JSON Lines."""
    head, text = peek(text, _HEAD_BYTES)
    if options.delimiter is None and (json := _JSON.match(head)):
        if json["array"]:
            raise Unparsable("the file is a JSON array: write one object a line (JSON Lines)")
        return JsonLinesSource(text, keeps_all=options.keep_columns == ("*",), hold=room.hold)
    return CsvSource(
        text,
        delimiter=options.delimiter,
        encoding=options.encoding,
        room=room,
        may_reject=options.max_rejected > 0,
    )


def _pieces(reader: InputReader) -> Iterator[bytes]:
    yield reader.first
    if len(reader.first) < reader.size:
        yield from reader.read([(len(reader.first), reader.size)])
