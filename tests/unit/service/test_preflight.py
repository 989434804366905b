"""What is refused before anything is imported or started."""

import tempfile
from pathlib import Path

import certifi
import pytest

from tests.support.fakes.worker import settings
from worker.errors import ModelError, SettingsError
from worker.service import preflight

NOTHING: dict[str, str] = {}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.pkl"
    path.touch()
    return path


@pytest.fixture(autouse=True)
def _folder_not_known_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python looks for the folder of temporary files once."""
    monkeypatch.setattr(tempfile, "tempdir", None)


def check(model: Path | str, environment: dict[str, str] | None = None, **changes: object) -> None:
    preflight.check(settings(model=str(model), **changes), environment or NOTHING)


def test_what_is_right_passes(model: Path) -> None:
    check(model)
    check("s3://models/dir/model.onnx?versionId=1.x")
    check("s3://models/any", predictor="worker.models:load_predictor")


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("nothing.pkl", "the model nothing.pkl does not exist .looked for in "),
        ("/nowhere/nothing.pkl", "does not exist: check WORKER_MODEL"),
        ("{folder}", "is a folder: name the file in it"),
        ("{folder}/model.h5", r"the suffix must be one of \.pkl .* WORKER_PREDICTOR"),
        ("s3://models/dir/model.h5", "the suffix must be one of"),
        ("s3://models/dir/", "not of the form s3://bucket/key"),
        ("https://models.s3.amazonaws.com/model.pkl", "must be s3://bucket/key or a path"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_refused(tmp_path: Path, where: str, words: str) -> None:
    (tmp_path / "model.h5").touch()
    with pytest.raises(ModelError, match=words):
        check(where.format(folder=tmp_path))


def test_a_predictor_may_load_any_suffix(tmp_path: Path) -> None:
    (tmp_path / "model.h5").touch()
    check(tmp_path / "model.h5", predictor="worker.models:load_predictor")


def test_a_predictor_of_a_module_that_is_not_there_is_refused(model: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no module nowhere: .* PYTHONPATH"):
        check(model, predictor="nowhere.predictors:factory")


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"])
def test_a_line_end_in_a_variable_of_aws_is_refused_without_its_value(
    model: Path, name: str
) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}: .*line end.*remove it") as error:
        check(model, {name: "secret\n"})
    assert "secret\n" not in str(error.value)


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_bundle_of_certificates_that_cannot_be_used_is_refused(
    model: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}: {tmp_path}/none .*No such file.*unset the"):
        check(model, {name: f"{tmp_path}/none"})
    with pytest.raises(SettingsError, match=r"holds no certificate in PEM.*name a PEM file"):
        check(model, {name: str(model)})


def test_a_bundle_of_certificates_passes(model: Path) -> None:
    check(model, {"AWS_CA_BUNDLE": certifi.where()})


def use(monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, str]:
    monkeypatch.setenv("TMPDIR", str(folder))
    return {"TMPDIR": str(folder)}


def test_a_folder_for_temporary_files_that_is_missing_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = use(monkeypatch, tmp_path / "none")
    with pytest.raises(SettingsError, match=rf"^TMPDIR: {tmp_path}/none is no folder"):
        check(model, environment)


@pytest.mark.parametrize("spelling", ["/tmp/", "/tmp/../tmp", "tmp"])  # noqa: S108 - of the machine
def test_a_folder_for_temporary_files_may_be_spelt_in_any_way(
    model: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("TMPDIR", spelling)
    check(model, {"TMPDIR": spelling})


def test_a_folder_for_temporary_files_that_cannot_be_written_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No file can be made there, whoever asks.
    environment = use(monkeypatch, Path("/proc/self/fdinfo"))
    with pytest.raises(SettingsError, match=r"cannot be written.*name a folder that exists"):
        check(model, environment)


@pytest.mark.parametrize("length", [75, 76])
def test_a_folder_whose_path_leaves_no_room_for_a_socket_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        folder = Path(short, "f" * (length - len(short) - 1))
        folder.mkdir()
        environment = use(monkeypatch, folder)
        if length <= preflight.MAX_SOCKET_PATH - preflight.SOCKET_BYTES:
            check(model, environment)
            return
        with pytest.raises(SettingsError, match=r"has 76 bytes, too many.*at most 75 bytes"):
            check(model, environment)


def test_all_that_is_wrong_with_the_environment_is_said_at_once(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = use(monkeypatch, tmp_path / "none") | {"AWS_PROFILE": "a\tb"}
    with pytest.raises(SettingsError) as error:
        check(model, environment)
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == [
        "AWS_PROFILE",
        "TMPDIR",
    ]
