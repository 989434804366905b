"""The same rows as a file of each format, and the outputs of each format read again."""

import io
import json
from collections.abc import Callable

import pandas as pd

from worker.interfaces import Format


def write_csv(rows: pd.DataFrame) -> bytes:
    """Write a CSV."""
    return rows.to_csv(index=False).encode()


def write_json(rows: pd.DataFrame) -> bytes:
    """Write JSON Lines with every digit; missing cells are null."""
    values = rows.astype(object).where(rows.notna(), None)
    return "".join(f"{json.dumps(row)}\n" for row in values.to_dict("records")).encode()


def write_parquet(rows: pd.DataFrame) -> bytes:
    """Write Parquet."""
    buffer = io.BytesIO()
    rows.to_parquet(buffer, index=False)
    return buffer.getvalue()


WRITERS: dict[Format, Callable[[pd.DataFrame], bytes]] = {
    "csv": write_csv,
    "jsonl": write_json,
    "parquet": write_parquet,
}


def read(output: bytes, output_format: Format) -> pd.DataFrame:
    """Read an output; in CSV and JSON all cells as text."""
    if output_format == "csv":
        return pd.read_csv(io.BytesIO(output), dtype=str, keep_default_na=False)
    if output_format == "jsonl":
        lines = output.decode().removesuffix("\n").split("\n")
        return pd.DataFrame([json.loads(line, parse_float=str, parse_int=str) for line in lines])
    return pd.read_parquet(io.BytesIO(output))
