"""Any cells beside each other: what becomes of a row depends on its own cell alone."""

import json

import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import examples
from tests.unit.formats.test_conversion import frame_of
from worker.columns import ColumnSpec
from worker.formats.base import CellForm

CATEGORIES = {
    "float": (1.0, 2.5),
    "int": (1, 2**53 + 1, 2**53),
    "bool": (True, False),
    "text": ("1", "NA", "a", "", "true"),
    "category": (1, 2.5, "a", "NA"),
}
TEXTS = st.sampled_from(
    [
        *("1", "2.5", "a", "NA", "", "True", "false", "0", "1.0", "01", " 1", "1e0", "?", "nan"),
        *("9007199254740992", "9007199254740993", "9223372036854775808", "9" * 30, "1e999", "inf"),
        *("1.0000000000000000001", "-0", "t", "None", "null", "1_0", "\uff11", "+1", "1.", "true"),
    ]
)
JSON = TEXTS.map(json.dumps) | st.sampled_from(
    [
        *("1", "2.5", "1.0", "1e0", "-0", "true", "false", "null", "NaN", "Infinity", "[1]"),
        *("9007199254740993", "9223372036854775808", "1e999", "9" * 30, '"\\u0031"', '{"a": 1}'),
    ]
)
FORMS: dict[CellForm, st.SearchStrategy[str]] = {"text": TEXTS, "json": JSON, "typed": TEXTS}
SPECS = st.builds(
    lambda name, missing, has_categories, as_categorical: ColumnSpec(
        name,
        missing,
        CATEGORIES[name] if has_categories or as_categorical else None,
        as_categorical=as_categorical,
    ),
    st.sampled_from(["float", "int", "bool", "text", "category"]),
    st.sampled_from(["nan", "none", "refused"]),
    st.booleans(),
    st.booleans(),
)


def outcomes(spec: ColumnSpec, column: pa.Array, form: CellForm) -> list[tuple[str | None, object]]:
    """Return the reason of each bad row, and the value of each good one."""
    frame, bad = frame_of(spec, column, form)
    values = [None if pd.isna(value) else value for value in frame["x"].astype(object)]
    return [(bad.get(row), None if row in bad else value) for row, value in enumerate(values)]


def alone(spec: ColumnSpec, column: pa.Array, form: CellForm) -> list[tuple[str | None, object]]:
    rows = [column.slice(row, 1) for row in range(len(column))]
    return [outcome for row in rows for outcome in outcomes(spec, row, form)]


@examples(4)
@given(SPECS, st.sampled_from(list(FORMS)), st.data())
def test_what_becomes_of_a_row_depends_on_its_own_cell_alone(
    spec: ColumnSpec, form: CellForm, data: st.DataObject
) -> None:
    cells = data.draw(st.lists(st.none() | FORMS[form], min_size=1, max_size=8))
    column = pa.array(cells, pa.string())
    assert outcomes(spec, column, form) == alone(spec, column, form)


TYPED = st.sampled_from(
    [
        st.lists(st.none() | st.sampled_from([1, 0, 2, 2**53 + 1, -(2**63)])).map(
            lambda cells: pa.array(cells, pa.int64())
        ),
        st.lists(st.none() | st.sampled_from([1, 2**63])).map(
            lambda cells: pa.array(cells, pa.uint64())
        ),
        st.lists(st.none() | st.sampled_from([1.0, 2.5, 1e19, float("inf"), float("nan")])).map(
            lambda cells: pa.array(cells, pa.float64())
        ),
        st.lists(st.none() | st.booleans()).map(lambda cells: pa.array(cells, pa.bool_())),
        st.lists(st.none() | st.sampled_from([b"1", b"a", b"\xff", b""])).map(
            lambda cells: pa.array(cells, pa.binary())
        ),
    ]
).flatmap(lambda column: column)


@examples(2)
@given(SPECS, TYPED)
def test_what_becomes_of_a_typed_row_depends_on_its_own_cell_alone(
    spec: ColumnSpec, column: pa.Array
) -> None:
    assert outcomes(spec, column, "typed") == alone(spec, column, "typed")
