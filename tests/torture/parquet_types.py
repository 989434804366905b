"""Parquet: kept columns and feature columns of every type."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa

from tests.torture.case import predicted, refused
from tests.torture.parquet_writing import AB, answers, rows, written
from tests.torture.runs import AS_CSV, LENIENT, SHOP

# Two rows of each type, the second one null.
_KEPT = {
    "bool": pa.array([True, None]),
    "int8": pa.array([-128, None], pa.int8()),
    "uint64": pa.array([2**64 - 1, None], pa.uint64()),
    "float16": pa.array([np.float16(1.5), None], pa.float16()),
    "float32": pa.array([0.1, None], pa.float32()),
    "decimal": pa.array([Decimal("1.10"), None], pa.decimal128(10, 2)),
    "wide-decimal": pa.array([Decimal("-" + "9" * 60), None], pa.decimal256(60, 0)),
    "date": pa.array([date(2024, 2, 29), None]),
    "time": pa.array([time(23, 59, 59, 999_999), None]),
    "seconds": pa.array([datetime(1, 1, 1), None], pa.timestamp("ms")),  # noqa: DTZ001 - without a zone on purpose
    "nanoseconds": pa.array([1, None], pa.timestamp("ns")),
    "with-a-zone": pa.array(
        [datetime(2024, 10, 27, 1, tzinfo=UTC), None], pa.timestamp("us", "Europe/Berlin")
    ),
    "duration": pa.array([timedelta(days=-1, microseconds=1), None]),
    "text": pa.array(["007\0\n\u202e", None]),
    "large-text": pa.array(["", None], pa.large_string()),
    "text-view": pa.array(["a text of more than twelve bytes", None], pa.string_view()),
    "binary": pa.array([b"\xff\0", None]),
    "fixed-binary": pa.array([b"\xff\0", None], pa.binary(2)),
    "uuid": pa.array([bytes(range(16)), None], pa.uuid()),
    "category": pa.array(["a", None]).dictionary_encode(),
    "struct": pa.array([{"a": 1, "b": [1, None]}, None]),
    "list": pa.array([[[1.5], []], None]),
    "fixed-list": pa.array([[1, 2], None], pa.list_(pa.int16(), 2)),
    "map": pa.array([[("k", 1), ("l", None)], None], pa.map_(pa.string(), pa.int64())),
    "nothing": pa.array([None, None]),
}

# The numbers 1 and 3 in types that a model of numbers takes.
_NUMBERS = {
    "int8": pa.array([1, 3], pa.int8()),
    "uint64": pa.array([1, 3], pa.uint64()),
    "float16": pa.array([np.float16(1), np.float16(3)], pa.float16()),
    "float32": pa.array([1, 3], pa.float32()),
    "decimal": pa.array([Decimal("1.00"), Decimal("3.00")]),
    "category": pa.array([1, 3]).dictionary_encode(),
    "text": pa.array(["1", "3.0"]),
    "large-text": pa.array(["1", "3.0"], pa.large_string()),
    "category-of-text": pa.array(["1", "3"]).dictionary_encode(),
    "bytes-of-digits": pa.array([b"1", b"3"]),  # Impala and Hive write text as bytes
}

# Types that are not numbers, although libraries convert them to numbers.
_NOT_NUMBERS = {
    "timestamp": pa.array([1, 3], pa.timestamp("us")),
    "date": pa.array([date(2024, 2, 29)] * 2),
    "time": pa.array([time(1), time(3)]),
    "duration": pa.array([1, 3], pa.duration("s")),
    "list": pa.array([[1], [3]]),
    "struct": pa.array([{"x": 1}, {"x": 3}]),
}


CASES = [
    *(
        predicted(f"keeps-{name}.parquet", written(rows(column)), answers(column))
        for name, column in _KEPT.items()
    ),
    *(
        predicted(
            f"features-{name}.parquet",
            written(pa.table({"id": AB, "x": column, "y": [2, 4]})),
            answers(AB),
        )
        for name, column in _NUMBERS.items()
    ),
    *(
        refused(
            f"features-{name}.parquet",
            written(pa.table({"id": AB, "x": column, "y": [2, 4]})),
            "SchemaMismatch",
            f"the column 'x' is of type {str(column.type).partition('<')[0]}",
        )
        for name, column in _NOT_NUMBERS.items()
    ),
    predicted(
        "keeps-all.parquet",
        written(rows(AB, deep=[{"a": [1]}, None], when=pa.array([1, None], pa.timestamp("ns")))),
        written(
            rows(
                AB,
                deep=[{"a": [1]}, None],
                when=pa.array([1, None], pa.timestamp("ns")),
                prediction=[21.0, 43.0],
            )
        ),
        run=LENIENT,
    ),
    predicted(
        "text-that-is-no-number.parquet",
        written(pa.table({"id": AB, "x": ["1", "one"], "y": [2, 4]})),
        written(pa.table({"id": ["a"], "x": ["1"], "y": [2], "prediction": [21.0]})),
        rejects=b"line,reason,row\n2,\"column 'x' is 'one', not a number\","
        b'"{""id"": ""b"", ""x"": ""one"", ""y"": 4}"\n',
        run=LENIENT,
    ),
    predicted(
        "null-for-a-model-that-takes-none.parquet",
        written(pa.table({"id": AB, "x": [1, None], "y": [2, 4]})),
        written(pa.table({"id": ["a"], "x": pa.array([1]), "y": [2], "prediction": [21.0]})),
        rejects=b"line,reason,row\n2,\"column 'x' is missing, which the model does not take\","
        b'"{""id"": ""b"", ""x"": null, ""y"": 4}"\n',
        run=LENIENT,
    ),
    predicted(
        "null-and-nan-for-a-model-that-takes-them.parquet",
        written(
            pa.table(
                {
                    "id": [1, 2, 3],
                    "colour": pa.array(["red", None, "green"]).dictionary_encode(),
                    "size": [1.0, None, float("nan")],
                }
            )
        ),
        written(pa.table({"id": [1, 2, 3], "prediction": [1.0, 13.0, 12.0]})),
        run=SHOP,
    ),
    predicted(
        "into-csv.parquet",
        written(rows(AB, when=[date(2024, 2, 29), None], sure=[True, None])),
        b"id,x,y,when,sure,prediction\na,1.0,2.0,2024-02-29,true,21.0\nb,3.0,4.0,,,43.0\n",
        suffix=".csv",
        run=AS_CSV,
    ),
    refused(
        "nested-into-csv.parquet",
        written(rows(pa.array([[1], []]))),
        "SchemaMismatch",
        "the column 'id' is of type list<element: int64>, which CSV cannot hold",
        run=AS_CSV,
    ),
]
