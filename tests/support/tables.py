"""Writes a table as a file of each format."""

import io

import pandas as pd


def csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


def json_lines(table: pd.DataFrame) -> bytes:
    return table.to_json(orient="records", lines=True, double_precision=15).encode()


def parquet(table: pd.DataFrame, row_group_rows: int = 1_000_000) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, row_group_size=row_group_rows)
    return buffer.getvalue()
