"""Writes Parquet with Arrow and pandas, never with the worker."""

import io
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

AB = pa.array(["a", "b"])


def written(table: pa.Table, **options: object) -> bytes:
    """Return the table as a file."""
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, **options)
    return buffer.getvalue()


def in_groups(tables: Sequence[pa.Table]) -> bytes:
    """Return a file with a row group for each table."""
    buffer = io.BytesIO()
    with parquet.ParquetWriter(buffer, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    return buffer.getvalue()


def of_pandas(frame: pd.DataFrame) -> bytes:
    """Return the frame as a file that pandas writes, with its index."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def rows(first: pa.Array, **others: object) -> pa.Table:
    """Return two rows whose predictions are 21 and 43, after a first column of any type."""
    return pa.table({"id": first, "x": [1.0, 3.0], "y": [2.0, 4.0], **others})


def answers(first: pa.Array) -> bytes:
    """Return the expected output for `rows` with that first column."""
    return written(pa.table({"id": first, "prediction": [21.0, 43.0]}))
