"""Parquet: unusual layouts, and damaged files."""

import pandas as pd
import pyarrow as pa

from tests.torture.case import predicted, refused
from tests.torture.parquet_writing import AB, answers, in_groups, of_pandas, rows, written

CODECS = ("NONE", "SNAPPY", "GZIP", "BROTLI", "LZ4", "ZSTD")
MANY = 25_001  # rows: two whole batches and a row

_COUNT = pa.array(range(MANY))
_BIG = pa.table({"id": _COUNT, "x": _COUNT, "y": pa.repeat(1, MANY)})
_BIG_ANSWERS = written(pa.table({"id": _COUNT, "prediction": [row + 10.0 for row in range(MANY)]}))
_HALVES = [pa.array([label] * 6000).dictionary_encode() for label in "ab"]
_INDEXED = pd.DataFrame({"id": ["a", "b"], "x": [1, 3], "y": [2, 4]}, index=[7, 5])
_PLAIN = rows(AB)
_WHOLE = written(_PLAIN)
_SUMMED = written(_BIG, write_page_checksum=True)
_FLIPPED = _SUMMED[:5000] + bytes([_SUMMED[5000] ^ 1]) + _SUMMED[5001:]

CASES = [
    *(
        predicted(
            f"codec-{codec.lower()}.parquet",
            written(_PLAIN, compression=codec),
            written(pa.table({"id": AB, "prediction": [21.0, 43.0]}), compression=codec),
        )
        for codec in CODECS
    ),
    predicted("columns-shuffled.parquet", written(_PLAIN.select(["id", "y", "x"])), answers(AB)),
    predicted(
        "column-with-dots.parquet",
        written(rows(AB, **{"x.y": ["no", "no"], "y.x": [{"z": 1}] * 2})),
        answers(AB),
    ),
    predicted("index-of-pandas.parquet", of_pandas(_INDEXED), answers(AB.cast(pa.large_string()))),
    predicted("many-small-row-groups.parquet", written(_BIG, row_group_size=97), _BIG_ANSWERS),
    predicted("one-row-group.parquet", written(_BIG, row_group_size=MANY), _BIG_ANSWERS),
    predicted(
        "empty-row-groups.parquet",
        in_groups([_PLAIN.slice(0, 0), _PLAIN.slice(0, 1), _PLAIN.slice(0, 0), _PLAIN.slice(1)]),
        answers(AB),
    ),
    predicted(
        "another-dictionary-in-each-row-group.parquet",
        in_groups(
            [
                pa.table({"id": half, "x": pa.repeat(1, 6000), "y": pa.repeat(2, 6000)})
                for half in _HALVES
            ]
        ),
        written(
            pa.table(
                {
                    "id": pa.chunked_array(_HALVES).unify_dictionaries(),
                    "prediction": pa.repeat(21.0, 12_000),
                }
            )
        ),
    ),
    predicted(
        "no-rows.parquet",
        written(_PLAIN.slice(0, 0)),
        written(
            pa.table({"id": pa.array([], pa.string()), "prediction": pa.array([], pa.float64())})
        ),
    ),
    predicted("named.csv", _WHOLE, answers(AB)),
    predicted("csv-named.parquet", b"id,x,y\na,1,2\n", b"id,prediction\na,21.0\n"),
    predicted(
        "old-format.parquet",
        written(_PLAIN, version="1.0", data_page_version="1.0", use_dictionary=False),
        answers(AB),
    ),
    predicted(
        "new-pages.parquet",
        written(_PLAIN, version="2.6", data_page_version="2.0"),
        answers(AB),
    ),
    refused("no-columns.parquet", written(pa.table({})), "SchemaMismatch", "'x', 'y'"),
    refused(
        "duplicate-columns.parquet",
        written(pa.Table.from_arrays([AB, *[_COUNT[:2]] * 3], names=["id", "x", "x", "y"])),
        "SchemaMismatch",
        "column names must differ",
    ),
    refused(
        "missing-column.parquet",
        written(pa.table({"id": AB, "x": [1, 3], "Y": [2, 4]})),
        "SchemaMismatch",
        "'y' (nearest: 'Y')",
    ),
    refused(
        "cut-off.parquet", _WHOLE[:-100], "Unparsable", "the Parquet file is corrupt or truncated"
    ),
    refused("cut-to-its-magic.parquet", b"PAR1", "Unparsable", "corrupt or truncated"),
    refused(
        "wrong-magic-at-the-end.parquet",
        _WHOLE[:-4] + b"PAR2",
        "Unparsable",
        "corrupt or truncated: its end is not a footer",
    ),
    refused("beginning-lost.parquet", _WHOLE[4:], "Unparsable", "is not utf-8"),
    refused(
        "footer-longer-than-the-file.parquet",
        _WHOLE[:-8] + b"\xff\xff\xff\x7fPAR1",
        "Unparsable",
        "corrupt or truncated: its end is not a footer",
    ),
    refused(
        "footer-overwritten.parquet",
        _WHOLE[:-200] + bytes(192) + _WHOLE[-8:],
        "Unparsable",
        "the Parquet file is corrupt or truncated",
    ),
    refused(
        "flipped-bit.parquet",
        _FLIPPED,
        "Unparsable",
        "the Parquet file is corrupt or truncated",
        "CRC",
    ),
    refused(
        "pages-overwritten.parquet",
        _WHOLE[:4] + bytes(60) + _WHOLE[64:],
        "Unparsable",
        "the Parquet file is corrupt or truncated",
    ),
]
