"""The targets that go to AWS pass what they are given to `tidegate`, word for word."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.template import ROOT

# In place of Python: it prints its arguments, one on each line.
PYTHON = """\
#!/bin/sh
printf '%s\\n' "$@"
"""


@dataclass(frozen=True)
class Checkout:
    folder: Path

    def make(self, *arguments: str) -> list[str]:
        """Run make, and return what `tidegate` would be given."""
        ran = subprocess.run(  # noqa: S603 - the words are the test's own
            ["make", "--no-print-directory", *arguments],  # noqa: S607 - whichever make there is
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        program, name, *given = ran.stdout.splitlines()
        assert (program, name) == ("-m", "tidegate")
        return given


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    (tmp_path / "Makefile").write_text(
        f"BIN = {tmp_path}\n.venv/demo.stamp:\ninclude {ROOT}/infra/aws.mk\n"
    )
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return Checkout(tmp_path)


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["deploy"], "deploy"),
        (["deploy", "STACK=tide", "MODEL=a model.pkl"], "deploy|tide|--model|a model.pkl"),
        (
            ["deploy", "STACK=tide", "PARAMETERS=MaxTasks=8 WorkerSettings='A=1 B=2'"],
            "deploy|tide|--parameter|MaxTasks=8|--parameter|WorkerSettings=A=1 B=2",
        ),
        (
            ["deploy", "STACK=tide", "SETTINGS=MAX_REJECTED=0.05", "REQUIREMENTS=my.txt"],
            "deploy|tide|--requirements|my.txt|--set|MAX_REJECTED=0.05",
        ),
        (
            ["push", "STACK=tide", "ARCHITECTURE=ARM64", "BUILD_ARGS=REQUIREMENTS=onnx"],
            "push|tide|--architecture|ARM64|--build-arg|REQUIREMENTS=onnx",
        ),
        (["image", "PACKAGES=mine theirs"], "image|--package|mine|--package|theirs"),
        (["image", "BUILD_ARGS=SERVICES=s3|sqs"], "image|--build-arg|SERVICES=s3|sqs"),
        (["destroy", "STACK=tide"], "destroy|tide|--yes"),
    ],
)
def test_a_target_gives_its_words_to_the_command(
    checkout: Checkout, words: list[str], given: str
) -> None:
    assert "|".join(checkout.make(*words)) == given
