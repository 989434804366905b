"""Which files to predict, and where the output of each goes."""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.errors import TidegateError
from worker.jobs.rejected_rows import REJECTS_SUFFIX

# A stack's dispatcher takes the same files, unless its parameter Suffixes says otherwise.
TEXT_SUFFIXES = (".csv", ".jsonl", ".ndjson")
SUFFIXES = (
    *(suffix + packed for suffix in TEXT_SUFFIXES for packed in ("", ".gz", ".zst")),
    ".parquet",
)


class NoInput(TidegateError):
    """There is no file to predict."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to predict, and its name below the folder of the outputs."""

    path: Path
    name: str


def find_files(sources: Sequence[str]) -> list[InputFile]:
    """Find the files of paths, folders and globs, each once; raises NoInput.

    A file that is named is taken whatever its suffix. Folders are searched for the suffixes that a
    stack's dispatcher takes.
    """
    found: dict[Path, InputFile] = {}
    for source in sources:
        files = list(_files(source))
        if not files:
            raise NoInput(_nothing(source))
        for file in files:
            found.setdefault(file.path.resolve(), file)
    return list(found.values())


def _files(source: str) -> Iterator[InputFile]:
    path = Path(source)
    if path.is_dir():
        yield from _in_folder(path)
    elif path.exists():
        yield InputFile(path, path.name)
    else:
        for name in sorted(glob.glob(source, recursive=True)):  # noqa: PTH207 - of any folder
            if Path(name).is_file() and not name.endswith(REJECTS_SUFFIX):
                yield InputFile(Path(name), Path(name).name)


def _in_folder(folder: Path) -> Iterator[InputFile]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        is_hidden = any(part.startswith((".", "_")) for part in name.split("/"))
        is_data = name.lower().endswith(SUFFIXES) and not name.endswith(REJECTS_SUFFIX)
        if is_data and not is_hidden and path.is_file():
            yield InputFile(path, name)


def _nothing(source: str) -> str:
    if Path(source).is_dir():
        return f"{source} has no file with one of the suffixes {' '.join(SUFFIXES)}"
    if glob.has_magic(source):
        return f"no file matches {source}"
    return f"there is no file {source}"


def split_output(arguments: Sequence[str], output: Path | None) -> tuple[list[str], Path | None]:
    """Split arguments into inputs and the output, which is the last one if that can be no input.

    An `output` given apart makes all arguments inputs. A file that exists is always an input, so
    that no file is overwritten because a shell has expanded a glob.
    """
    *others, last = arguments
    if output is not None or not others:
        return list(arguments), output
    path = Path(last)
    is_folder = path.is_dir() or last.endswith("/")
    if not is_folder and (path.exists() or glob.has_magic(last)):
        return list(arguments), None
    if not is_folder and len(others) > 1 and path.suffix:
        raise NoInput(f"there is no file {last}; a folder for the outputs ends with a slash")
    return others, path
