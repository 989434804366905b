"""CSV files as people send them: read as meant, or refused in words that say what to do."""

import re
from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

from tests.support.whole_file import ScoredFile, score
from worker.columns import ColumnSpec
from worker.errors import SchemaMismatch, TooManyRejected, Unparsable
from worker.formats import ModelInputs, select_columns
from worker.interfaces import ScoreOptions


class Recorder:
    """A predictor that keeps the frames that it gets."""

    def __init__(self, **attributes: object) -> None:
        self.__dict__ |= attributes
        self.frames: list[pd.DataFrame] = []

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        self.frames.append(frame)
        return pd.DataFrame({"prediction": [0] * len(frame)})

    @property
    def frame(self) -> pd.DataFrame:
        return pd.concat(self.frames, ignore_index=True)


KEEP_ALL = ScoreOptions(keep_columns=("*",))


def ab(**attributes: object) -> Recorder:
    return Recorder(feature_names_in_=["a", "b"], **attributes)


def scored(body: str, predictor: Recorder, options: ScoreOptions = KEEP_ALL) -> ScoredFile:
    return score(body.encode(), predictor, options)


@pytest.mark.parametrize(
    ("rows", "bad"),
    [('1,"5\\" pipe"\n', 1), ('1,""a"\n', 1), ('1,a,"b\n2,c,"d\n', 2)],
)
def test_a_stray_quote_makes_bad_rows_and_never_two_rows_in_one(rows: str, bad: int) -> None:
    width = 1 + rows.partition("\n")[0].count(",")
    header = ",".join(["id", "a", "b", "c"][:width])
    file = f"{header}\n{'0' + ',0' * (width - 1)}\n{rows}{'9' + ',9' * (width - 1)}\n"
    output = scored(file, Recorder(), ScoreOptions(max_rejected=0.9))
    assert (output.rows, output.rejected) == (2, bad)
    assert output.output == b"id,prediction\n0,0\n9,0\n"
    with pytest.raises(TooManyRejected, match="line 3: "):
        scored(file, Recorder())


def test_an_unquoted_cell_with_a_quote_and_no_delimiter_behind_it_stays() -> None:
    output = scored('id,a\n1,5" pipe\n2,6" pipe\n', Recorder())
    assert output.output == b'id,a,prediction\n1,"5"" pipe",0\n2,"6"" pipe",0\n'


def test_the_escape_reads_what_spark_writes_and_the_output_reads_back() -> None:
    predictor, options = ab(), ScoreOptions(keep_columns=("*",), escape="\\")
    body = 'a,b\n"5\\" pipe","x, \\\\y"\n'
    output = scored(body, predictor, options)
    assert predictor.frame.to_numpy().tolist() == [['5" pipe', "x, \\y"]]
    assert output.output == b'a,b,prediction\n"5\\" pipe","x, \\\\y",0\n'
    again = ab()
    scored(output.output.decode(), again, replace(options, keep_columns=("a", "b")))
    assert again.frame.equals(predictor.frame)


def test_quote_none_reads_unquoted_tsv() -> None:
    predictor = ab()
    output = scored('a\tb\n"x\t"y" z\n', predictor, ScoreOptions(keep_columns=("*",), quote=None))
    assert predictor.frame.to_numpy().tolist() == [['"x', '"y" z']]
    assert output.output == b'a\tb\tprediction\n"x\t"y" z\t0\n'


def test_without_a_header_columns_come_by_position_under_the_models_names() -> None:
    predictor = ab()
    output = scored("7,1,2\n8,3,4\n", predictor, ScoreOptions(has_header=False))
    assert list(predictor.frame.columns) == ["a", "b"]
    assert predictor.frame.to_numpy().tolist() == [[1, 2], [3, 4]]
    assert output.output == b"7,0\n8,0\n"


def test_without_a_header_columns_are_kept_by_number() -> None:
    options = ScoreOptions(has_header=False, keep_columns=("2", "0"))
    assert scored("7,1,2\n", ab(), options).output == b"2,7,0\n"


def test_a_header_where_none_should_be_is_refused() -> None:
    with pytest.raises(Unparsable, match=r"\(id, b, a\) has the model's column names.*to present"):
        scored("id,b,a\n7,1,2\n", ab(), ScoreOptions(has_header=False))


def test_names_between_apostrophes_are_refused_with_the_setting_that_reads_them() -> None:
    body = "'id','a'\n'1','x, y'\n"
    with pytest.raises(Unparsable, match=r"line 1 \('id', 'a'\) .*set WORKER_QUOTE='"):
        scored(body, Recorder())
    predictor = Recorder()
    scored(body, predictor, ScoreOptions(quote="'"))
    assert predictor.frame["a"].tolist() == ["x, y"]


def test_without_a_header_another_format_has_numbers_as_names() -> None:
    options = ScoreOptions(has_header=False, output_format="jsonl")
    assert scored("7,1,2\n", ab(), options).output == b'{"0": "7", "prediction": 0}\n'


@pytest.mark.parametrize("predictor", [ab, Recorder])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("id,a,,b\n1,2,3,4\n", "line 1 (id, a, , b) has no name for column 3"),
        ("Report,,\nid,a,b\n1,2,3\n", "line 1 (Report, , ) has no name for column 2"),
        ("Report\nid,a,b\n1,2,3\n", "the first line (Report) is probably a title, and line 2"),
        ("Report\n\nby me\n\nid,a,b\n1,2,3\n", "the first line (Report) is probably a title, and"),
        ("7,1.5,x\n8,2.5,y\n", "line 1 (7, 1.5, x) looks like data, not like a header"),
        ("red,28/01/2018\nred,29/01/2018\n", "line 1 (red, 28/01/2018) looks like data"),
        ("red,NaN\nred,1\n", "line 1 (red, NaN) looks like data"),
        ("by us,now\ncm,%T\n1,2\n3,4\n", "line 1 (by us, now) is probably a title, and (cm, %T)"),
        ("by,us\non,top\n\ncm,%T\n1,2\n3,4\n", "probably a title, and (cm, %T) the header"),
        ("'id','t'\n'1','a'\n", "line 1 ('id', 't') has a name within apostrophes"),
    ],
)
def test_a_first_line_that_is_no_header_is_refused_with_the_line_and_what_to_do(
    body: str, words: str, predictor: Callable[[], Recorder]
) -> None:
    with pytest.raises((Unparsable, SchemaMismatch), match=re.escape(words)) as error:
        scored(body, predictor())
    assert re.search("[Rr]emove |WORKER_HEADER=absent|WORKER_QUOTE='", str(error.value))


@pytest.mark.parametrize(
    "body",
    [
        "id,n,t\nk,b,u\nc,1,v\nd,2,w\n",
        "id,t\na,x\nb,y\nc,z\n",
        "id,n\na,?\nb,1\nc,2\n",
        "id,n\na,b\nc,1\n",
        "id,n\na,b\n",
    ],
)
def test_words_above_words_or_above_a_single_number_are_no_title(body: str) -> None:
    assert scored(body, Recorder(text_columns=("*",))).rows == body.count("\n") - 1


def test_a_number_above_numbers_is_a_name_if_the_model_knows_a_name_of_the_line() -> None:
    assert scored("id,a,b,2023\n1,2,3,4\n", ab()).rows == 1


def test_a_header_that_repeats_in_the_middle_is_a_bad_row() -> None:
    output = scored("id,a,b\n1,2,3\nid,a,b\n4,5,6\n", ab(), ScoreOptions(max_rejected=0.5))
    assert (output.rows, output.rejected) == (2, 1)
    assert output.rejects == b'line,reason,row\n3,the header once more,"id,a,b"\n'


@pytest.mark.parametrize("body", ["id,a,b,\n1,2,3,\n", "id,a,b,\n1,2,3\n"])
def test_a_trailing_delimiter_on_every_row_or_on_the_header_alone_is_no_column(body: str) -> None:
    predictor = Recorder(n_features_in_=2)
    assert scored(body, predictor).output == b"id,a,b,prediction\n1,2,3,0\n"
    assert list(predictor.frame.columns) == ["a", "b"]


def test_a_name_that_stands_twice_is_refused_only_if_it_is_needed() -> None:
    body = "id,n,a,n,b\n1,x,2,y,3\n"
    assert scored(body, ab(), ScoreOptions()).output == b"id,prediction\n1,0\n"
    for options in (KEEP_ALL, ScoreOptions(keep_columns=("n",))):
        with pytest.raises(SchemaMismatch, match="more than once there: 'n'"):
            scored(body, ab(), options)
    with pytest.raises(SchemaMismatch, match="more than once there: 'n'"):
        scored(body, Recorder(feature_names_in_=["a", "n"]), ScoreOptions())
    with pytest.raises(SchemaMismatch, match="more than once there: 'n'"):
        scored(body, Recorder(), ScoreOptions())


def test_missing_columns_show_the_names_found_and_the_delimiter_with_its_setting() -> None:
    with pytest.raises(SchemaMismatch) as error:
        scored("id~a~b\n1~2~3\n", ab())
    assert "2 of the 2 model's columns are not in the file" in str(error.value)
    assert "the file has 'id~a~b', with the delimiter ',' (WORKER_DELIMITER" in str(error.value)


def test_missing_columns_of_a_wide_file_are_shown_in_part() -> None:
    header = ",".join(f"column {number}" for number in range(2000))
    names = [f"other {number}" for number in range(1000)]
    with pytest.raises(SchemaMismatch) as error:
        scored(f"{header}\n", Recorder(feature_names_in_=names))
    assert "and 980 more; the file has 'column 0', " in str(error.value)
    assert "'column 19' and 1980 more, with the delimiter" in str(error.value)
    assert len(str(error.value)) < 2500


def test_missing_columns_of_json_lines_show_the_names_found() -> None:
    with pytest.raises(SchemaMismatch, match=r"the file has 'id', 'c'$"):
        scored('{"id": 1, "c": 2}\n', ab())


def test_blank_rows_are_bad_rows() -> None:
    output = scored("id,a,b\n1,2,3\n,,\n4,5,6\n", ab(), ScoreOptions(max_rejected=0.5))
    assert (output.rows, output.rejects) == (2, b'line,reason,row\n3,all cells are empty,",,"\n')


def test_by_position_json_lines_with_other_keys_than_the_first_row_are_bad_rows() -> None:
    predictor = Recorder()
    body = '{"id": 1, "a": 2}\n{"a": 4, "id": 3}\n{"id": 5, "b": 6}\n{"id": 7}\n'
    output = scored(body, predictor, ScoreOptions(max_rejected=0.5))
    assert predictor.frame["a"].tolist() == [2, 4]
    assert output.rejects is not None
    assert b"the key 'a' is not in this row and in the first one" in output.rejects
    with pytest.raises(TooManyRejected, match=r"line 3: .*the model takes columns by position"):
        scored(body, Recorder(), ScoreOptions())


def test_by_name_json_lines_may_have_other_keys_than_the_first_row() -> None:
    body = '{"id": 1, "a": 2}\n{"id": 5, "a": 6, "b": 6}\n'
    assert scored(body, Recorder(feature_names_in_=["a"]), ScoreOptions()).rows == 2


def test_columns_that_the_model_does_not_read_may_be_absent() -> None:
    specs = [None, ColumnSpec("unused")]
    for body in ("id,a\n1,2\n", "id,a,b\n1,2,3\n"):
        predictor = ab(column_specs=specs)
        scored(body, predictor)
        assert list(predictor.frame.columns) == ["a"]


def test_by_position_a_column_that_the_model_does_not_read_holds_its_place() -> None:
    predictor = Recorder(n_features_in_=2, column_specs=[ColumnSpec("unused"), None])
    scored("id,a,b\n1,x,3\n", predictor)
    assert list(predictor.frame.columns) == ["a", "b"]


@pytest.mark.parametrize("cell", ["1.5", "true", '"x"', "null", "[1]", '{"x": 1}'])
def test_by_position_a_column_that_the_model_does_not_read_may_hold_anything(cell: str) -> None:
    predictor = Recorder(n_features_in_=2, column_specs=[ColumnSpec("unused"), ColumnSpec("int")])
    scored(f'{{"id": 1, "a": {cell}, "b": 3}}\n', predictor)
    assert predictor.frame["b"].tolist() == [3]


def test_names_with_underscores_match_the_one_column_with_spaces() -> None:
    predictor = Recorder(feature_names_in_=["my_a", "b_"], spaces_as_underscores=True)
    scored("id,my a,b_,b \n1,2,3,4\n", predictor)
    assert predictor.frame.to_dict("list") == {"my_a": [2], "b_": [3]}


def test_names_with_underscores_match_no_column_if_two_fit() -> None:
    predictor = Recorder(feature_names_in_=["my_own_a"], spaces_as_underscores=True)
    with pytest.raises(SchemaMismatch, match="'my_own_a'"):
        scored("id,my own_a,my_own a\n1,2,3\n", predictor)


class CountedName(str):
    """A name that counts how often it is looked up."""

    __slots__ = ()
    hashed = 0

    def __hash__(self) -> int:
        CountedName.hashed += 1
        return str.__hash__(self)

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, str(other))


def look_ups(columns: int, *, spaces_as_underscores: bool) -> int:
    """Return how often names of a file are looked up while its columns are selected."""
    CountedName.hashed = 0
    names = [CountedName(f"c {number}") for number in range(columns)]
    inputs = ModelInputs(
        names=tuple(name.replace(" ", "_" if spaces_as_underscores else " ") for name in names),
        count=None,
        numbers_only=True,
        takes_missing=True,
        spaces_as_underscores=spaces_as_underscores,
    )
    select_columns(names, inputs, ("*",), cells="typed")
    return CountedName.hashed


@pytest.mark.parametrize("spaces_as_underscores", [False, True])
def test_the_cost_of_selecting_columns_grows_with_their_number_and_not_its_square(
    *, spaces_as_underscores: bool
) -> None:
    few = look_ups(100, spaces_as_underscores=spaces_as_underscores)
    many = look_ups(200, spaces_as_underscores=spaces_as_underscores)
    assert 0 < many <= 2 * few + 10
