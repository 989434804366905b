import pytest

from tidegate.image.source import ImageSource, default_base
from worker.errors import SettingsError


def test_without_a_choice_the_dockerfile_decides() -> None:
    assert ImageSource().build_arguments() == ()
    assert default_base().startswith("python:3.")


def test_another_python_is_the_official_image_of_that_python() -> None:
    source = ImageSource(python="3.12")

    assert source.build_arguments() == ("BASE=python:3.12-slim-trixie",)
    assert source.image_python == "3.12"


@pytest.mark.parametrize(
    ("source", "python"),
    [
        (ImageSource(base="example.com/python:3.12-slim@sha256:ab"), "3.12"),
        (ImageSource(arguments=("BASE=python:3.12-slim-trixie",)), "3.12"),
        (ImageSource(base="example.com/ours:7"), ImageSource().image_python),
        (ImageSource(base="example.com/ours:7", python="3.12"), "3.12"),
    ],
)
def test_the_python_of_a_base_is_read_from_its_name_unless_it_is_given(
    source: ImageSource, python: str
) -> None:
    assert source.image_python == python


def test_a_base_of_ones_own_is_not_replaced_by_the_python_that_it_has() -> None:
    source = ImageSource(base="example.com/ours:7", python="3.12")

    assert source.build_arguments() == ("BASE=example.com/ours:7",)


def test_two_bases_are_refused() -> None:
    with pytest.raises(SettingsError, match="BASE is given twice"):
        ImageSource(base="one:1", arguments=("BASE=two:2",)).build_arguments()


@pytest.mark.parametrize("python", ["3.10", "2.7", "3.12.1", "python3.12"])
def test_a_python_that_the_worker_does_not_run_on_is_refused(python: str) -> None:
    with pytest.raises(SettingsError, match=r"Python 3\.11 or later"):
        ImageSource(python=python)


def test_an_architecture_that_fargate_does_not_have_is_refused() -> None:
    with pytest.raises(SettingsError, match="X86_64 or ARM64, not sparc"):
        ImageSource(architecture="sparc")
