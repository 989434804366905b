"""The check of a model by other versions than this Python's."""

import json
import pickle
import sys
from pathlib import Path

import pytest
from sklearn.linear_model import LinearRegression

from tests.support.template import ROOT
from tests.unit.image.conftest import StandIn
from tidegate.image.check import check_in_environment, check_model
from tidegate.offline import loading
from worker.errors import ModelError, TidegateError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "churn.pkl"
    path.write_bytes(pickle.dumps(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])))
    return path


@pytest.fixture
def older(model: Path) -> Path:
    """A model that another scikit-learn wrote."""
    current = LinearRegression().__getstate__()["_sklearn_version"].encode()
    other = b"1.6.1".ljust(len(current))[: len(current)]
    model.write_bytes(model.read_bytes().replace(current, other))
    return model


def printed(capfd: pytest.CaptureFixture[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(capfd.readouterr().out)
    return found


def test_the_container_sees_the_model_and_has_no_network(docker: StandIn, model: Path) -> None:
    docker.answer('{"version": 1, "error": null}')
    shown: list[str] = []

    check_model("tidegate-worker:ab", model, "rfm:Rfm", ["KEEP_COLUMNS=*"], shown.append)

    command = (
        "run --rm --network none --read-only --tmpfs /tmp --user 0:0"
        f" --volume {ROOT}/tidegate:/app/tidegate:ro --volume {model}:/model/churn.pkl:ro"
        " --entrypoint python tidegate-worker:ab"
        " -m tidegate.offline.loading /model/churn.pkl rfm:Rfm KEEP_COLUMNS=*"
    )
    assert docker.calls == [command]
    assert shown == [f"docker {command}".replace("KEEP_COLUMNS=*", "'KEEP_COLUMNS=*'")]


def test_the_reason_names_the_callers_file_and_how_to_choose_libraries(
    docker: StandIn, model: Path
) -> None:
    docker.answer('{"version": 1, "error": "/model/churn.pkl cannot be loaded: no lightgbm"}')

    with pytest.raises(ModelError) as refused:
        check_model("tidegate-worker:ab", model, None, [], lambda _: None)

    reason, hint = str(refused.value).split("\n")
    assert reason == f"{model} cannot be loaded: no lightgbm"
    assert "--requirements FILE" in hint


def test_a_container_that_does_not_run_is_told_from_a_model_that_is_refused(
    docker: StandIn, model: Path
) -> None:
    docker.fail()

    with pytest.raises(TidegateError, match=r"could not be checked: .*docker ended with status 1"):
        check_model("tidegate-worker:ab", model, None, [], lambda _: None)


def test_a_model_that_loads_has_no_error(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    loading.main(str(model), "", "KEEP_COLUMNS=*")

    assert printed(capfd) == {"version": 1, "error": None}


def test_a_model_of_another_scikit_learn_is_refused_with_both_versions(
    older: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    loading.main(str(older), "")

    error = str(printed(capfd)["error"])
    assert "was written by scikit-learn 1.6.1 and this is" in error
    assert "scikit-learn==1.6.1" in error


def test_another_python_of_this_machine_gives_the_reason(model: Path) -> None:
    with pytest.raises(ModelError, match="there is no setting WORKER_KEEP_COLUMN"):
        check_in_environment(Path(sys.executable), model, None, ["KEEP_COLUMN=*"])
