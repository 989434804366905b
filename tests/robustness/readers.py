"""Readers under judgement: the product, and others as a reference."""

import io
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from tests.robustness.json_lines import as_row, parsed
from tests.robustness.parquet_damage import as_header, as_rows
from tests.robustness.verdict import Loaded, Polluted, RefusedError, Row
from tests.support.whole_file import ScoredFile, score
from worker.errors import PermanentError
from worker.interfaces import Format
from worker.models import Predictor

_NUMBER = "row number of the prediction"


class TakesEverything:
    """A predictor that takes any columns by position, and says nothing of their types."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Number the rows."""
        return pd.DataFrame({_NUMBER: np.arange(len(frame))})


class TakesText(TakesEverything):
    """A predictor that takes any columns by position, all as text: no type saves a wrong row."""

    text_columns = ("*",)


class TakesNumbers(TakesEverything):
    """A predictor that takes any columns by position, all as numbers."""

    numbers_only = True


def product(file: Polluted) -> Loaded:
    """Read a CSV as a worker does that keeps all columns, and rejects any number of rows."""
    return _as_loaded(_score(file, "parquet", TakesText()))


def product_numbers(file: Polluted) -> Loaded:
    """Read a CSV as that worker does with a model that takes numbers only."""
    return _as_loaded(_score(file, "parquet", TakesNumbers()))


def _as_loaded(scored: ScoredFile) -> Loaded:
    table = parquet.read_table(io.BytesIO(scored.output)).drop_columns([_NUMBER])
    columns = [["" if cell is None else cell for cell in one.to_pylist()] for one in table.columns]
    return Loaded(tuple(table.column_names), list(zip(*columns, strict=True)), scored.rejected)


def product_json(file: Polluted) -> Loaded:
    """Read JSON Lines as that worker does."""
    scored = _score(file, "jsonl")
    rows = []
    for line in scored.output.decode().removesuffix("\n").split("\n") if scored.rows else []:
        row = dict(parsed(line))
        del row[_NUMBER]
        rows.append(as_row(row))
    return Loaded((), rows, scored.rejected)


def product_parquet(file: Polluted) -> Loaded:
    """Read Parquet as that worker does."""
    scored = _score(file, "parquet")
    read = parquet.read_table(io.BytesIO(scored.output)).drop_columns([_NUMBER])
    return Loaded(as_header(read), as_rows(read), scored.rejected)


def _score(file: Polluted, output: Format, predictor: Predictor | None = None) -> ScoredFile:
    options = replace(file.settings, keep_columns=("*",), output_format=output, max_rejected=1.0)
    try:
        return score(file.body, predictor or TakesEverything(), options)
    except PermanentError as error:
        raise RefusedError(f"{type(error).__name__}: {error}") from error


def pandas_csv(file: Polluted) -> Loaded:
    """Read a CSV by pandas.read_csv with its defaults, but every cell as text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = pd.read_csv(io.BytesIO(file.body), dtype=str, keep_default_na=False)
    except (ValueError, UnicodeError, pd.errors.ParserError) as error:
        raise RefusedError(str(error)) from error
    index_is_data = not isinstance(table.index, pd.RangeIndex)
    rows: list[Row] = [
        tuple("" if cell is None else str(cell) for cell in row)
        for row in table.itertuples(index=index_is_data)
    ]
    return Loaded(tuple(map(str, table.columns)), rows, 0)


def pandas_json(file: Polluted) -> Loaded:
    """Read JSON Lines by pandas.read_json, and write them again."""
    try:
        table = pd.read_json(io.BytesIO(file.body), lines=True, dtype=False, convert_dates=False)
        text = table.to_json(orient="records", lines=True)
    except (ValueError, UnicodeError, OverflowError, RecursionError) as error:
        raise RefusedError(str(error)) from error
    return Loaded((), [as_row(parsed(line)) for line in text.splitlines()], 0)


def arrow_parquet(file: Polluted) -> Loaded:
    """Read Parquet by pyarrow, with the checksums of pages verified."""
    try:
        read = parquet.read_table(io.BytesIO(file.body), page_checksum_verification=True)
        return Loaded(as_header(read), as_rows(read), 0)
    except (pa.ArrowException, OSError, ValueError, UnicodeError, OverflowError) as error:
        raise RefusedError(str(error)) from error
