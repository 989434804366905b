"""`tidegate compare`: what another model would change, row by row, on a sample of files."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from tests.support.mocked_stack import INPUT, OUTPUT, MockedStack
from tests.support.schemas import checked
from tidegate.cli.main import main
from tidegate.offline.comparison import Comparison, NotComparable, Output
from tidegate.offline.files import FileWriter
from tidegate.offline.model import load_model
from tidegate.offline.scoring import Predicted, predict_file
from tidegate.offline.worker_settings import read_settings

Shown = pytest.CaptureFixture[str]
ROWS = [(number, number % 7, -number % 5) for number in range(40)]
TABLE = "id,a,b\n" + "".join(f"k{number},{a},{b}\n" for number, a, b in ROWS)
X, Y = np.array([row[1:] for row in ROWS]), np.array([row[1] % 3 for row in ROWS])


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COLUMNS", "100")
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]


def model(folder: Path, name: str, estimator: Any) -> Path:  # noqa: ANN401 - any of scikit-learn
    path = folder / f"{name}.pkl"
    joblib.dump(estimator, path)
    return path


@pytest.fixture
def lines(tmp_path: Path) -> list[Path]:
    """Two regressions: the second one is 0.5 above the first for each a."""
    found = []
    for slope in (1.0, 1.5):
        line = LinearRegression().fit(X[:, :1] * [1, 0] + [0, 0], X[:, 0] * slope)
        line.coef_, line.intercept_ = np.array([slope, 0.0]), 0.0
        found.append(model(tmp_path, f"line{slope}", line))
    return found


def compared(capsys: Shown, *arguments: object) -> dict[str, Any]:
    capsys.readouterr()
    main(["compare", *map(str, arguments), "--json"])
    return checked("compare", capsys.readouterr().out)


def test_two_models_on_files_of_this_machine(
    tmp_path: Path, lines: list[Path], capsys: Shown
) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(TABLE.encode()))
    names = [tmp_path / "t.csv", tmp_path / "t.csv.gz"]
    found = compared(capsys, lines[1], *names, "--with", lines[0])

    assert (found["files"], found["rows"]) == (2, 80)
    unchanged = sum(row[1] == 0 for row in ROWS)
    assert found["changed_rows"] == 2 * (40 - unchanged)
    (column,) = found["columns"]
    assert column["name"] == "prediction"
    assert sum(rows for *_, rows in column["histogram"]) == 80
    worst = found["worst"][0]
    assert (worst["change"], worst["before"], worst["after"]) == (
        3.0,
        {"prediction": "6.0"},
        {"prediction": "9.0"},
    )

    same = compared(capsys, lines[0], names[0], "--with", lines[0])
    assert (same["changed_rows"], same["worst"]) == (0, [])


def test_classes_move_from_one_to_another(tmp_path: Path, capsys: Shown) -> None:
    table = tmp_path / "t.csv"
    table.write_text(TABLE)
    words = np.array(["low", "mid", "top"])
    fitted = [LogisticRegression(max_iter=500).fit(X, words[one]) for one in (Y, (Y + 1) % 3)]
    old, new = (model(tmp_path, str(place), one) for place, one in enumerate(fitted))
    two = model(tmp_path, "two", LogisticRegression().fit(X, words[Y % 2]))

    assert main(["compare", str(new), str(table), "--with", str(old)]) == 0
    assert "low → mid" in capsys.readouterr().out
    found = compared(capsys, new, table, "--with", old)
    assert [one["name"] for one in found["columns"]] == [
        "prediction",
        "activation_low",
        "activation_mid",
        "activation_top",
    ]
    assert sum(one["rows"] for one in found["columns"][0]["moves"]) == 40
    assert main(["compare", str(two), str(table), "--with", str(old)]) == 1
    assert "no prediction column is in both outputs" in capsys.readouterr().err


def test_the_outputs_of_a_stack(
    world: MockedStack, tmp_path: Path, lines: list[Path], capsys: Shown
) -> None:
    for key in ("a.csv", "b.csv", "later.csv", "stale.csv"):
        job = world.put_input(key, TABLE.encode())
        if key != "later.csv":
            put_output(world, job, lines[0], tmp_path)
    world.put_input("stale.csv", b"id,a,b\n1,2,3\n")

    assert main(["compare", str(lines[1]), f"s3://{INPUT}/"]) == 3
    shown = capsys.readouterr()
    assert "2 compared" in shown.out
    assert "change" in shown.out
    assert "stale.csv: its output is not of this version" in shown.err
    assert all(len(line) <= 100 for line in shown.out.splitlines())
    found = compared(capsys, lines[1], f"s3://{INPUT}/", "--files", "1")
    assert (found["files"], found["worst"][0]["file"]) == (1, "a.csv")


def put_output(world: MockedStack, job: dict[str, str], path: Path, folder: Path) -> None:
    """Leave the output that a worker with that model makes."""
    settings = read_settings(path, None, [])
    (folder / "in").write_text(TABLE)
    writer = FileWriter(folder / "out")
    result = predict_file(folder / "in", load_model(settings), settings.score_options(), writer)
    assert isinstance(result, Predicted)
    world.put_output(job)
    key = f"predictions/{job['key']}"
    metadata = world.s3.head_object(Bucket=OUTPUT, Key=key)["Metadata"]
    body = writer.target.read_bytes()
    world.s3.put_object(Bucket=OUTPUT, Key=key, Body=body, Metadata=metadata)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["t.csv"], "name another model by --with"),
        (["s3://in/a", "t.csv"], "give one s3://"),
    ],
)
def test_a_mistake_is_told(
    lines: list[Path], capsys: Shown, arguments: list[str], reason: str
) -> None:
    assert main(["compare", str(lines[0]), *arguments]) == 2
    assert reason in capsys.readouterr().err


def output(keys: str, **columns: list[Any]) -> Output:
    return Output([list(keys)], columns)


def test_rows_that_one_model_refuses_are_matched_by_the_kept_columns() -> None:
    found = Comparison(tolerance=0.1)
    found.add("f", output("abc", prediction=[1, 2, 3]), output("ac", prediction=[1.05, 9]))
    assert (found.rows, found.changed_rows, found.unmatched_rows) == (2, 1, 1)
    (row,) = found.worst
    assert (row.key, row.change) == (("c",), 6.0)
    with pytest.raises(NotComparable, match="2 and 3 rows"):
        found.add("f", output("aa", prediction=[1, 2]), output("aab", prediction=[1, 2, 3]))


def test_an_activation_is_counted_at_its_threshold_and_missing_stays_missing() -> None:
    found = Comparison(tolerance=1e-9)
    before = output("abcd", activation=["0.4", "0.6", "", ""])
    found.add("f", before, output("abcd", activation=["0.6", "0.6", "", "0.5"]))
    column = found.columns["activation"]
    assert column.changed == 2
    assert column.moves["below", "above"] == 2
    assert column.moves["above", "above"] == 1


def test_a_prediction_with_activations_is_a_class() -> None:
    found = Comparison(tolerance=1e-9)
    before = output("ab", prediction=["1", "2"], activation_1=["0.9", "0.2"])
    after = output("ab", prediction=["2", "2"], activation_1=["0.3", "0.2"])
    found.add("f", before, after)
    assert found.columns["prediction"].moves == {("1", "2"): 1, ("2", "2"): 1}
    assert found.columns["prediction"].histogram() == []
    assert sum(rows for *_, rows in found.columns["activation_1"].histogram()) == 2
