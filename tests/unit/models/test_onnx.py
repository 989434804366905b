import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from tests.support.whole_file import score
from worker.columns import ColumnSpec
from worker.errors import ModelError, PredictionFailed, SchemaMismatch
from worker.interfaces import ScoreOptions
from worker.models import Predictor, load_predictor

CHANCE = np.random.default_rng(5)
X = pd.DataFrame(CHANCE.random((60, 3)).astype(np.float32), columns=["a", "b", "c"])
ROWS = X.to_numpy()
TWO = (X.sum(axis=1) > 1.5).astype(int)
THREE = pd.cut(X["a"], 3, labels=["low", "mid", "top"]).astype(str)
MIXED = X.assign(colour=["red", "blue"] * 30)
PLAIN = {"zipmap": False}


def saved(tmp_path: Path, graph: Any, **said: object) -> Path:  # noqa: ANN401 - onnx is untyped
    """Save a graph with this metadata."""
    helper.set_model_props(graph, {name: json.dumps(value) for name, value in said.items()})
    path = tmp_path / "model.onnx"
    onnx.save(graph, path)
    return path


def converted(model: Any, y: Any = None, **options: object) -> Any:  # noqa: ANN401 - scikit-learn's and onnx's
    opsets = {"": 18, "ai.onnx.ml": 3}
    return to_onnx(model.fit(ROWS, y), ROWS[:1], options=options or None, target_opset=opsets)


def mixed(encoder: OneHotEncoder) -> Any:  # noqa: ANN401 - onnx is untyped
    """Return a graph with one input for each column, one of them of strings."""
    columns = ColumnTransformer([("n", StandardScaler(), list("abc")), ("s", encoder, ["colour"])])
    model = make_pipeline(columns, LogisticRegression()).fit(MIXED, THREE)
    return to_onnx(model, MIXED.astype({"colour": object})[:1])


def computed(*, takes: list[Any], answers: list[Any], nodes: list[Any]) -> Any:  # noqa: ANN401 - onnx is untyped
    graph = helper.make_graph(nodes, "graph", takes, answers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def copied(kind: int, shape: list[str | int | None]) -> Any:  # noqa: ANN401 - onnx is untyped
    """Return a graph that returns its input."""
    return computed(
        takes=[helper.make_tensor_value_info("rows", kind, shape)],
        answers=[helper.make_tensor_value_info("same", kind, shape)],
        nodes=[helper.make_node("Identity", ["rows"], ["same"])],
    )


def close(answer: pd.Series, expected: Any) -> bool:  # noqa: ANN401 - arrays of any kind
    return np.allclose(answer, expected, atol=1e-5)


@pytest.mark.parametrize("options", [{}, PLAIN])
def test_two_classes_give_the_activation_of_the_second(
    tmp_path: Path, options: dict[str, object]
) -> None:
    model = LogisticRegression()
    answer = load_predictor(saved(tmp_path, converted(model, TWO, **options))).predict(X)
    assert list(answer.columns) == ["activation"]
    assert close(answer["activation"], model.predict_proba(ROWS)[:, 1])
    assert answer["activation"].dtype == np.float32


@pytest.mark.parametrize(
    ("options", "said"), [({}, {}), (PLAIN, {"classes_": ["low", "mid", "top"]})]
)
def test_more_classes_give_the_prediction_and_an_activation_each(
    tmp_path: Path, options: dict[str, object], said: dict[str, object]
) -> None:
    model = LogisticRegression()
    answer = load_predictor(saved(tmp_path, converted(model, THREE, **options), **said)).predict(X)
    classes = ["activation_low", "activation_mid", "activation_top"]
    assert list(answer.columns) == ["prediction", *classes]
    assert list(answer["prediction"]) == list(model.predict(ROWS))
    assert np.allclose(answer[classes], model.predict_proba(ROWS), atol=1e-5)


def test_a_classifier_of_one_class_names_it(tmp_path: Path) -> None:
    graph = converted(DecisionTreeClassifier(), np.full(60, 7))
    answer = load_predictor(saved(tmp_path, graph)).predict(X)
    assert list(answer.columns) == ["prediction", "activation_7"]
    plain = converted(DecisionTreeClassifier(), np.full(60, 7), **PLAIN)
    answer = load_predictor(saved(tmp_path, plain, classes_=["only"])).predict(X)
    assert list(answer.columns) == ["prediction", "activation_only"]


def test_probabilities_of_classes_that_the_graph_does_not_name_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, converted(LogisticRegression(), THREE, **PLAIN))
    with pytest.raises(ModelError, match=r"model\.onnx: .* 3 probabilities .* needs classes_"):
        load_predictor(path)
    answer = load_predictor(path, method="predict").predict(X)
    assert list(answer.columns) == ["prediction"]


def test_scores_that_a_converter_calls_probabilities_are_not_taken_for_them(tmp_path: Path) -> None:
    model = LinearSVC()
    path = saved(tmp_path, converted(model, THREE), classes_=["low", "mid", "top"])
    with pytest.raises(ModelError, match=r"'probabilities' do not add up to 1.*WORKER_PREDICT"):
        load_predictor(path)
    answer = load_predictor(path, method="predict").predict(X)
    assert list(answer["prediction"]) == list(model.predict(ROWS))


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (LinearRegression(), X["a"] * 2),
        (KMeans(2, n_init=1, random_state=0), None),
        (IsolationForest(n_estimators=5, random_state=0), None),
    ],
)
def test_everything_else_gives_the_prediction(tmp_path: Path, model: Any, y: Any) -> None:  # noqa: ANN401 - scikit-learn's
    answer = load_predictor(saved(tmp_path, converted(model, y))).predict(X)
    assert list(answer.columns) == ["prediction"]
    assert close(answer["prediction"], model.predict(ROWS))


@pytest.mark.parametrize(
    ("model", "options"),
    [(LinearRegression(), {}), (RandomForestClassifier(3, random_state=0), PLAIN)],
)
def test_several_outputs_are_numbered(
    tmp_path: Path,
    model: Any,  # noqa: ANN401 - scikit-learn's
    options: dict[str, object],
) -> None:
    path = saved(tmp_path, converted(model, np.c_[TWO, 1 - TWO], **options))
    answer = load_predictor(path).predict(X)
    assert list(answer.columns) == ["prediction_0", "prediction_1"]
    assert np.allclose(answer, model.predict(ROWS), atol=1e-5)


@pytest.mark.parametrize(
    ("method", "columns"),
    [
        ("predict", ["prediction"]),
        ("predict_proba", ["activation_low", "activation_mid", "activation_top"]),
    ],
)
def test_the_method_can_be_chosen(tmp_path: Path, method: Any, columns: list[str]) -> None:  # noqa: ANN401 - one of the literals
    path = saved(tmp_path, converted(LogisticRegression(), THREE))
    assert list(load_predictor(path, method=method).predict(X).columns) == columns


@pytest.mark.parametrize(
    ("model", "method"),
    [(LinearRegression(), "predict_proba"), (LogisticRegression(), "decision_function")],
)
def test_a_method_that_the_graph_has_no_output_for_is_named(
    tmp_path: Path,
    model: Any,  # noqa: ANN401 - scikit-learn's
    method: Any,  # noqa: ANN401 - one of the literals
) -> None:
    path = saved(tmp_path, converted(model, TWO))
    with pytest.raises(ModelError, match=f"no output for WORKER_PREDICT={method}"):
        load_predictor(path, method=method)


@pytest.mark.parametrize("y", [TWO, THREE])
def test_without_rows_the_columns_and_their_types_are_the_same(
    tmp_path: Path, y: pd.Series
) -> None:
    predictor = load_predictor(saved(tmp_path, converted(LogisticRegression(), y)))
    empty, full = predictor.predict(X.iloc[:0]), predictor.predict(X)
    assert len(empty) == 0
    assert dict(empty.dtypes) == dict(full.dtypes)


def test_one_tensor_takes_the_columns_by_position(tmp_path: Path) -> None:
    predictor: Any = load_predictor(saved(tmp_path, converted(LogisticRegression(), TWO)))
    assert (predictor.feature_names_in_, predictor.n_features_in_) == (None, 3)
    assert (predictor.numbers_only, predictor.takes_missing) == (True, False)


def test_one_tensor_takes_the_columns_by_the_names_in_its_metadata(tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    graph = converted(LogisticRegression(), TWO)
    predictor = load_predictor(saved(tmp_path, graph, feature_names_in_=names))
    file = X.assign(id="x")[["id", "c", "b", "a"]]
    reordered = score(file.to_csv(index=False).encode(), predictor, ScoreOptions())
    straight = score(file[["id", *names]].to_csv(index=False).encode(), predictor, ScoreOptions())
    assert reordered.output == straight.output


def test_names_that_are_not_as_many_as_the_columns_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, converted(LogisticRegression(), TWO), feature_names_in_=["a", "b"])
    with pytest.raises(ModelError, match="takes 3 columns and names 2"):
        load_predictor(path)


def test_several_inputs_are_columns_by_name_and_strings_stay_strings(tmp_path: Path) -> None:
    predictor: Any = load_predictor(saved(tmp_path, mixed(OneHotEncoder())))
    assert predictor.feature_names_in_ == ("a", "b", "c", "colour")
    assert predictor.numbers_only is False
    answer = predictor.predict(MIXED)
    assert answer.columns[0] == "prediction"
    assert (answer["prediction"] == THREE).mean() > 0.8


def test_text_that_looks_like_numbers_is_text_where_the_graph_takes_text(tmp_path: Path) -> None:
    codes = pd.DataFrame({"code": ["007", "1"] * 30}, dtype=object)
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(codes, TWO)
    file = codes.to_csv(index=True, index_label="id").encode()
    predictor = load_predictor(saved(tmp_path, to_onnx(model, codes[:1])))
    answer = pd.read_csv(io.BytesIO(score(file, predictor, ScoreOptions()).output))
    assert close(answer["activation"], model.predict_proba(codes)[:, 1])


def test_numbers_are_refused_where_the_graph_takes_text(tmp_path: Path) -> None:
    predictor = load_predictor(saved(tmp_path, mixed(OneHotEncoder(handle_unknown="ignore"))))
    with pytest.raises(SchemaMismatch, match="'colour' is float64, and the graph takes text"):
        predictor.predict(MIXED.assign(colour=1.0))


def test_a_missing_text_is_the_same_as_in_training(tmp_path: Path) -> None:
    text = pd.DataFrame({"colour": pd.Series(["red", "blue", np.nan] * 20, dtype=object)})
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(text, TWO)
    file = text.to_csv(index=True, index_label="id").encode()
    predictor = load_predictor(saved(tmp_path, to_onnx(model, text[:1]), takes_missing=True))
    done = score(file, predictor, ScoreOptions(output_format="parquet"))
    answer = pd.read_parquet(io.BytesIO(done.output))
    assert close(answer["activation"], model.predict_proba(text)[:, 1])


def test_text_is_refused_where_the_graph_takes_numbers(tmp_path: Path) -> None:
    predictor = load_predictor(saved(tmp_path, mixed(OneHotEncoder(handle_unknown="ignore"))))
    with pytest.raises(SchemaMismatch, match="'b' is text, and the graph takes numbers"):
        predictor.predict(MIXED.assign(b="high"))


@pytest.mark.parametrize(
    ("kind", "cell", "why"),
    [
        (TensorProto.FLOAT, 1e300, "holds 1e.300, which is no float32"),
        (TensorProto.INT64, 1.5, "holds 1.5, which is no int64"),
        (TensorProto.INT32, 2.0**40, "holds 1099511627776.0, which is no int32"),
        (TensorProto.BOOL, 2.0, "holds 2.0, which is no bool"),
    ],
)
def test_a_number_that_the_graphs_type_does_not_hold_is_refused(
    tmp_path: Path, kind: int, cell: float, why: str
) -> None:
    predictor = load_predictor(saved(tmp_path, copied(kind, ["n", 2])))
    assert list(predictor.predict(pd.DataFrame({"x": [0.0], "y": [1.0]})).iloc[0]) == [0, 1]
    with pytest.raises(SchemaMismatch, match=f"'y' {why}"):
        predictor.predict(pd.DataFrame({"x": [0.0], "y": [cell]}))


def test_a_graph_of_64_bits_is_given_64_bits(tmp_path: Path) -> None:
    predictor = load_predictor(saved(tmp_path, copied(TensorProto.DOUBLE, ["n", 1])))
    assert predictor.predict(pd.DataFrame({"x": [0.1]}))["prediction"][0] == 0.1


def test_whole_numbers_reach_a_graph_of_64_bit_integers_exactly(tmp_path: Path) -> None:
    predictor = load_predictor(saved(tmp_path, copied(TensorProto.INT64, ["n", 2])))
    assert getattr(predictor, "column_specs", None) == (ColumnSpec("int"),) * 2
    codes = [9007199254740992, 9007199254740993]
    assert (
        predictor.predict(pd.DataFrame({"x": codes, "y": codes}))["prediction_0"].tolist() == codes
    )


def test_a_graph_of_floats_says_no_more_than_that_it_takes_numbers(tmp_path: Path) -> None:
    predictor = load_predictor(saved(tmp_path, copied(TensorProto.FLOAT, ["n", 2])))
    assert getattr(predictor, "numbers_only", None)
    assert getattr(predictor, "column_specs", None) == (None, None)


def test_a_graph_of_any_width_takes_what_there_is(tmp_path: Path) -> None:
    predictor: Any = load_predictor(saved(tmp_path, copied(TensorProto.FLOAT, ["n", "m"])))
    assert predictor.n_features_in_ is None
    assert len(predictor.predict(X.iloc[:0]).columns) == 3


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (TensorProto.FLOAT, [1, 3]),
        (TensorProto.FLOAT, ["n"]),
        (TensorProto.FLOAT, ["n", 3, 8, 8]),
        (TensorProto.FLOAT16, ["n", 3]),
    ],
)
def test_an_input_that_is_no_table_of_any_length_is_refused(
    tmp_path: Path, kind: int, shape: list[str | int | None]
) -> None:
    path = saved(tmp_path, copied(kind, shape))
    with pytest.raises(ModelError, match=r"input 'rows' is a tensor.*any number of rows"):
        load_predictor(path)


def test_of_several_inputs_each_must_be_one_column(tmp_path: Path) -> None:
    takes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in "ab"]
    answer = helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["n", 2])
    graph = computed(
        takes=takes, answers=[answer], nodes=[helper.make_node("Add", ["a", "b"], ["sum"])]
    )
    with pytest.raises(ModelError, match="must be one column: a, b"):
        load_predictor(saved(tmp_path, graph))


GAPS = b"id,a,b,c\n1,.1,.2,.3\n2,,.2,.3\n"


def test_missing_values_are_bad_rows_even_for_trees_that_would_answer(tmp_path: Path) -> None:
    graph = converted(RandomForestClassifier(3, random_state=0), TWO)
    predictor = load_predictor(saved(tmp_path, graph))
    scored = score(GAPS, predictor, ScoreOptions(max_rejected=0.5))
    assert (scored.rows, scored.rejected) == (1, 1)
    assert b"'a' is missing" in (scored.rejects or b"")


def test_missing_values_go_to_a_graph_whose_metadata_allows_them(
    tmp_path: Path,
) -> None:
    graph = converted(RandomForestClassifier(3, random_state=0), TWO)
    predictor = load_predictor(saved(tmp_path, graph, takes_missing=True))
    assert score(GAPS, predictor, ScoreOptions()).rows == 2


def test_probabilities_that_stop_adding_up_are_an_error_of_the_file(tmp_path: Path) -> None:
    predictor = load_predictor(saved(tmp_path, doubtful()))
    with pytest.raises(PredictionFailed, match="do not add up to 1"):
        predictor.predict(pd.DataFrame({"x": [0.0, 3.0], "y": [1.0, 4.0]}))


def doubtful() -> Any:  # noqa: ANN401 - onnx is untyped
    """Return a graph whose probabilities are its input plus a half."""
    return computed(
        takes=[helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 2])],
        answers=[
            helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2]),
        ],
        nodes=[
            helper.make_node("ArgMax", ["rows"], ["label"], axis=1, keepdims=0),
            helper.make_node("Constant", [], ["half"], value_float=0.5),
            helper.make_node("Add", ["rows", "half"], ["probabilities"]),
        ],
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"no graph"),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
    ],
)
def test_what_is_no_graph_is_an_error_with_path_and_cause(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    path = saved(tmp_path, converted(LogisticRegression(), TWO))
    spoil(path)
    with pytest.raises(ModelError, match=r"model\.onnx cannot be loaded: \w+: "):
        load_predictor(path)


def test_metadata_that_is_no_json_is_an_error(tmp_path: Path) -> None:
    graph = converted(LogisticRegression(), TWO)
    path = saved(tmp_path, graph)
    helper.set_model_props(graph, {"classes_": "low, mid, top"})
    onnx.save(graph, path)
    with pytest.raises(ModelError, match=r"model\.onnx has metadata that is no JSON"):
        load_predictor(path)


def test_without_the_runtime_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "worker.models.onnx_model", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"needs onnxruntime.*tidegate\[onnx\].*REQUIREMENTS=onnx"):
        load_predictor(tmp_path / "model.onnx")


def test_the_same_rows_give_the_same_bits_every_time(tmp_path: Path) -> None:
    path = saved(tmp_path, converted(RandomForestClassifier(60, random_state=0), TWO))
    predictors: list[Predictor] = [load_predictor(path) for _ in range(3)]
    answers = {each.predict(X)["activation"].to_numpy().tobytes() for each in predictors}
    assert len(answers) == 1
