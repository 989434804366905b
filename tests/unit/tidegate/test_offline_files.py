import io
import stat
from pathlib import Path
from typing import IO

import pytest

from tidegate.offline.files import FileReader, FileWriter, StreamWriter
from worker.errors import TidegateError
from worker.interfaces import OutputForm

SAME = OutputForm("text/csv", None)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_reader_yields_the_ranges_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(100)))
    with path.open("rb") as file:
        reader = FileReader(file)

        assert (reader.size, reader.first) == (100, bytes(range(100)))
        assert b"".join(reader.read([(90, 95), (0, 2)])) == bytes([90, 91, 92, 93, 94, 0, 1])


def test_a_file_that_became_shorter_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    with path.open("rb") as file:
        reader = FileReader(file)
        path.write_bytes(b"123")

        with pytest.raises(OSError, match="became shorter"):
            list(reader.read([(0, 5)]))


def test_an_output_has_no_name_before_it_is_published(tmp_path: Path) -> None:
    writer = FileWriter(tmp_path / "deep" / "a.csv")
    with writer:
        writer.open(SAME)
        writer.write(b"whole")
        assert not writer.target.exists()
        writer.publish()

    assert writer.target.read_bytes() == b"whole"
    assert names(writer.target.parent) == ["a.csv"]


def test_what_is_not_published_leaves_no_file_and_keeps_the_earlier_output(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_bytes(b"earlier")
    writer = FileWriter(target)
    with writer:
        writer.open(SAME)
        writer.write(b"half")
        writer.reject(b"row")

    assert names(tmp_path) == ["a.csv"]
    assert target.read_bytes() == b"earlier"


def test_rejected_rows_go_beside_the_output_and_leave_with_the_next_one(tmp_path: Path) -> None:
    writer = FileWriter(tmp_path / "a.csv")
    with writer:
        writer.open(SAME)
        writer.reject(b"row")
        writer.publish()
    assert (tmp_path / "a.csv.rejected.csv").read_bytes() == b"row"

    with writer:
        writer.open(SAME)
        writer.publish()
    assert names(tmp_path) == ["a.csv"]


def test_a_converted_output_has_its_format_appended_in_each_attempt(tmp_path: Path) -> None:
    writer = FileWriter(tmp_path / "a.csv")
    for _ in range(2):
        with writer:
            writer.open(OutputForm("application/x-ndjson", "jsonl"))
            writer.publish()

    assert names(tmp_path) == ["a.csv.jsonl"]


def test_an_output_has_the_rights_of_other_new_files(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    writer = FileWriter(tmp_path / "a.csv")
    with writer:
        writer.open(SAME)
        writer.publish()

    rights = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("other", "a.csv")]
    assert rights[0] == rights[1]


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.BytesIO(), Terminal()])
def test_a_stream_gets_the_output_of_the_last_attempt_whole(stream: IO[bytes]) -> None:
    writer = StreamWriter(stream)
    with writer:
        writer.open(SAME)
        writer.write(b"first attempt")
    with writer:
        writer.open(SAME)
        writer.write(b"second")
        assert stream.tell() == 0
        writer.publish()

    stream.seek(0)
    assert stream.read() == b"second"


def test_a_terminal_gets_no_parquet() -> None:
    with pytest.raises(TidegateError, match=r"parquet.*-o.*--set OUTPUT_FORMAT=csv"):
        StreamWriter(Terminal()).open(OutputForm("application/vnd.apache.parquet", None))
