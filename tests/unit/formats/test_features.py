import io
import math
import re

import pandas as pd
import pyarrow as pa
import pytest
from pandas._libs.parsers import (  # type: ignore[import-not-found] # pandas keeps the list private
    STR_NA_VALUES,
)

from worker.errors import SchemaMismatch
from worker.formats import Feature, FeatureConverter, ModelInputs
from worker.formats.base import CellForm
from worker.formats.type_inference import (
    MISSING_VALUES,
    convert_text,
    infer_type,
    numbers_to_float64,
)

ANY = ModelInputs(names=None, count=None, numbers_only=False, takes_missing=True)
NUMBERS = ModelInputs(names=None, count=None, numbers_only=True, takes_missing=True)


def text(*cells: str) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(cells, pa.string())])


def features(inputs: ModelInputs = ANY, *, cells: CellForm = "text") -> FeatureConverter:
    return FeatureConverter([Feature("x", "x")], inputs, cells=cells)


def test_the_missing_tokens_are_those_of_pandas() -> None:
    assert set(MISSING_VALUES) == set(STR_NA_VALUES)


def test_null_and_empty_text_are_both_missing() -> None:
    for cells in (["1", "", None], ["x", "", None]):
        values, bad = features().convert(pa.table({"x": cells}))
        assert (values["x"].null_count, bad) == (2, {})


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("1", "-2.5", "1e5"), "number"),
        (("1", "NA", ""), "number"),
        (("", "", ""), "number"),
        ((" 1", "+2 ", ".5", "5.", "inf", "-Infinity"), "number"),
        (("true", "False", "TRUE"), "boolean"),
        (("true", "1"), "text"),
        (("true", "", "NA"), "boolean"),
        (("1", "1,5"), "text"),
        (("1", "0x10"), "text"),
        (("1", "1_0"), "text"),
        (("1", " "), "text"),
        ((), "number"),
    ],
)
def test_the_type_of_a_column_follows_from_its_cells(cells: tuple[str, ...], expected: str) -> None:
    assert infer_type(text(*cells), numbers_only=False) == expected


def test_for_a_model_of_numbers_text_is_numbers_that_do_not_fit() -> None:
    assert infer_type(text("1", "red"), numbers_only=True) == "number"


def test_booleans_stay_booleans_for_a_model_of_numbers() -> None:
    assert infer_type(text("true", "false"), numbers_only=True) == "boolean"


def test_numbers_are_read_the_same_beside_cells_that_do_not_fit() -> None:
    cells = ["1.5", " 2", "+3", "4 ", ".5", "5.", "1e400", "-1e-400", "INF", "7E+2"]
    exclusive = [convert_text(text(cell), "number")[0][0].as_py() for cell in cells]
    beside, misfits = convert_text(text(*cells, "x"), "number")
    assert misfits.tolist() == [len(cells)]
    assert [str(value) for value in beside.to_pylist()[:-1]] == [str(value) for value in exclusive]
    assert exclusive[:6] == [1.5, 2, 3, 4, 0.5, 5]


def test_text_keeps_its_cells_but_the_missing_ones() -> None:
    assert convert_text(text("a", "NA", "", " b"), "text")[0].to_pylist() == ["a", None, None, " b"]


def test_what_does_not_fit_the_first_batch_is_a_bad_row_with_column_and_value() -> None:
    column = features()
    column.convert(pa.table({"x": ["1", "2"]}))
    values, bad = column.convert(pa.table({"x": ["3", "four", "5"]}))
    assert values["x"].to_pylist() == [3.0, None, 5.0]
    assert bad == {1: "column 'x' is 'four', not a number"}


def test_a_cell_that_is_no_boolean_is_a_bad_row_and_one_without_any_is_missing() -> None:
    column = features()
    column.convert(pa.table({"x": ["true"]}))
    values, bad = column.convert(pa.table({"x": ["false", "yes", "", None]}))
    assert values["x"].to_pylist()[::2] == [False, None]
    assert values["x"].to_pylist()[3] is None
    assert bad == {1: "column 'x' is 'yes', neither true nor false"}


def test_a_missing_boolean_is_a_bad_row_for_a_model_that_takes_nothing_missing() -> None:
    column = features(ModelInputs(names=None, count=None, numbers_only=True, takes_missing=False))
    _, bad = column.convert(pa.table({"x": ["true", "NA"]}))
    assert bad == {1: "column 'x' is missing, which the model does not take"}


@pytest.mark.parametrize(
    "cells",
    [("true", "", "False"), ("1", "", "2"), ("red", "NA", ""), ("true", "false"), ("", "")],
)
def test_a_frame_of_text_is_the_one_that_pandas_reads(cells: tuple[str, ...]) -> None:
    frame, _ = features().to_frame(pa.table({"x": cells}))
    read = pd.read_csv(io.StringIO("\n".join(["x", *cells, ""])), skip_blank_lines=False)
    pd.testing.assert_frame_equal(frame, read, check_dtype=cells[0] != "1")


def test_a_frame_of_values_is_the_one_that_pandas_reads() -> None:
    table = pa.table({"x": [True, None, False]})
    frame, _ = features(cells="typed").to_frame(table)
    pd.testing.assert_frame_equal(frame, table.to_pandas())


@pytest.mark.parametrize("named", [("x",), ("*",)])
def test_a_column_that_the_model_takes_as_text_is_text_whatever_it_looks_like(
    named: tuple[str, ...],
) -> None:
    inputs = ModelInputs(None, None, numbers_only=False, takes_missing=True, text_columns=named)
    values, bad = features(inputs).convert(pa.table({"x": ["007", "NA"]}))
    assert (values["x"].to_pylist(), bad) == (["007", None], {})


def test_anything_fits_a_column_that_began_as_text() -> None:
    column = features()
    column.convert(pa.table({"x": ["red"]}))
    values, bad = column.convert(pa.table({"x": ["1", "NA"]}))
    assert (values["x"].to_pylist(), bad) == (["1", None], {})


def test_a_long_cell_is_shown_cut() -> None:
    column = features(ModelInputs(names=None, count=None, numbers_only=True, takes_missing=True))
    _, bad = column.convert(pa.table({"x": ["y" * 1000]}))
    assert len(bad[0]) < 120


def test_missing_numbers_go_through_as_nan() -> None:
    values, bad = features().convert(pa.table({"x": ["1", "", "nan"]}))
    assert bad == {}
    assert [math.isnan(value) for value in values.to_pandas()["x"]] == [False, True, True]


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ("typed", pa.array([1.0, None, math.nan])),
        ("text", pa.array(["1", "", "nan"])),
        ("text", pa.array(["1", None, "nan"])),
    ],
)
def test_a_missing_cell_is_a_bad_row_for_a_model_that_takes_none(
    cells: CellForm, column: pa.Array
) -> None:
    strict = ModelInputs(names=None, count=None, numbers_only=True, takes_missing=False)
    _, bad = features(strict, cells=cells).convert(pa.table({"x": column}))
    reason = "column 'x' is missing, which the model does not take"
    assert bad == {1: reason, 2: reason}


def test_the_first_bad_column_of_a_row_gives_the_reason() -> None:
    strict = ModelInputs(names=None, count=None, numbers_only=True, takes_missing=True)
    _, bad = FeatureConverter([Feature("b", "b"), Feature("a", "a")], strict, cells="text").convert(
        pa.table({"a": ["x"], "b": ["y"]})
    )
    assert bad == {0: "column 'b' is 'y', not a number"}


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["1", "one", "NA"]),
        pa.array(["1", "one", "NA"], pa.large_string()),
        pa.array(["1", "one", "NA"], pa.string_view()),
        pa.array(["1", "one", "NA"]).dictionary_encode(),
    ],
)
def test_typed_text_becomes_numbers_for_a_model_of_numbers_and_other_text_a_bad_row(
    column: pa.Array,
) -> None:
    values, bad = features(NUMBERS, cells="typed").convert(pa.table({"x": column}))
    assert values["x"].to_pylist() == [1.0, None, None]
    assert bad == {1: "column 'x' is 'one', not a number"}


@pytest.mark.parametrize(
    "data_type", [pa.timestamp("us"), pa.date32(), pa.time32("s"), pa.duration("ns"), pa.binary()]
)
def test_a_typed_column_that_holds_no_numbers_is_refused_by_a_model_of_numbers(
    data_type: pa.DataType,
) -> None:
    table = pa.table({"x": pa.nulls(1, data_type)})
    message = re.escape(f"the column 'x' is of type {data_type}, and")
    with pytest.raises(SchemaMismatch, match=message):
        features(NUMBERS, cells="typed").convert(table)
    assert features(cells="typed").convert(table)[0]["x"].type == data_type


def test_typed_booleans_stay_booleans_for_a_model_of_numbers() -> None:
    values, bad = features(NUMBERS, cells="typed").convert(pa.table({"x": [True, None]}))
    assert (values["x"].to_pylist(), bad) == ([True, None], {})


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, None], pa.int8()),
        pa.array([1, None], pa.uint64()),
        pa.array([1, None], pa.float32()),
        pa.array([1, None], pa.decimal128(10, 2)),
        pa.array([1, None], pa.int64()).dictionary_encode(),
    ],
)
def test_every_typed_number_is_a_float64(column: pa.Array) -> None:
    values = numbers_to_float64(pa.chunked_array([column]))
    assert (values.type, values.to_pylist()) == (pa.float64(), [1.0, None])


def test_typed_text_loses_its_dictionary() -> None:
    values = pa.chunked_array([pa.array(["a", "b"]).dictionary_encode()])
    assert numbers_to_float64(values).type == pa.string()


def test_a_typed_column_of_nothing_is_missing_numbers() -> None:
    assert numbers_to_float64(pa.chunked_array([pa.nulls(2)])).type == pa.float64()
