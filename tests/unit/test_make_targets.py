"""What the targets that go to AWS say when something is missing, and what they would do."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.template import ROOT

# An account with nothing in it.
AWS = """\
#!/bin/sh
case "$1 $2" in
  "sts get-caller-identity") echo 123456789012 ;;
  *) exit 254 ;;
esac
"""


@dataclass(frozen=True)
class Checkout:
    folder: Path
    programs: Path

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - the words are the test's own
            ["make", "--no-print-directory", *arguments],  # noqa: S607 - whichever make there is
            cwd=self.folder,
            env={"PATH": f"{self.programs}:/usr/bin:/bin", "AWS_REGION": "eu-west-1"},
            capture_output=True,
            text=True,
            check=False,
        )

    def tag(self, *arguments: str) -> str:
        ran = self.make("--dry-run", "image", *arguments)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.partition("--tag tidegate-worker:")[2].split()[0]

    def without(self, program: str) -> "Checkout":
        (self.programs / program).unlink()
        return self


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("aws", AWS), ("docker", "#!/bin/sh\n")):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    folder = tmp_path / "tidegate"
    for name in ("infra", "requirements", "worker"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("Makefile", "Dockerfile"):
        shutil.copy(ROOT / name, folder)
    return Checkout(folder, programs)


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (
            ["deploy"],
            "STACK=name is missing; a new stack needs MODEL=file or MODEL=s3://bucket/key too",
        ),
        (["deploy", "MODEL=model.pkl"], "STACK=name is missing."),
        (["deploy", "STACK=tide"], "MODEL=file or MODEL=s3://bucket/key is missing"),
        (["deploy", "STACK=tide", "MODEL=model.pkl"], "there is no file model.pkl"),
        (["push"], "STACK=name is missing"),
        (["push", "STACK=tide"], "make deploy STACK=tide MODEL=... makes it"),
        (["destroy"], "STACK=name is missing"),
        (["destroy", "STACK=tide"], "there is no stack tide"),
    ],
)
def test_a_target_that_cannot_work_says_what_is_missing_and_does_nothing(
    checkout: Checkout, arguments: list[str], missing: str
) -> None:
    ran = checkout.make(*arguments)

    assert ran.returncode == 2
    assert missing in ran.stderr
    assert "aws " not in ran.stdout


@pytest.mark.parametrize("target", ["push", "deploy", "destroy"])
def test_without_the_aws_cli_a_target_says_so(checkout: Checkout, target: str) -> None:
    if shutil.which("aws", path="/usr/bin:/bin"):
        pytest.skip("the AWS CLI is where every program is")

    ran = checkout.without("aws").make(target, "STACK=tide")

    assert "the AWS CLI is missing" in ran.stderr


def test_without_docker_the_image_is_not_built_and_the_reason_is_said(checkout: Checkout) -> None:
    if shutil.which("docker", path="/usr/bin:/bin"):
        pytest.skip("docker is where every program is")

    ran = checkout.without("docker").make("image")

    assert "docker is missing" in ran.stderr


def test_an_image_of_the_same_contents_has_the_same_tag(checkout: Checkout) -> None:
    before = checkout.tag()
    (checkout.folder / "worker" / "lifecycle" / "stop.py").touch()
    (checkout.folder / "infra" / "cloudformation.yaml").write_text("another")

    assert checkout.tag() == before


@pytest.mark.parametrize(
    "changed", ["worker/lifecycle/stop.py", "Dockerfile", "requirements/image.txt"]
)
def test_an_image_of_other_contents_has_another_tag(checkout: Checkout, changed: str) -> None:
    before = checkout.tag()
    with (checkout.folder / changed).open("a") as file:
        file.write("# another\n")

    assert checkout.tag() != before


def test_images_for_other_processors_with_other_libraries_or_on_other_bases_have_other_tags(
    checkout: Checkout,
) -> None:
    variants = [
        [],
        ["ARCHITECTURE=ARM64"],
        ["BUILD_ARGS=REQUIREMENTS=onnx"],
        ["BUILD_ARGS=BASE=python@sha256:ab"],
    ]

    assert len({checkout.tag(*variant) for variant in variants}) == len(variants)


def test_the_image_is_built_for_the_processor_that_is_asked_for(checkout: Checkout) -> None:
    assert "--platform linux/amd64" in checkout.make("--dry-run", "image").stdout
    assert "--platform linux/arm64" in checkout.make("-n", "image", "ARCHITECTURE=ARM64").stdout


def test_docker_is_given_every_build_argument_as_it_is(checkout: Checkout) -> None:
    ran = checkout.make("--dry-run", "image", "BUILD_ARGS=REQUIREMENTS=onnx SERVICES=s3|sqs")

    assert "--build-arg 'REQUIREMENTS=onnx' --build-arg 'SERVICES=s3|sqs'" in ran.stdout
