"""What a pool process sends arrives whole on a real socket, in whatever pieces it comes."""

import asyncio
import pickle
import socket

import pytest

from worker.pool.channel import CHUNK_BYTES, SIZE, ParentChannel


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 5 * CHUNK_BYTES + 7])
async def test_an_object_of_any_size_is_received_whole_and_what_follows_it(size: int) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    with ours, theirs:
        frame = pickle.dumps(bytes(size))
        frames = (SIZE.pack(len(frame)) + frame) * 3
        sending = asyncio.create_task(loop.sock_sendall(theirs, frames))
        channel = ParentChannel(ours)
        assert [await channel.receive() for _ in range(3)] == [bytes(size)] * 3
        await sending


async def test_a_process_that_ends_within_a_large_object_is_noticed() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours:
        with theirs:
            theirs.sendall(SIZE.pack(5 * CHUNK_BYTES) + b"begin")
        with pytest.raises(EOFError):
            await ParentChannel(ours).receive()
