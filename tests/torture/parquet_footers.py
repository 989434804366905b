"""Parquet: encrypted files, footers at which Arrow aborts, and columns that nobody reads."""

from datetime import UTC, datetime

import pyarrow as pa

from tests.support.parquet_footers import (
    chunk_metadata,
    encrypted,
    in_hadoops_lz4,
    schema,
    with_footer,
)
from tests.torture.case import predicted, refused
from tests.torture.parquet_writing import AB, answers, rows, written
from tests.torture.runs import LENIENT, MIRROR
from worker.footers import thrift
from worker.footers.thrift import Struct

_ODD = 3  # the place of the column that nobody reads, in the row group; in the schema one more
_PLAIN = rows(AB)
_WITH_ODD = written(rows(AB, odd=pa.array([bytes(12)] * 2, pa.binary(12))))
_DAMAGED = "the Parquet file is corrupt or truncated"

_TIMES = pa.array([datetime(2024, 2, 29, 1, tzinfo=UTC), None]).cast(pa.timestamp("us"))
_FAR = pa.array([datetime(9999, 12, 31, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)]).cast(
    pa.timestamp("us")
)


def _of_type(annotation: Struct) -> bytes:
    return with_footer(_WITH_ODD, lambda footer: schema(footer)[_ODD + 1].update(annotation))


def _of_chunk(column: int, entry: Struct) -> bytes:
    return with_footer(_WITH_ODD, lambda footer: chunk_metadata(footer, column).update(entry))


def _spark(table: pa.Table) -> bytes:
    return written(table, use_deprecated_int96_timestamps=True)


_SEEN = ["t=Timestamp('2024-02-29 01:00:00')", "t=nothing"]
_UNREAD: dict[str, Struct] = {
    "interval": {6: (thrift.I32, 21)},
    "unknown-type": {1: (thrift.I32, 99)},
    "unknown-converted-type": {6: (thrift.I32, 99)},
    "unknown-logical-type": {10: (thrift.STRUCT, {99: (thrift.STRUCT, {})})},
}
_HISTOGRAM: Struct = {
    16: (thrift.STRUCT, {3: (thrift.LIST, thrift.Sequence(thrift.I64, [1, 1, 1]))})
}
_HADOOP_FIELDS = pa.schema([pa.field(name, pa.float64(), nullable=False) for name in "ixy"])

CASES = [
    refused(
        "encrypted-columns.parquet",
        encrypted(_PLAIN, ["x"], plain_footer=True),
        "Unparsable",
        "has encrypted columns: write it without encryption",
    ),
    refused(
        "encrypted-footer.parquet",
        encrypted(_PLAIN, ["x"], plain_footer=False),
        "Unparsable",
        "is encrypted: write it without encryption",
    ),
    refused(
        "encrypted-all.parquet", encrypted(_PLAIN, [], plain_footer=True), "Unparsable", "encrypted"
    ),
    refused("no-such-codec.parquet", _of_chunk(1, {4: (thrift.I32, 99)}), "Unparsable", _DAMAGED),
    refused("histogram-too-long.parquet", _of_chunk(1, _HISTOGRAM), "Unparsable", _DAMAGED),
    predicted("no-such-codec-unread.parquet", _of_chunk(_ODD, {4: (thrift.I32, 99)}), answers(AB)),
    predicted("histogram-unread.parquet", _of_chunk(_ODD, _HISTOGRAM), answers(AB)),
    *(
        predicted(f"unread-{name}.parquet", _of_type(annotation), answers(AB))
        for name, annotation in _UNREAD.items()
    ),
    refused(
        "kept-unknown-type.parquet",
        _of_type({1: (thrift.I32, 99)}),
        "SchemaMismatch",
        "the column 'odd' cannot be read",
        run=LENIENT,
    ),
    predicted(
        "lz4-of-hadoop.parquet",
        in_hadoops_lz4({"i": [7.0, 8.0], "x": [1.0, 3.0], "y": [2.0, 4.0]}),
        written(
            pa.table(
                [[7.0, 8.0], [21.0, 43.0]],
                pa.schema([_HADOOP_FIELDS.field("i"), pa.field("prediction", pa.float64())]),
            )
        ),
    ),
    predicted("keeps-int96.parquet", _spark(rows(_FAR)), answers(_FAR)),
    predicted(
        "reads-int96.parquet",
        _spark(pa.table({"id": AB, "t": _TIMES})),
        written(pa.table({"id": AB, "seen": pa.array(_SEEN, pa.large_string())})),
        run=MIRROR,
    ),
    refused(
        "reads-int96-of-far-years.parquet",
        _spark(pa.table({"id": AB, "t": _FAR})),
        "TooManyRejected",
        "2 of 2 rows are bad",
        "row 1: column 't' is a time outside of the years 1678 to 2261",
        run=MIRROR,
    ),
]
