from pathlib import Path

import pytest

from tests.support.template import PARAMETERS
from tidegate.offline.inputs import SUFFIXES, NoInput, find_files, split_output


def test_the_suffixes_are_those_of_a_stacks_dispatcher() -> None:
    assert sorted(SUFFIXES) == sorted(PARAMETERS["Suffixes"]["Default"].split(","))


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(*sources: Path | str) -> list[str]:
    return [file.name for file in find_files([str(source) for source in sources])]


def test_a_folder_gives_its_data_files_by_their_path_below_it(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv", "deep/b.parquet", "deep/c.jsonl.gz", "notes.txt")

    assert names(tmp_path) == ["a.csv", "deep/b.parquet", "deep/c.jsonl.gz"]


def test_a_folder_gives_no_hidden_files_and_no_rejected_rows(tmp_path: Path) -> None:
    touch(tmp_path, ".a.csv", "_failed/b.csv", "_SUCCESS", "c.csv.rejected.csv", "d.csv")

    assert names(tmp_path) == ["d.csv"]


def test_a_named_file_is_taken_whatever_its_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "data.dat")

    assert names(tmp_path / "data.dat") == ["data.dat"]


def test_a_glob_gives_the_files_that_match(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv", "b.csv", "c.parquet")

    assert names(tmp_path / "*.csv") == ["a.csv", "b.csv"]


def test_a_file_is_taken_once_however_often_it_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv")

    assert names(tmp_path, tmp_path / "a.csv", tmp_path / "*.csv") == ["a.csv"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("none.csv", "there is no file .*none.csv"),
        ("*.csv", r"no file matches .*\*.csv"),
        ("empty", "empty has no file with one of the suffixes .csv"),
    ],
)
def test_a_source_without_files_is_an_error_that_names_it(
    tmp_path: Path, source: str, reason: str
) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(NoInput, match=reason):
        find_files([str(tmp_path / source)])


def test_a_last_argument_that_is_no_file_is_the_output(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv", "b.csv")
    a, b, out = (str(tmp_path / name) for name in ("a.csv", "b.csv", "out"))

    assert split_output([a, out], None) == ([a], Path(out))
    assert split_output([a, b, out], None) == ([a, b], Path(out))
    assert split_output([a, f"{out}.csv"], None) == ([a], Path(f"{out}.csv"))


def test_a_last_argument_that_is_a_folder_is_the_output(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv")

    assert split_output([str(tmp_path / "a.csv"), str(tmp_path)], None)[1] == tmp_path


def test_a_file_that_exists_is_always_an_input(tmp_path: Path) -> None:
    """A shell that expands a glob must not make its last file the output."""
    touch(tmp_path, "a.csv", "b.csv")
    both = [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]

    assert split_output(both, None) == (both, None)


def test_with_an_output_given_apart_every_argument_is_an_input(tmp_path: Path) -> None:
    sources = [str(tmp_path), str(tmp_path / "none")]

    assert split_output(sources, Path("out")) == (sources, Path("out"))


def test_a_misspelt_last_input_is_no_folder_of_outputs(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv", "b.csv")

    with pytest.raises(NoInput, match=r"there is no file .*c.csv; a folder .* ends with a slash"):
        split_output([str(tmp_path / name) for name in ("a.csv", "b.csv", "c.csv")], None)
