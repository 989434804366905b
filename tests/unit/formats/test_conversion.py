"""A cell that has no place in what is said of its column is a bad row, wherever it stands."""

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from worker.columns import ColumnSpec
from worker.errors import SchemaMismatch
from worker.formats import Feature, FeatureConverter, ModelInputs
from worker.formats.base import CellForm

ANY = ModelInputs(names=None, count=None, numbers_only=False, takes_missing=True)
LARGE = 2**53
WORDS = ("", "NA", "None", "nan", "null", "red")


def frame_of(
    spec: ColumnSpec, cells: object, form: CellForm = "text"
) -> tuple[pd.DataFrame, dict[int, str]]:
    converter = FeatureConverter([Feature("x", "x", spec)], ANY, cells=form)
    column = cells if isinstance(cells, pa.Array) else pa.array(cells, pa.string())
    return converter.to_frame(pa.table({"x": column}))


def good(spec: ColumnSpec, cells: object, form: CellForm = "text") -> list[Any]:
    """Return the values of the good rows as Python objects, with their types."""
    frame, bad = frame_of(spec, cells, form)
    return frame.drop(index=list(bad))["x"].astype(object).tolist()


def bad_rows(spec: ColumnSpec, cells: object, form: CellForm = "text") -> list[int]:
    return sorted(frame_of(spec, cells, form)[1])


def typed(values: list[object]) -> list[tuple[str, object]]:
    return [(type(value).__name__, value) for value in values]


@pytest.mark.parametrize("odd", ["?", " ", "x", "1,5", "0x1", "1_0", "99999999999999999999"])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_one_odd_cell_among_integers_is_a_bad_row_and_the_others_stay_integers(
    odd: str, place: int
) -> None:
    cells = ["1", "2", "3"]
    cells.insert(place, odd)
    frame, bad = frame_of(ColumnSpec("int"), cells)
    assert bad == {place: f"column 'x' is {odd!r}, not a whole number of 64 bits"}
    assert frame["x"].dtype == np.int64
    assert frame["x"].drop(index=place).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("form", "cells"),
    [
        ("text", ["7", "+7", "007", " 7 ", "7.0", "7e0", "7.00E0"]),
        ("json", ["7", "7.0", '"7"', '"+7"', "7e0"]),
        ("typed", pa.array([7], pa.int8())),
        ("typed", pa.array([7], pa.uint64())),
        ("typed", pa.array([7.0], pa.float32())),
        ("typed", pa.array([Decimal("7.00")])),
        ("typed", pa.array(["7", "7.0"], pa.large_string())),
        ("typed", pa.array(["7"]).dictionary_encode()),
        ("typed", pa.array([b"7"])),
    ],
)
def test_whole_numbers_are_integers_however_they_are_written(form: CellForm, cells: object) -> None:
    assert set(typed(good(ColumnSpec("int"), cells, form))) == {("int", 7)}
    assert bad_rows(ColumnSpec("int"), cells, form) == []


@pytest.mark.parametrize(
    ("form", "cells"),
    [
        ("text", ["1.5", "true", "inf", "1e99999999999", "9223372036854775808", "seven", "1e400"]),
        ("text", ["\uff11", "1\u00a0", "\u0661", "1e", "+", "1e-99999999999", "9" * 5000]),
        ("json", ["1.5", "true", '"x"', "[1]", '{"a": 1}', '""', "Infinity"]),
        ("typed", pa.array([1.5, np.inf, 1e19])),
        ("typed", pa.array([2**63], pa.uint64())),
        ("typed", pa.array([True, False])),
        ("typed", pa.array([Decimal("1.5")])),
        ("typed", pa.array(["1.5", "x"])),
    ],
)
def test_what_is_no_whole_number_of_64_bits_is_a_bad_row(form: CellForm, cells: object) -> None:
    frame, bad = frame_of(ColumnSpec("int"), cells, form)
    assert list(bad) == list(range(len(frame)))


def test_large_integers_stay_exact_beside_missing_cells() -> None:
    cells = [str(LARGE), "", str(LARGE + 1)]
    assert good(ColumnSpec("int"), cells)[::2] == [LARGE, LARGE + 1]
    assert typed(good(ColumnSpec("int"), ["1", "", "2"]))[::2] == [("float", 1.0), ("float", 2.0)]
    assert good(ColumnSpec("int", missing="none"), cells) == [LARGE, None, LARGE + 1]


@pytest.mark.parametrize(
    ("form", "cells"),
    [
        ("text", ["True", "false", "1", "0", "TRUE", "0.0"]),
        ("json", ["true", "false", "1", '"false"', '"True"', "0"]),
        ("typed", pa.array([True, False, True, False, True, False])),
        ("typed", pa.array([1, 0, 1, 0, 1, 0], pa.int8())),
        ("typed", pa.array([1.0, 0.0] * 3)),
        ("typed", pa.array(["true", "False", "1", "0", "TRUE", "FALSE"])),
    ],
)
def test_booleans_are_true_and_false_and_1_and_0(form: CellForm, cells: object) -> None:
    frame, bad = frame_of(ColumnSpec("bool"), cells, form)
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"x": [True, False] * 3}))
    assert bad == {}


@pytest.mark.parametrize("cell", ["t", "f", "Y", "N", "yes", "2", "tRUE", "-1"])
@pytest.mark.parametrize("form", ["text", "json", "typed"])
def test_a_cell_that_is_neither_true_nor_false_is_a_bad_row(cell: str, form: CellForm) -> None:
    column = pa.array(["true", f'"{cell}"' if form == "json" else cell])
    frame, bad = frame_of(ColumnSpec("bool"), column, form)
    assert list(bad) == [1]
    assert bad[1].endswith(", neither true nor false")
    assert frame["x"].dtype == bool


def test_a_missing_boolean_is_nan_or_none_as_training_had_it() -> None:
    assert good(ColumnSpec("bool", missing="none"), ["true", ""]) == [True, None]
    assert pd.isna(good(ColumnSpec("bool"), ["true", ""])[1])
    assert bad_rows(ColumnSpec("bool", missing="refused"), ["true", ""]) == [1]


@pytest.mark.parametrize("cells", [["1", "2"], ["", "NA"], ["True", "True"], ["1.0", "x"]])
def test_a_text_column_stays_text_whatever_its_file_happens_to_hold(cells: list[str]) -> None:
    frame, bad = frame_of(ColumnSpec("text"), cells)
    assert (str(frame["x"].dtype), bad) == ("str", {})
    assert frame["x"].dropna().tolist() == [cell for cell in cells if cell not in {"", "NA"}]


@pytest.mark.parametrize("form", ["text", "json", "typed"])
def test_words_that_are_categories_are_values_and_not_missing(form: CellForm) -> None:
    cells = [f'"{word}"' if form == "json" else word for word in WORDS]
    assert good(ColumnSpec("text", categories=WORDS), cells, form) == list(WORDS)


def test_an_empty_cell_is_a_value_if_training_saw_empty_text() -> None:
    assert good(ColumnSpec("text", categories=("", "a")), ["a", None, ""]) == ["a", "", ""]
    assert good(ColumnSpec("text", "none", ("NA", "a")), ["a", None, "NA"]) == ["a", None, "NA"]


def test_an_encoder_fitted_on_none_meets_none() -> None:
    spec = ColumnSpec("text", missing="none", categories=("a", "b"))
    assert good(spec, ["a", "", "NA"]) == ["a", None, None]
    assert good(spec, ['"a"', "null", None], "json") == ["a", None, None]
    assert good(spec, pa.array(["a", None]), "typed") == ["a", None]


def test_json_strings_are_unquoted_and_whole_numbers_are_their_digits() -> None:
    cells = ['"007"', "7", '"a\\"b"', "12345678901234567890"]
    assert good(ColumnSpec("text"), cells, "json") == ["007", "7", 'a"b', "12345678901234567890"]


@pytest.mark.parametrize("cell", ["1.0", "true", "[1]", '{"a": 1}', "1e3"])
def test_json_that_is_not_certainly_a_text_is_a_bad_row(cell: str) -> None:
    _, bad = frame_of(ColumnSpec("text"), ['"a"', cell], "json")
    assert bad == {1: f"column 'x' is {cell}, not a text"}
    spec = ColumnSpec("text", categories=(cell, "a"))
    assert good(spec, ['"a"', cell], "json") == ["a", cell]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pa.array([1, None], pa.int64()), ["1"]),
        (pa.array([b"a", None]), ["a"]),
        (pa.array([b"a"], pa.large_binary()), ["a"]),
        (pa.array([b"a"], pa.binary(1)), ["a"]),
        (pa.array(["a", None]).dictionary_encode(), ["a"]),
        (pa.nulls(1), []),
    ],
)
def test_typed_cells_are_text_where_that_is_certain(column: pa.Array, values: list[str]) -> None:
    found = good(ColumnSpec("text"), column, "typed")
    assert [value for value in found if not pd.isna(value)] == values
    assert bad_rows(ColumnSpec("text"), column, "typed") == []


@pytest.mark.parametrize("value", [1.0, True, Decimal("1.5"), dt.date(2020, 1, 31)])
def test_a_typed_value_that_is_no_text_is_a_bad_row_unless_it_spells_a_category(
    value: object,
) -> None:
    assert bad_rows(ColumnSpec("text"), pa.array([value, None]), "typed") == [0]
    spec = ColumnSpec("text", categories=(str(value),))
    assert good(spec, pa.array([value]), "typed") == [str(value)]


@pytest.mark.parametrize("name", ["text", "float", "int", "bool", "category"])
def test_bytes_that_are_not_utf_8_are_a_bad_row(name: str) -> None:
    spec = ColumnSpec(name, categories=("1",))  # type: ignore[arg-type] # they are types
    _, bad = frame_of(spec, pa.array([b"1", b"\xff"]), "typed")
    assert list(bad) == [1]
    assert bad[1].endswith("not UTF-8")


@pytest.mark.parametrize(
    ("form", "cells"),
    [
        ("text", ["1.5", "true", "FALSE", " 2 ", "1e3"]),
        ("json", ["1.5", "true", "false", '"2"', "1e3"]),
        ("typed", pa.array(["1.5", "True", "FALSE", "2", "1e3"])),
        ("typed", pa.array([b"1.5", b"True", b"FALSE", b"2", b"1e3"])),
    ],
)
def test_a_model_of_numbers_takes_every_number_and_booleans(form: CellForm, cells: object) -> None:
    frame, bad = frame_of(ColumnSpec("float"), cells, form)
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"x": [1.5, 1.0, 0.0, 2.0, 1000.0]}))
    assert bad == {}


MIXED = (1, 2.5, "a", True)


@pytest.mark.parametrize(
    ("form", "cells"),
    [
        ("text", ["1", "2.5", "a", "True", "b", "7", ""]),
        ("json", ["1", "2.5", '"a"', "true", '"b"', "7", "null"]),
        ("json", ['"1"', '"2.5"', '"a"', '"True"', '"b"', "7", "null"]),
        ("typed", pa.array(["1", "2.5", "a", "True", "b", "7", None])),
    ],
)
def test_a_cell_becomes_the_category_that_it_spells_else_its_own_value(
    form: CellForm, cells: object
) -> None:
    found = good(ColumnSpec("category", "none", MIXED), cells, form)
    seven = ("str", "7") if form == "typed" else ("int", 7)
    own = [("str", "b"), seven, ("NoneType", None)]
    assert typed(found) == [*typed(list(MIXED)), *own]


def test_a_cell_of_text_that_spells_two_categories_is_a_bad_row() -> None:
    spec = ColumnSpec("category", categories=(1, "1", "a"))
    _, bad = frame_of(spec, ["a", "1"])
    assert bad == {1: "column 'x' is '1', which spells two of the model's categories"}
    assert typed(good(spec, ["1", '"1"'], "json")) == [("int", 1), ("str", "1")]


@pytest.mark.parametrize(
    ("spec", "cells"),
    [
        (ColumnSpec("text", categories=("a", "b"), as_categorical=True), ["b", "", "c", "a"]),
        (ColumnSpec("int", categories=(1, 2), as_categorical=True), ["2", "", "3", "1"]),
        (ColumnSpec("float", categories=(1.0, 2.5), as_categorical=True), ["2.5", "", "3", "1"]),
        (ColumnSpec("bool", categories=(False,), as_categorical=True), ["0", "", "1", "false"]),
        (ColumnSpec("category", "nan", ("a", 1), as_categorical=True), ["1", "", "x", "a"]),
    ],
)
def test_a_value_outside_of_a_categorical_is_a_bad_row_and_never_silently_missing(
    spec: ColumnSpec, cells: list[str]
) -> None:
    frame, bad = frame_of(spec, cells)
    assert frame["x"].cat.categories.tolist() == list(spec.categories or ())
    assert list(bad) == [2]
    assert bad[2].endswith("which is none of the model's categories")
    assert frame["x"].isna().tolist() == [False, True, True, False]
    assert spec.categories is not None
    assert frame["x"][3] == spec.categories[0]


def test_an_unused_column_may_hold_anything() -> None:
    frame, bad = frame_of(ColumnSpec("unused"), pa.array([[1], None]), "typed")
    assert frame["x"].isna().tolist() == [True, True]
    assert bad == {}


@pytest.mark.parametrize("name", ["float", "int", "bool", "text", "category"])
def test_a_missing_cell_that_the_model_refuses_is_a_bad_row_in_every_type(name: str) -> None:
    spec = ColumnSpec(name, "refused", ("1",))  # type: ignore[arg-type] # they are types
    for form, cells in {
        "text": ["1", "", None, "NA"],
        "json": ["1", "null", None, "NaN"],
        "typed": pa.array(["1", None, None, None]),
    }.items():
        _, bad = frame_of(spec, cells, form)  # type: ignore[arg-type] # they are forms
        reason = "column 'x' is missing, which the model does not take"
        assert bad == dict.fromkeys([1, 2, 3], reason)


def test_the_setting_comes_before_the_model_and_the_model_before_the_file() -> None:
    features = [Feature("a", "a", ColumnSpec("float")), Feature("b", "b"), Feature("c", "c")]
    converter = FeatureConverter(
        features, ANY, cells="text", dtypes={"a": "text", "b": "text", "absent": "int"}
    )
    table = pa.table({name: ["1", "2"] for name in "abc"})
    converter.add(table)
    frame, bad = converter.to_frame(table)
    assert ([str(dtype) for dtype in frame.dtypes], bad) == (["str", "str", "int64"], {})


def test_columns_keep_their_order_whatever_holds_them() -> None:
    specs = [ColumnSpec("float"), ColumnSpec("text", "none"), ColumnSpec("int")]
    features = [Feature(name, name.upper(), spec) for name, spec in zip("cab", specs, strict=True)]
    frame, _ = FeatureConverter(features, ANY, cells="text").to_frame(
        pa.table({name: ["1", None] for name in "abc"})
    )
    assert frame.columns.tolist() == ["C", "A", "B"]
    assert frame["A"].tolist() == ["1", None]


def test_a_time_beyond_pythons_range_is_named_in_the_reason() -> None:
    _, bad = frame_of(ColumnSpec("text"), pa.array([2**62], pa.timestamp("us")), "typed")
    assert bad == {0: "column 'x' is 'a timestamp[us] that cannot be shown', not a text"}


def test_a_column_that_pandas_cannot_hold_is_refused() -> None:
    converter = FeatureConverter([Feature("x", "x")], ANY, cells="typed")
    table = pa.table({"x": pa.array([2**31 - 1], pa.date32())})
    converter.add(table)
    with pytest.raises(SchemaMismatch, match="pandas cannot hold the column 'x' of type"):
        converter.to_frame(table)


def test_an_extension_type_is_read_as_what_it_is_stored_as() -> None:
    column = pa.ExtensionArray.from_storage(pa.json_(), pa.array(["7", None]))
    assert good(ColumnSpec("text"), column, "typed")[0] == "7"
