import re

import pyarrow as pa
import pytest

from worker.columns import ColumnSpec
from worker.errors import SchemaMismatch, Unparsable
from worker.formats import ModelInputs, select_columns
from worker.formats.base import CellForm, rebatch
from worker.formats.selection import Selection

ANY = ModelInputs(names=None, count=None, numbers_only=False, takes_missing=True)


def names_of(selection: Selection) -> tuple[str, ...]:
    return tuple(feature.column for feature in selection.features)


def by_name(*names: str) -> ModelInputs:
    return ModelInputs(names=names, count=None, numbers_only=False, takes_missing=True)


def test_batches_of_any_size_are_cut_at_the_same_rows() -> None:
    table = pa.table({"n": list(range(25))})
    for size in (1, 3, 10, 24, 25, 26):
        cut = list(rebatch(table.to_batches(size), table.schema, 10))
        assert [part.num_rows for part in cut] == [10, 10, 5]
        assert pa.concat_tables(cut).equals(table)


def test_there_is_a_table_even_without_rows() -> None:
    schema = pa.schema([("n", pa.int64())])
    assert [part.num_rows for part in rebatch([], schema, 10)] == [0]


def test_no_empty_table_follows_a_full_one() -> None:
    table = pa.table({"n": list(range(20))})
    assert [part.num_rows for part in rebatch(table.to_batches(7), table.schema, 10)] == [10, 10]


def test_the_first_column_is_kept_and_the_rest_are_features() -> None:
    chosen = select_columns(["id", "x", "y"], ANY, None, cells="text")
    assert (chosen.kept, names_of(chosen)) == (("id",), ("x", "y"))


def test_features_with_names_are_taken_in_the_models_order() -> None:
    chosen = select_columns(["id", "x", "y"], by_name("y", "id"), None, cells="text")
    assert (names_of(chosen), chosen.columns) == (("y", "id"), ("id", "y"))


def test_a_star_keeps_every_column() -> None:
    assert select_columns(["id", "x"], ANY, ("*",), cells="text").kept == ("id", "x")


def test_columns_are_kept_in_the_order_asked_for_and_once() -> None:
    assert select_columns(["id", "x"], ANY, ("x", "id", "x"), cells="text").kept == ("x", "id")


def test_no_column_need_be_kept() -> None:
    assert select_columns(["id", "x"], ANY, (), cells="text").kept == ()


def test_missing_features_are_named_with_the_nearest_column() -> None:
    with pytest.raises(
        SchemaMismatch,
        match=r"2 of the 3 model's columns.*'petal_length' \(nearest: 'petal length'\), 'age'",
    ):
        select_columns(
            ["id", "petal length", "x"],
            by_name("petal_length", "age", "x"),
            None,
            cells="text",
        )


@pytest.mark.parametrize(
    ("wanted", "present", "shown"),
    [
        ("x", "X", "'x' (nearest: 'X')"),
        ("age", " AGE ", "'age' (nearest: ' AGE ')"),
        ("caf\u00e9", "cafe\u0301", r"'caf\xe9' (nearest: 'cafe\u0301')"),
    ],
)
def test_a_name_is_near_that_differs_in_capitals_spaces_or_the_form_of_its_letters(
    wanted: str, present: str, shown: str
) -> None:
    with pytest.raises(SchemaMismatch, match=re.escape(shown)):
        select_columns(["id", present], by_name(wanted), None, cells="text")


def test_a_missing_column_to_keep_is_named_with_its_setting() -> None:
    with pytest.raises(SchemaMismatch, match=r"WORKER_KEEP_COLUMNS.*'ID' *"):
        select_columns(["id", "x"], ANY, ("ID",), cells="text")


def test_a_wrong_count_by_position_names_both_counts() -> None:
    four = ModelInputs(names=None, count=4, numbers_only=False, takes_missing=True)
    with pytest.raises(SchemaMismatch, match=r"takes 4 columns by position.* 2 after the first"):
        select_columns(["id", "x", "y"], four, None, cells="text")


def test_one_column_leaves_nothing_to_predict_on() -> None:
    with pytest.raises(SchemaMismatch, match="nothing to predict on"):
        select_columns(["id"], ANY, None, cells="text")


@pytest.mark.parametrize("cells", ["text", "json", "typed"])
def test_a_repeated_name_is_refused(cells: CellForm) -> None:
    with pytest.raises(SchemaMismatch, match="more than once there: 'x'"):
        select_columns(["id", "x", "x"], by_name("x"), None, cells=cells)


@pytest.mark.parametrize(
    "first", ["5.1,3.5,1.4", "7,5,5", "a17,5.1,3.5", "1,-2e3", "1,5.1,", "a17,NA,3.5", "1,,3"]
)
def test_a_first_line_of_data_is_no_header(first: str) -> None:
    with pytest.raises(Unparsable, match="looks like data, not like a header"):
        select_columns(first.split(","), ANY, None, cells="text")


@pytest.mark.parametrize(
    "header", ["0,1,2", "id,2023,2024", ",0,1", "id,x,1.5", "id,v1.5,2023", "id,,2023"]
)
def test_numbers_can_be_names(header: str) -> None:
    assert select_columns(header.split(","), ANY, None, cells="text").features


def test_numbers_are_names_when_the_model_knows_them() -> None:
    selection = select_columns(["id", "0.1", "0.9"], by_name("0.9"), None, cells="text")
    assert names_of(selection) == ("0.9",)


def test_by_position_the_columns_of_the_index_are_none() -> None:
    names = ["id", "x", "__index_level_0__", "y"]
    chosen = select_columns(names, ANY, None, cells="typed", index_names=("__index_level_0__",))
    assert names_of(chosen) == ("x", "y")


def test_typed_columns_may_be_named_by_numbers() -> None:
    assert names_of(select_columns(["1.5", "2.5"], ANY, None, cells="typed")) == ("2.5",)


def test_columns_keep_their_own_categories_also_if_those_are_equal_to_others() -> None:
    specs = (
        ColumnSpec("category", categories=(True, "a")),
        ColumnSpec("category", categories=(1, "a")),
    )
    inputs = ModelInputs(None, None, numbers_only=False, takes_missing=False, specs=specs)
    told = [inputs.spec(position, "x") for position in range(2)]
    assert [spec and repr(spec.categories) for spec in told] == ["(True, 'a')", "(1, 'a')"]
    assert {spec and spec.missing for spec in told} == {"refused"}
