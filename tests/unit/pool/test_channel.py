import asyncio
import gc
import pickle
import socket
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence

import pytest

from tests.support.fakes.async_streams import AsyncMemoryInput
from worker.errors import StrayCancellation
from worker.interfaces import OutputForm, OutputPiece, Range, ScoreOptions, ScoreResult
from worker.pool.channel import END, SIZE, Assignment, ChildChannel, ParentChannel, RangeSender

FORM = OutputForm("text/csv", None)


class Parent:
    """The parent's end of a channel; its reads never wait."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        with theirs:
            self.stream = theirs.makefile("rwb")
        self.channel = ChildChannel(self.stream)

    def assign(self, size: int, first: bytes) -> None:
        assignment = Assignment(ScoreOptions(), size, len(first))
        self.socket.sendall(END + pickle.dumps(assignment) + first)
        self.channel.next_job()

    def received(self) -> list[object]:
        """Return the objects that have arrived since the last call."""
        try:
            frames = self.socket.recv(1 << 20)
        except BlockingIOError:
            return []
        objects: list[object] = []
        while frames:
            (size,) = SIZE.unpack(frames[: SIZE.size])
            frame = frames[SIZE.size : SIZE.size + size]
            objects.append(pickle.loads(frame))  # noqa: S301 - from this test
            frames = frames[SIZE.size + size :]
        return objects


@pytest.fixture
def parent() -> Iterator[Parent]:
    parent = Parent()
    with parent.socket, parent.stream:
        yield parent


def test_a_process_confirms_an_assignment_at_once(parent: Parent) -> None:
    parent.assign(4, b"abcd")
    assert parent.received() == [None]


def test_the_first_bytes_of_a_file_are_not_kept_behind_its_job(parent: Parent) -> None:
    parent.assign(4, b"abcd")
    assert parent.channel.first == b"abcd"
    parent.channel.send(ScoreResult(0, 0))
    parent.socket.shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError):
        parent.channel.next_job()
    assert parent.channel.first == b""


def test_the_whole_output_of_a_small_file_is_sent_at_once(parent: Parent) -> None:
    parent.assign(4, b"abcd")
    parent.received()
    parent.channel.open(FORM)
    parent.channel.write(b"output")
    assert parent.received() == []
    parent.channel.send(ScoreResult(1, 0))
    assert parent.received() == [FORM, OutputPiece(b"output", rejects=False), ScoreResult(1, 0)]


def test_the_form_of_a_large_files_output_is_sent_before_its_first_byte(parent: Parent) -> None:
    parent.assign(8, b"abcd")
    parent.received()
    parent.channel.open(FORM)
    assert parent.received() == [FORM]


def test_a_job_that_ends_within_a_piece_leaves_the_channel_at_the_next_job(
    parent: Parent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.pool.channel.MAX_PIECE_BYTES", 3)
    assignment = END + pickle.dumps(Assignment(ScoreOptions(), 12, 2)) + b"ab"
    pieces = SIZE.pack(8) + b"cdefghij" + SIZE.pack(2) + b"kl"
    parent.socket.sendall(assignment + pieces)

    parent.channel.next_job()
    assert next(parent.channel.read([(2, 12)])) == b"cde"
    parent.channel.send(ScoreResult(1, 0))

    parent.assign(4, b"next")
    assert parent.channel.first == b"next"


def test_a_read_ends_the_one_before_it(parent: Parent) -> None:
    pieces = SIZE.pack(3) + b"abc" + SIZE.pack(5) + b"defgh" + SIZE.pack(2) + b"ij"
    parent.socket.sendall(END + pickle.dumps(Assignment(ScoreOptions(), 10, 0)) + pieces)
    parent.channel.next_job()
    assert next(parent.channel.read([(0, 8)])) == b"abc"
    assert list(parent.channel.read([(8, 10)])) == [b"ij"]


async def assign_to_a_process_that_sent(answer: bytes) -> ParentChannel:
    """Assign a file larger than the socket's buffer to a process that has ended after an answer."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.sendall(answer)
    theirs.close()
    channel = ParentChannel(ours)
    first = bytes(1 << 20)
    try:
        await channel.assign(Assignment(ScoreOptions(), len(first), len(first)), first)
    except BaseException:
        channel.close()
        raise
    return channel


def test_a_process_that_ends_before_its_answer_has_not_taken_the_job() -> None:
    with pytest.raises((EOFError, OSError)):
        asyncio.run(assign_to_a_process_that_sent(b""))


def test_a_process_that_ends_behind_its_answer_has_taken_the_job() -> None:
    """Also if the file's first bytes could not be sent any more."""
    confirmation = pickle.dumps(None)

    async def assign_and_serve() -> None:
        channel = await assign_to_a_process_that_sent(SIZE.pack(len(confirmation)) + confirmation)
        with pytest.raises((EOFError, OSError)):
            await channel.receive()
        channel.close()

    asyncio.run(assign_and_serve())


class InterruptedInput(AsyncMemoryInput):
    """A read ends in a CancelledError that nobody requested."""

    async def read(self, ranges: Sequence[Range]) -> AsyncGenerator[bytes, None]:
        async for piece in super().read(ranges):
            yield piece
            raise asyncio.CancelledError


async def test_an_interrupted_read_ends_the_job_that_waits_for_its_bytes() -> None:
    sent: list[bytes] = []

    async def send(piece: bytes) -> None:
        sent.append(piece)

    async def wait_for_bytes() -> None:
        async with RangeSender(InterruptedInput(b"abcd"), send) as sender:
            sender.request([(0, 4)])
            await asyncio.sleep(1000)

    with pytest.raises(StrayCancellation):
        await wait_for_bytes()
    assert sent == [b"abcd"]
    assert asyncio.get_running_loop().time() < 1


@pytest.mark.parametrize("wait_seconds", [1, 3], ids=["the process ends early", "and late"])
async def test_a_piece_is_freed_once_its_file_is_served(wait_seconds: int) -> None:
    """A task that refers to itself would keep the piece until garbage is collected."""
    piece = bytes(100)

    class OnePiece:
        async def read(self, _: Sequence[Range]) -> AsyncGenerator[bytes, None]:
            yield piece

    async def send(_: bytes) -> None:
        await asyncio.sleep(2)

    gc.disable()
    try:
        references = sys.getrefcount(piece)
        async with RangeSender(OnePiece(), send) as sender:
            sender.request([(0, 100)])
            await asyncio.sleep(wait_seconds)
            await sender.finish()
        assert sys.getrefcount(piece) == references
    finally:
        gc.enable()
