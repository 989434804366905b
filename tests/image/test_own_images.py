"""Images of one's own: other libraries on another base, and an image on top of Tidegate's."""

import pickle
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sklearn.linear_model import LinearRegression

from examples.lightgbm.train import write
from tests.support.container import ContainerEndpoint, Image
from tests.support.template import ROOT
from tidegate.image.check import check_model
from tidegate.image.context import prepare
from tidegate.image.docker import build
from tidegate.image.source import ImageSource, default_base
from worker.errors import ModelError

BASE = f"FROM {default_base()}\nRUN touch /etc/own-base\n"
ON_TOP = """\
FROM {image}
COPY more.py /app/
ENV WORKER_KEEP_COLUMNS=*
"""


@pytest.fixture(scope="module")
def docker(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The engine under docker's name, on the PATH."""
    program = tmp_path_factory.mktemp("bin") / "docker"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(image.engine)} "$@"\n')
    program.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(program.parent), prepend=":")
        yield program


def built(docker: Path, folder: Path, dockerfile: str, name: str) -> str:
    (folder / "Dockerfile").write_text(dockerfile)
    subprocess.run([docker, "build", "--tag", name, folder], check=True)  # noqa: S603 - our words
    return name


@pytest.fixture(scope="module")
def own(image: Image, docker: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """An image on a base of one's own, with LightGBM and a predictor."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "base").mkdir()
    (folder / "context").mkdir()
    base = built(docker, folder / "base", BASE, "own-base:test")
    requirements = folder / "my.txt"
    requirements.write_text("lightgbm\n")
    predictor = ROOT / "examples" / "rfm" / "rfm.py"
    source = ImageSource(requirements, (predictor,), base=base)
    return replace(image, name=build(prepare(source, folder / "context"), print))


@pytest.fixture(scope="module")
def lightgbm_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lightgbm")
    write(folder)
    return folder / "model.pkl"


def test_the_image_is_made_of_the_base_the_lock_and_the_code(own: Image) -> None:
    code = "import lightgbm, os, rfm; print(rfm.__file__, os.path.exists('/etc/own-base'))"

    assert own.python(code).split() == ["/app/rfm.py", "True"]


async def test_its_worker_predicts_by_the_library(
    own: Image, endpoint: ContainerEndpoint, lightgbm_model: Path
) -> None:
    endpoint.image = own
    customers = lightgbm_model.with_name("customers.csv").read_bytes()
    endpoint.submit("customers.csv", customers)

    ended = await endpoint.worker(WORKER_MODEL=endpoint.offer(lightgbm_model))

    assert ended.status == 0, ended.stderr
    lines = endpoint.get("p/customers.csv").splitlines()
    assert lines[0] == b"customer,activation"
    assert len(lines) == len(customers.splitlines())


@pytest.mark.usefixtures("docker")
def test_a_model_is_checked_by_the_versions_of_the_image(
    image: Image, own: Image, lightgbm_model: Path
) -> None:
    check_model(own.name, lightgbm_model, None, ["KEEP_COLUMNS=*"], print)

    with pytest.raises(ModelError, match="the model needs lightgbm"):
        check_model(image.name, lightgbm_model, None, [], print)


@pytest.mark.usefixtures("docker")
def test_a_model_of_another_scikit_learn_is_refused_before_anything_is_made(
    image: Image, tmp_path: Path
) -> None:
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    current = str(model.__getstate__()["_sklearn_version"])
    path = tmp_path / "old.pkl"
    written = pickle.dumps(model).replace(current.encode(), b"1.6.1".ljust(len(current), b"0"))
    path.write_bytes(written)

    with pytest.raises(ModelError, match=rf"scikit-learn 1\.6\.1 and this is {current}"):
        check_model(image.name, path, None, [], print)


def test_an_image_on_top_of_tidegates_adds_code_and_settings(
    image: Image, docker: Path, tmp_path: Path
) -> None:
    (tmp_path / "more.py").write_text("NUMBER = 7\n")
    name = built(docker, tmp_path, ON_TOP.format(image=image.name), "on-top:test")
    code = "import more, os; print(more.NUMBER, os.environ['WORKER_KEEP_COLUMNS'], os.getuid())"

    assert replace(image, name=name).python(code).split() == ["7", "*", "65532"]
