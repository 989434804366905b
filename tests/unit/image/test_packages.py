"""The caller's own code, as it goes into an image."""

from pathlib import Path

import pytest

from tests.support.wheels import write_wheel
from tidegate.image.packages import copy_packages
from worker.errors import SettingsError, TidegateError

PROJECT = """\
[project]
name = "churn-tools"
version = "1.0"
dependencies = ["boostling"]
scripts.churn = "churn:main"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[tool.hatch.build.targets.wheel]
packages = ["churn"]
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with all that lies about in a folder of code."""
    folder = tmp_path / "mine" / "churn"
    for name in ("__init__.py", "rules.json", ".secret", "__pycache__/old.pyc", "deep/__init__.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return folder


def copied(folder: Path, *packages: Path) -> list[str]:
    copy_packages(packages, folder, ["numpy", "scikit-learn", "boostling"], lambda _: None)
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def test_a_module_is_copied(tmp_path: Path) -> None:
    module = tmp_path / "churn.py"
    module.write_text("")

    assert copied(tmp_path / "to", module) == ["churn.py"]


def test_a_package_is_copied_without_what_python_and_the_system_leave_there(
    package: Path, tmp_path: Path
) -> None:
    assert copied(tmp_path / "to", package) == [
        "churn/__init__.py",
        "churn/deep/__init__.py",
        "churn/rules.json",
    ]


def test_a_package_that_is_named_by_a_dot_has_its_folders_name(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(package)

    assert "churn/__init__.py" in copied(tmp_path / "to", Path())


@pytest.mark.usefixtures("index")
def test_a_project_is_installed_without_libraries_scripts_and_notes_of_this_machine(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_NO_BUILD_ISOLATION", "1")  # hatchling is there; no index has it
    (package.parent / "pyproject.toml").write_text(PROJECT)

    assert copied(tmp_path / "to", package.parent) == [
        "churn/__init__.py",
        "churn/deep/__init__.py",
        "churn/rules.json",
        "churn_tools-1.0.dist-info/METADATA",
        "churn_tools-1.0.dist-info/entry_points.txt",
    ]


@pytest.mark.usefixtures("index")
def test_a_wheel_is_installed_and_one_with_compiled_code_is_refused(tmp_path: Path) -> None:
    write_wheel(tmp_path, "churn", "1.0")
    assert "churn.py" in copied(tmp_path / "to", tmp_path / "churn-1.0-py3-none-any.whl")

    write_wheel(tmp_path, "fast", "1.0", tag="py3-none-linux_x86_64")
    with pytest.raises(TidegateError, match="holds compiled code"):
        copied(tmp_path / "to", tmp_path / "fast-1.0-py3-none-linux_x86_64.whl")


@pytest.mark.parametrize("name", ["worker", "tidegate", "json", "numpy", "sklearn", "boostling"])
def test_a_name_that_the_worker_python_or_a_library_has_is_refused(
    name: str, tmp_path: Path
) -> None:
    module = tmp_path / f"{name}.py"
    module.write_text("")

    with pytest.raises(TidegateError, match=f"would hide another module named {name}"):
        copied(tmp_path / "to", module)


def test_two_packages_of_one_name_are_refused(package: Path, tmp_path: Path) -> None:
    with pytest.raises(TidegateError, match="another package has"):
        copied(tmp_path / "to", package, package)


def test_a_folder_of_modules_is_refused_with_a_module_that_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "rfm.py").write_text("")

    with pytest.raises(SettingsError, match=r"--package .*/rfm\.py"):
        copied(tmp_path / "to", tmp_path)


def test_a_path_with_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no package"):
        copied(tmp_path / "to", tmp_path / "churn.py")
