import io
import math
import re

import pandas as pd
import pyarrow as pa
import pytest
from pandas._libs.parsers import (  # type: ignore[import-not-found] # pandas keeps the list private
    STR_NA_VALUES,
)

from worker.columns import ColumnSpec, Missing
from worker.errors import SchemaMismatch
from worker.formats import Feature, FeatureConverter, ModelInputs
from worker.formats.base import CellForm
from worker.formats.types.csv_kinds import CsvKinds
from worker.formats.types.text_cells import MISSING_VALUES, cast, to_floats

ANY = ModelInputs(names=None, count=None, numbers_only=False, takes_missing=True)
BOOLEANS = ModelInputs(
    None, None, numbers_only=False, takes_missing=True, specs=(ColumnSpec("bool"),)
)
NUMBERS = ModelInputs(names=None, count=None, numbers_only=True, takes_missing=True)


def text(*cells: str) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(cells, pa.string())])


def features(inputs: ModelInputs = ANY, *, cells: CellForm = "text") -> FeatureConverter:
    return FeatureConverter([Feature("x", "x", inputs.spec(0, "x"))], inputs, cells=cells)


def convert(converter: FeatureConverter, cells: object) -> tuple[list[object], dict[int, str]]:
    """Convert a batch of the column x; return its values, None for missing, and its bad rows."""
    table = pa.table({"x": cells})
    converter.add(table)
    frame, bad = converter.to_frame(table)
    return [None if pd.isna(value) else value for value in frame["x"]], bad


def test_the_missing_tokens_are_those_of_pandas() -> None:
    assert set(MISSING_VALUES) == set(STR_NA_VALUES)


def test_null_and_empty_text_are_both_missing() -> None:
    for cells in (["1", "", None], ["x", "", None]):
        values, bad = convert(features(), cells)
        assert (values.count(None), bad) == (2, {})


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("1", "2"), "int64"),
        (("1", "-2.5", "1e5"), "float64"),
        (("1", "NA", ""), "integers with gaps"),
        (("", "", ""), "float64"),
        ((" 1", "+2 ", ".5", "5.", "inf", "-Infinity"), "float64"),
        (("true", "False", "TRUE"), "booleans"),
        (("true", "1"), "text"),
        (("true", "", "NA"), "booleans with gaps"),
        (("1", "1,5"), "text"),
        (("1", "0x10"), "text"),
        (("1", "1_0"), "text"),
        (("1", " "), "text"),
        ((), "float64"),
    ],
)
def test_the_type_of_a_column_follows_from_its_cells(cells: tuple[str, ...], expected: str) -> None:
    kinds = CsvKinds()
    kinds.add(text(*cells))
    assert kinds.type == expected


def test_for_a_model_of_numbers_text_is_numbers_that_do_not_fit() -> None:
    values, bad = convert(features(NUMBERS), ["1", "red"])
    assert (values, bad) == ([1.0, None], {1: "column 'x' is 'red', not a number"})


def test_booleans_are_1_and_0_for_a_model_of_numbers() -> None:
    assert convert(features(NUMBERS), ["true", "false"]) == ([1.0, 0.0], {})


def test_numbers_are_read_the_same_beside_cells_that_do_not_fit() -> None:
    cells = ["1.5", " 2", "+3", "4 ", ".5", "5.", "1e400", "-1e-400", "INF", "7E+2"]
    exclusive = [to_floats(text(cell))[0][0].as_py() for cell in cells]
    beside, misfits = to_floats(text(*cells, "x"))
    assert misfits.tolist() == [len(cells)]
    assert [str(value) for value in beside.to_pylist()[:-1]] == [str(value) for value in exclusive]
    assert exclusive[:6] == [1.5, 2, 3, 4, 0.5, 5]


def test_text_keeps_its_cells_but_the_missing_ones() -> None:
    assert convert(features(), ["a", "NA", "", " b"]) == (["a", None, None, " b"], {})


def test_what_does_not_fit_the_models_type_is_a_bad_row_with_column_and_value() -> None:
    column = features(NUMBERS)
    convert(column, ["1", "2"])
    values, bad = convert(column, ["3", "four", "5"])
    assert values == [3.0, None, 5.0]
    assert bad == {1: "column 'x' is 'four', not a number"}


def test_a_cell_that_is_no_boolean_is_a_bad_row_and_one_without_any_is_missing() -> None:
    column = features(BOOLEANS)
    convert(column, ["true"])
    values, bad = convert(column, ["false", "yes", "", None])
    assert values[::2] == [False, None]
    assert values[3] is None
    assert bad == {1: "column 'x' is 'yes', neither true nor false"}


def test_a_missing_boolean_is_a_bad_row_for_a_model_that_takes_nothing_missing() -> None:
    column = features(ModelInputs(names=None, count=None, numbers_only=True, takes_missing=False))
    _, bad = convert(column, ["true", "NA"])
    assert bad == {1: "column 'x' is missing, which the model does not take"}


@pytest.mark.parametrize(
    "cells",
    [("true", "", "False"), ("1", "", "2"), ("red", "NA", ""), ("true", "false"), ("", "")],
)
def test_a_frame_of_text_is_the_one_that_pandas_reads(cells: tuple[str, ...]) -> None:
    column, table = features(), pa.table({"x": cells})
    column.add(table)
    frame, _ = column.to_frame(table)
    read = pd.read_csv(io.StringIO("\n".join(["x", *cells, ""])), skip_blank_lines=False)
    pd.testing.assert_frame_equal(frame, read)


def test_a_frame_of_values_is_the_one_that_pandas_reads() -> None:
    table = pa.table({"x": [True, None, False]})
    column = features(cells="typed")
    column.add(table)
    frame, _ = column.to_frame(table)
    pd.testing.assert_frame_equal(frame, table.to_pandas())


@pytest.mark.parametrize("named", [("x",), ("*",)])
def test_a_column_that_the_model_takes_as_text_is_text_whatever_it_looks_like(
    named: tuple[str, ...],
) -> None:
    inputs = ModelInputs(None, None, numbers_only=False, takes_missing=True, text_columns=named)
    assert convert(features(inputs), ["007", "NA"]) == (["007", None], {})


def test_anything_fits_a_column_that_began_as_text() -> None:
    column = features()
    convert(column, ["red"])
    assert convert(column, ["1", "NA"]) == (["1", None], {})


def test_a_long_cell_is_shown_cut() -> None:
    column = features(ModelInputs(names=None, count=None, numbers_only=True, takes_missing=True))
    _, bad = convert(column, ["y" * 1000])
    assert len(bad[0]) < 120


def test_missing_numbers_go_through_as_nan() -> None:
    column = features()
    table = pa.table({"x": ["1", "", "nan"]})
    column.add(table)
    frame, bad = column.to_frame(table)
    assert bad == {}
    assert [math.isnan(value) for value in frame["x"]] == [False, True, True]


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
    _, bad = convert(features(strict, cells=cells), column)
    reason = "column 'x' is missing, which the model does not take"
    assert bad == {1: reason, 2: reason}


def test_the_first_bad_column_of_a_row_gives_the_reason() -> None:
    strict = ModelInputs(names=None, count=None, numbers_only=True, takes_missing=True)
    both = [Feature(name, name, strict.spec(0, name)) for name in ("b", "a")]
    _, bad = FeatureConverter(both, strict, cells="text").to_frame(
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
    values, bad = convert(features(NUMBERS, cells="typed"), column)
    assert values == [1.0, None, None]
    assert bad == {1: "column 'x' is 'one', not a number"}


@pytest.mark.parametrize(
    "data_type", [pa.timestamp("us"), pa.date32(), pa.time32("s"), pa.duration("ns")]
)
def test_a_typed_column_that_holds_no_numbers_is_refused_by_a_model_of_numbers(
    data_type: pa.DataType,
) -> None:
    table = pa.table({"x": pa.nulls(1, data_type)})
    message = re.escape(f"the column 'x' is of type {data_type}, and")
    with pytest.raises(SchemaMismatch, match=message):
        features(NUMBERS, cells="typed").to_frame(table)
    frame, _ = features(cells="typed").to_frame(table)
    pd.testing.assert_frame_equal(frame, table.to_pandas())


def test_typed_booleans_are_1_and_0_for_a_model_of_numbers() -> None:
    values, bad = convert(features(NUMBERS, cells="typed"), pa.array([True, None]))
    assert (values, bad) == ([True, None], {})


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
def test_every_typed_number_is_a_float64_for_a_model_of_numbers(column: pa.Array) -> None:
    frame, _ = features(NUMBERS, cells="typed").to_frame(pa.table({"x": column}))
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"x": [1.0, None]}, dtype="float64"))


def test_typed_text_loses_its_dictionary_where_the_model_takes_text() -> None:
    column = pa.array(["a", "b"]).dictionary_encode()
    inputs = ModelInputs(None, None, numbers_only=False, takes_missing=True, text_columns=("*",))
    frame, _ = features(inputs, cells="typed").to_frame(pa.table({"x": column}))
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"x": ["a", "b"]}))


def test_a_typed_column_of_nothing_is_missing_numbers_for_a_model_of_numbers() -> None:
    frame, _ = features(NUMBERS, cells="typed").to_frame(pa.table({"x": pa.nulls(2)}))
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"x": [None, None]}, dtype="float64"))


@pytest.mark.parametrize(("nulls", "dtype"), [(1, "float64"), (0, "int64"), (None, "int64")])
def test_a_footer_that_counts_nulls_says_beforehand_that_integers_have_gaps(
    nulls: int | None, dtype: str
) -> None:
    converter = FeatureConverter(
        [Feature("x", "x")], ANY, cells="typed", null_count=lambda _: nulls
    )
    table = pa.table({"x": [1, 2]})
    assert not converter.add(table)
    frame, _ = converter.to_frame(table)
    assert str(frame["x"].dtype) == dtype
    assert converter.add(pa.table({"x": [3, None]})) == (nulls != 1)


def test_nulls_are_not_counted_of_a_column_whose_type_was_found_before() -> None:
    def refuse(name: str) -> int:
        raise AssertionError(name)

    first = FeatureConverter([Feature("x", "x")], ANY, cells="typed", null_count=lambda _: 1)
    first.add(pa.table({"x": [1]}))
    later = FeatureConverter(
        [Feature("x", "x")],
        ANY,
        cells="typed",
        first_types=first.found_types(),
        null_count=refuse,
    )
    frame, _ = later.convert(pa.table({"x": [2]}))
    assert pd.DataFrame(frame)["x"].dtype == float


def test_missing_cells_of_which_nothing_is_said_are_bad_rows_for_a_model_that_takes_none() -> None:
    strict = ModelInputs(names=None, count=None, numbers_only=False, takes_missing=False)
    for cells in (["1", "", "3"], ["a", "NA", "b"], ["true", None, "false"]):
        column = FeatureConverter([Feature("x", "x")], strict, cells="text")
        _, bad = convert(column, cells)
        assert bad == {1: "column 'x' is missing, which the model does not take"}


def test_a_column_of_too_many_categories_is_refused_with_the_setting_that_helps() -> None:
    column = pa.array([str(number) for number in range(100_001)]).dictionary_encode()
    with pytest.raises(SchemaMismatch, match="set WORKER_DTYPES=x=text"):
        features(cells="typed").to_frame(pa.table({"x": column}))


def test_a_few_rows_of_many_columns_of_numbers_are_converted_in_one_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [f"x{number}" for number in range(1000)]
    table = pa.table({name: ["1.5", str(number)] for number, name in enumerate(names)})
    casts = 0

    def counted(column: pa.Array, data_type: pa.DataType) -> pa.Array | None:
        nonlocal casts
        casts += 1
        return cast(column, data_type)

    monkeypatch.setattr("worker.formats.features.cast", counted)
    monkeypatch.setattr("worker.formats.types.text_cells.cast", counted)
    spec = NUMBERS.spec(0, "x")
    converter = FeatureConverter(
        [Feature(name, name, spec) for name in names], NUMBERS, cells="text"
    )

    frame, bad = converter.to_frame(table)

    assert (casts, bad) == (1, {})
    assert frame.iloc[0].tolist() == [1.5] * 1000
    assert frame.iloc[1].tolist() == list(range(1000))
    assert list(frame.columns) == names


@pytest.mark.parametrize("missing", ["nan", "none", "refused"])
@pytest.mark.parametrize("odd", ["", "nan", "?", "true", None])
def test_an_odd_cell_in_a_few_rows_means_the_same_as_in_many(
    odd: str | None, missing: Missing
) -> None:
    spec = ColumnSpec("float", missing=missing)
    converter = FeatureConverter(
        [Feature("a", "a", spec), Feature("b", "b", spec)], NUMBERS, cells="text"
    )
    few = pa.table({"a": ["1", "2"], "b": pa.array(["3", odd], pa.string())})
    many = pa.concat_tables([few, *[few.slice(0, 1)] * 100])

    frame, bad = converter.to_frame(few)
    frame_of_many, bad_of_many = converter.to_frame(many)

    pd.testing.assert_frame_equal(frame, frame_of_many.iloc[:2])
    assert bad == bad_of_many


def test_a_column_that_pandas_cannot_hold_is_named_with_its_type() -> None:
    times = pa.array([0, 1], pa.timestamp("us", "Mars/Olympus"))
    converter = FeatureConverter([Feature("a", "a"), Feature("when", "when")], ANY, cells="typed")
    with pytest.raises(SchemaMismatch, match=r"'when' of type timestamp\[us, tz=Mars/Olympus\]"):
        converter.to_frame(pa.table({"a": [1, 2], "when": times}))
