"""What docker is asked for."""

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.image.conftest import StandIn
from tidegate.image.context import PreparedImage
from tidegate.image.docker import build, push
from worker.errors import TidegateError

if TYPE_CHECKING:
    from tidegate.aws.account import Account

REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/tide-worker"
PREPARED = PreparedImage(
    Path("/context"), "0123456789ab", "linux/arm64", ("BASE=a", "SERVICES=s3|sqs")
)


class Ecr:
    def client(self, service: str) -> "Ecr":
        assert service == "ecr"
        return self

    def get_authorization_token(self) -> object:
        token = base64.b64encode(b"AWS:very:secret").decode()
        return {"authorizationData": [{"authorizationToken": token}]}


@pytest.fixture
def account() -> "Account":
    return Ecr()  # type: ignore[return-value]


def test_the_image_is_built_for_the_platform_with_every_argument_as_it_is(docker: StandIn) -> None:
    shown: list[str] = []

    assert build(PREPARED, shown.append) == "tidegate-worker:0123456789ab"

    options = "build --platform linux/arm64 --build-arg BASE=a --build-arg "
    target = " --tag tidegate-worker:0123456789ab /context"
    assert docker.calls == [f"{options}SERVICES=s3|sqs{target}"]
    assert shown == [f"docker {options}'SERVICES=s3|sqs'{target}"]


def test_where_docker_can_keep_such_layers_they_are_compressed_by_zstd(docker: StandIn) -> None:
    docker.describe_image_store("[[driver-type io.containerd.snapshotter.v1]]\n")

    build(PREPARED, lambda _: None)

    (call,) = docker.calls
    assert (
        "--output type=image,compression=zstd,compression-level=11,force-compression=true,"
        "oci-mediatypes=true --tag tidegate-worker:0123456789ab /context"
    ) in call


def test_the_older_image_store_is_asked_for_nothing_that_it_refuses(docker: StandIn) -> None:
    docker.describe_image_store("[[Backing Filesystem extfs] [Supports d_type true]]\n")

    build(PREPARED, lambda _: None)

    assert "--output" not in docker.calls[0]


def test_a_push_logs_in_and_shows_the_password_to_nobody(
    docker: StandIn, account: "Account", capfd: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []

    push("tidegate-worker:0123456789ab", REPOSITORY, account, shown.append)

    host = REPOSITORY.partition("/")[0]
    assert docker.calls == [
        f"login --username AWS --password-stdin {host}",
        f"tag tidegate-worker:0123456789ab {REPOSITORY}:0123456789ab",
        f"push {REPOSITORY}:0123456789ab",
    ]
    assert docker.input == "very:secret"
    printed = capfd.readouterr()
    assert "secret" not in "\n".join([*shown, *docker.calls, printed.out, printed.err])


def test_docker_prints_to_standard_error(
    docker: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    docker.answer("Step 1/2\n")
    build(PREPARED, lambda _: None)

    assert capfd.readouterr() == ("", "Step 1/2\n")


def test_a_failure_of_docker_is_an_error(docker: StandIn) -> None:
    docker.fail()

    with pytest.raises(TidegateError, match="docker build failed"):
        build(PREPARED, lambda _: None)


def test_without_docker_the_error_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(TidegateError, match="docker is missing"):
        build(PREPARED, lambda _: None)
