from pathlib import Path

from tidegate.localcloud.watched_folder import WatchedFolder


def names(watched: WatchedFolder) -> list[str]:
    return [change.name for change in watched.changes()]


def sent(watched: WatchedFolder) -> list[tuple[str, bytes]]:
    found = watched.changes()
    for change in found:
        watched.sent(change)
    return [(change.name, change.path.read_bytes()) for change in found]


def test_a_file_is_found_once_it_is_as_it_was_at_the_last_look(tmp_path: Path) -> None:
    watched = WatchedFolder(tmp_path)
    assert names(watched) == []
    (tmp_path / "a.csv").write_bytes(b"half")
    assert names(watched) == []
    (tmp_path / "a.csv").write_bytes(b"the whole")
    assert names(watched) == []

    assert sent(watched) == [("a.csv", b"the whole")]
    assert names(watched) == []


def test_a_file_that_changes_is_found_again(tmp_path: Path) -> None:
    watched = WatchedFolder(tmp_path)
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / "a.csv"
    for content in (b"first", b"mended"):
        path.write_bytes(content)
        assert names(watched) == []
        assert sent(watched) == [("deep/a.csv", content)]


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    watched = WatchedFolder(tmp_path)
    (tmp_path / "notes.txt").write_bytes(b"notes")

    assert names(watched) == names(watched) == []


def test_a_file_that_could_not_be_sent_is_found_again(tmp_path: Path) -> None:
    watched = WatchedFolder(tmp_path)
    (tmp_path / "a.csv").write_bytes(b"whole")
    assert names(watched) == []

    assert names(watched) == ["a.csv"]
    assert names(watched) == ["a.csv"]
