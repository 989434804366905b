"""Calls in a process of their own that has everything imported already."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

T = TypeVar("T")
FORK = multiprocessing.get_context("fork")


def in_fork(call: Callable[[], T]) -> T:
    """Return what the call returns in a fork of this process, where it may change anything.

    An interpreter of its own would spend most of its time on imports.
    """
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_answer, args=(call, theirs))
    process.start()
    theirs.close()
    try:
        answer: T | BaseException = ours.recv()
    except EOFError:
        process.join()
        raise AssertionError(f"the process ended with {process.exitcode}") from None
    process.join()
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _answer(call: Callable[[], object], connection: Connection) -> None:
    try:
        answer = call()
    except BaseException as error:  # noqa: BLE001 - raised in the parent
        connection.send(error)
    else:
        connection.send(answer)
