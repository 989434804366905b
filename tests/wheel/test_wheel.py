"""The wheel, installed into an empty environment and used far from the checkout."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from tests.support.template import ROOT
from tidegate.image import context
from tidegate.image.requirements import worker_bounds
from tidegate.image.source import ImageSource

UV = Path(sys.executable).with_name("uv")
IMPORTED = [
    "worker.service.run",
    "worker.pool.child",
    "dispatcher.handler",
    "notifier.handler",
    "reconciler.handler",
]
COMMANDS = {
    "tidegate --help": "batch predictions on aws",
    "tidegate check --help": "as a worker does",
    "tidegate predict --help": "as a worker does",
    "tidegate demo --help": "local cloud",
    "tidegate cloud --help": "local cloud",
    "tidegate deploy --help": "bring it up to date",
    "python -m tidegate --help": "batch predictions on aws",
    "python -m worker --help": "worker_queue",
}


@dataclass(frozen=True)
class Installed:
    environment: Path
    elsewhere: Path

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        program, *options = command.split()
        return subprocess.run(  # noqa: S603 - the words are the test's own
            [self.environment / "bin" / program, *options, *arguments],
            cwd=self.elsewhere,
            env={"PATH": os.defpath, "HOME": str(self.elsewhere)},
            capture_output=True,
            text=True,
            check=False,
        )


def uv(*arguments: str | Path) -> None:
    command: Sequence[str | Path] = [UV, "--quiet", "--system-certs", *arguments]
    ran = subprocess.run(  # noqa: S603 - the words are the test's own
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"{command}\n{ran.stderr}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source distribution from the checkout, and from that the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder)
    assert len(list(folder.glob("tidegate-*.tar.gz"))) == 1
    (built,) = folder.glob("tidegate-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    environment = tmp_path_factory.mktemp("installed") / "environment"
    python = environment / "bin" / "python"
    uv("venv", "--python", sys.executable, environment)
    locked = ROOT / "requirements" / "demo.txt"
    uv("pip", "install", "--no-deps", "--require-hashes", "--python", python, "-r", locked)
    uv("pip", "install", "--no-deps", "--python", python, wheel)
    return Installed(environment, tmp_path_factory.mktemp("elsewhere"))


def version_of(wheel: Path) -> str:
    return wheel.name.split("-")[1]


def test_what_is_installed_satisfies_what_the_wheel_requires(installed: Installed) -> None:
    uv("pip", "check", "--python", installed.environment / "bin" / "python")


def test_the_locks_satisfy_what_the_wheel_and_its_extras_require(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        headers = HeaderParser().parsestr(archive.read(name).decode())
    required = [Requirement(text) for text in headers.get_all("Requires-Dist", [])]

    assert {str(it.marker) for it in required} == {"None", 'extra == "cli"', 'extra == "onnx"'}
    assert [it for it in required if metadata.version(it.name) not in it.specifier] == []


@pytest.mark.parametrize(("command", "text"), COMMANDS.items(), ids=list(COMMANDS))
def test_a_command_prints_its_help(installed: Installed, command: str, text: str) -> None:
    ran = installed.run(command)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert text in ran.stdout.lower()


def test_the_command_prints_the_version_of_the_wheel_and_the_commit_it_was_built_from(
    installed: Installed, wheel: Path
) -> None:
    ran = installed.run("tidegate --version")

    head = subprocess.run(  # noqa: S603 - the words are the test's own
        ["git", "-C", ROOT, "rev-parse", "HEAD"],  # noqa: S607 - whichever git there is
        capture_output=True,
        text=True,
        check=True,
    )
    commit = head.stdout[:9]
    assert (ran.returncode, ran.stdout) == (0, f"tidegate {version_of(wheel)} (commit {commit})\n")


def test_a_worker_without_settings_ends_with_status_2_and_names_them(installed: Installed) -> None:
    ran = installed.run("python -m worker")

    assert ran.returncode == 2
    assert "WORKER_QUEUE" in ran.stderr
    assert "WORKER_MODEL" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    "module",
    [
        "worker.service.run",
        "worker.pool.child",
        "dispatcher.handler",
        "notifier.handler",
        "reconciler.handler",
    ],
)
def test_a_module_is_imported_from_the_environment(installed: Installed, module: str) -> None:
    ran = installed.run("python -c", f"import {module} as module; print(module.__file__)")

    assert ran.returncode == 0, ran.stderr
    assert Path(ran.stdout.strip()).is_relative_to(installed.environment)


def test_every_module_of_the_checkout_is_in_the_wheel(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    packages = ("worker", "dispatcher", "notifier", "reconciler", "tidegate")
    modules = {
        str(path.relative_to(ROOT))
        for package in packages
        for path in ROOT.glob(f"{package}/**/*.py")
    }

    assert modules <= names
    assert {f"{package}/py.typed" for package in packages} <= names
    shipped = ("Dockerfile", "infra/cloudformation.yaml", "requirements/image.txt")
    assert {f"tidegate/files/{name}" for name in shipped} <= names
    tops = {name.partition("/")[0] for name in names}
    assert tops == {*packages, f"tidegate-{version_of(wheel)}.dist-info"}


DEPLOY = """
import tempfile
from pathlib import Path

import dispatcher
from tidegate.deploy.cloudformation.template import Template
from tidegate.deploy.function_code import zip_sources
from tidegate.image.context import prepare
from tidegate.image.source import ImageSource
from tidegate.project_files import project_file

template = Template.read(project_file("infra/cloudformation.yaml").read_text())
with tempfile.TemporaryDirectory() as folder:
    print(prepare(ImageSource(), Path(folder)).tag)
print(template.with_code("bucket", {"Dispatcher": zip_sources(Path(dispatcher.__path__[0]))[0]}))
"""


def test_the_wheel_deploys_what_the_checkout_deploys(installed: Installed) -> None:
    ran = installed.run("python -c", DEPLOY)
    here = subprocess.run(  # noqa: S603 - the program above
        [sys.executable, "-c", DEPLOY], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == here.stdout


def test_a_mistake_is_told_without_a_checkout_and_before_aws_is_asked(
    installed: Installed,
) -> None:
    ran = installed.run("tidegate deploy tide --parameter MaxTask=1")

    assert ran.returncode == 2
    assert "did you mean MaxTasks?" in ran.stderr


@pytest.mark.parametrize("command", ["demo", "cloud"])
def test_a_command_that_needs_the_checkout_ends_with_an_error_that_names_it(
    installed: Installed, command: str
) -> None:
    ran = installed.run(f"tidegate {command}")

    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert "needs a checkout" in ran.stderr
    assert "infra/cloudformation.yaml and examples/iris/train.py" in ran.stderr
    assert list(installed.elsewhere.iterdir()) == []


TAG = """
from pathlib import Path
from tidegate.image.context import prepare
from tidegate.image.requirements import worker_bounds
from tidegate.image.source import ImageSource
folder = Path("context")
folder.mkdir()
print(prepare(ImageSource(), folder).tag, *sorted(worker_bounds()))
"""


def test_an_image_has_the_same_tag_from_the_wheel_as_from_a_checkout(
    installed: Installed, tmp_path: Path
) -> None:
    ran = installed.run("python -c", TAG)

    assert ran.returncode == 0, ran.stderr
    here = context.prepare(ImageSource(), tmp_path)
    assert ran.stdout.split() == [here.tag, *sorted(worker_bounds())]
    shutil.rmtree(installed.elsewhere / "context")


def test_the_page_of_a_run_finds_its_templates(installed: Installed) -> None:
    code = "from tidegate.report import rendering; print(*rendering.TEMPLATES.rglob('*.*'))"
    ran = installed.run("python -c", code)

    names = {Path(name).name for name in ran.stdout.split()}
    assert names == {"charts.svg", "page.html", "style.css"}, ran.stderr
