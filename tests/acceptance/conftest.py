import asyncio
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import pytest

from tests.acceptance.simulation_sides import SIMULATED, Side, local_cloud_side, simulated_side
from tests.support.scenario import Endpoint
from tidegate.localcloud.stack_client import OUTPUT_PREFIX
from tidegate.localcloud.system import System, local_system

T = TypeVar("T")
Eventually = Callable[[Callable[[], T]], T]

numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--transcript", help="where to write what the rehearsal of a deploy printed")
    parser.addoption("--roles", help="where to write what each role's statements are for")


async def hold(up: "Future[System]", down: "Future[None]") -> None:
    parameters = {"IdleSeconds": "3", "MaxTasks": "2", "OutputKey": OUTPUT_PREFIX}
    try:
        async with local_system(parameters) as system:
            up.set_result(system)
            await asyncio.wrap_future(down)
    except BaseException as error:
        if not up.done():
            up.set_exception(error)
        raise


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Keep the local cloud up, the stack deployed on it, for all the tests that ask for it."""
    up: Future[System] = Future()
    down: Future[None] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(hold(up, down)))
    thread.start()
    try:
        yield up.result()
    finally:
        down.set_result(None)
        thread.join()


@pytest.fixture(scope="session")
def by_hand(system: System) -> Callable[[], Endpoint]:
    """Make buckets and queues on the local cloud, and no stack that looks after them.

    The workers' temporary files are among the cloud's: what a killed one leaves goes with it.
    """

    def make() -> Endpoint:
        own = Endpoint(system.cloud.url, f"by-hand-{next(numbers)}")
        quick_to_leave = {"WORKER_IDLE_SECONDS": "0", "WORKER_CONSUMERS": "1"}
        own.environment = system.cloud.environment() | own.environment | quick_to_leave
        return own

    return make


@pytest.fixture
def endpoint(by_hand: Callable[[], Endpoint]) -> Endpoint:
    """Buckets and queues of the test's own."""
    return by_hand()


def poll_until_true(condition: Callable[[], T], seconds: float = 60) -> T:
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)
    return answer


@pytest.fixture
def eventually() -> Callable[[Callable[[], T]], T]:
    """Poll for real state, for a minute at most, and answer with what was waited for."""
    return poll_until_true


def processes_below(folder: Path) -> list[str]:
    """Return the command lines of the processes whose temporary files are below the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes()
        except OSError:  # it has just ended, or is not ours to look at
            continue
        if os.fsencode(folder) in environment + command:
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


@pytest.fixture
def running_below() -> Callable[[Path], list[str]]:
    """Find processes by the folder that they were given for their temporary files."""
    return processes_below


@pytest.fixture(scope="session")
def local_cloud(system: System) -> Iterator[Side]:
    """Open clients of the local cloud, for all the tests that run on both sides."""
    with local_cloud_side(system.cloud) as side:
        yield side


@pytest.fixture
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    """The simulated services, or the local cloud."""
    if request.param == SIMULATED:
        with simulated_side() as side:
            yield side
    else:
        yield request.getfixturevalue("local_cloud")
