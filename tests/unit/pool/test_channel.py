import pickle
import socket
from collections.abc import Iterator

import pytest

from worker.interfaces import OutputForm, ScoreOptions, ScoreResult
from worker.pool.channel import SIZE, Assignment, ChildChannel, OutputPiece

FORM = OutputForm("text/csv", None)


class Parent:
    """The other end of a line, which never waits."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        with theirs:
            self.stream = theirs.makefile("rwb")
        self.line = ChildChannel(self.stream)

    def hand_over(self, size: int, first: bytes) -> None:
        assignment = Assignment(ScoreOptions(), size, len(first))
        self.socket.sendall(pickle.dumps(assignment) + first + SIZE.pack(0))
        self.line.next_job()

    def heard(self) -> list[object]:
        """Take what has been said so far."""
        try:
            said = self.socket.recv(1 << 20)
        except BlockingIOError:
            return []
        answers: list[object] = []
        while said:
            (size,) = SIZE.unpack(said[: SIZE.size])
            answers.append(pickle.loads(said[SIZE.size : SIZE.size + size]))  # noqa: S301 - our own
            said = said[SIZE.size + size :]
        return answers


@pytest.fixture
def parent() -> Iterator[Parent]:
    parent = Parent()
    with parent.socket, parent.stream:
        yield parent


def test_a_process_says_at_once_that_it_has_taken_a_file(parent: Parent) -> None:
    parent.hand_over(4, b"abcd")
    assert parent.heard() == [None]


def test_a_small_file_wakes_the_parent_once_for_all_that_comes_of_it(parent: Parent) -> None:
    parent.hand_over(4, b"abcd")
    parent.heard()
    parent.line.open(FORM)
    parent.line.write(b"output")
    assert parent.heard() == []
    parent.line.finish(ScoreResult(1, 0))
    assert parent.heard() == [FORM, OutputPiece(b"output", rejects=False), ScoreResult(1, 0)]


def test_what_the_output_of_a_large_file_will_be_is_said_before_it_is_made(parent: Parent) -> None:
    parent.hand_over(8, b"abcd")
    parent.heard()
    parent.line.open(FORM)
    assert parent.heard() == [FORM]


def test_a_file_given_up_within_a_piece_leaves_the_line_at_the_next_file(
    parent: Parent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.pool.channel.MAX_PIECE_BYTES", 3)
    asked = pickle.dumps(Assignment(ScoreOptions(), 12, 2)) + b"ab"
    pieces = SIZE.pack(8) + b"cdefghij" + SIZE.pack(2) + b"kl" + SIZE.pack(0)
    parent.socket.sendall(asked + pieces)

    parent.line.next_job()
    assert next(parent.line.read([(2, 12)])) == b"cde"
    parent.line.finish(ScoreResult(1, 0))

    parent.hand_over(4, b"next")
    assert parent.line.first == b"next"
