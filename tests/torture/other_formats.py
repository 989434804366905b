"""Files of formats that are not supported: the report names the format if it is known."""

import bz2
import io
import lzma
import tarfile
import zipfile

import pyarrow as pa
from pyarrow import orc

from tests.torture.case import refused

_TABLE = pa.table({"id": ["a"], "x": [1], "y": [2]})


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.csv"), "id,x,y\na,1,2\n")
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"), io.BytesIO())
    return buffer.getvalue()


def _arrow() -> bytes:
    buffer = io.BytesIO()
    with pa.ipc.new_file(buffer, _TABLE.schema) as writer:
        writer.write_table(_TABLE)
    return buffer.getvalue()


def _orc() -> bytes:
    buffer = io.BytesIO()
    orc.write_table(_TABLE, buffer)
    return buffer.getvalue()


CASES = [
    refused("workbook.xlsx", _zip(), "Unparsable", "a zip archive or a workbook"),
    refused(
        "old-workbook.xls",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
        "Unparsable",
        "an old workbook",
    ),
    refused("archive.tar", _tar(), "Unparsable", "NUL bytes"),
    refused("arrow.arrow", _arrow(), "Unparsable", "Arrow"),
    refused("avro.avro", b"Obj\x01\x04\x14avro.codec\x08null", "Unparsable", "Avro"),
    refused("orc.orc", _orc(), "Unparsable", "is not utf-8"),
    refused(
        "picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "Unparsable", "byte 0 (0x89) is not utf-8"
    ),
    refused("bzip2.csv.bz2", bz2.compress(b"id,x,y\na,1,2\n"), "Unparsable", "bzip2"),
    refused("xz.csv.xz", lzma.compress(b"id,x,y\na,1,2\n"), "Unparsable", "xz"),
]
