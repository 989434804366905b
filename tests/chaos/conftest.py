"""The cloud of the runs, the seeds, and what is told of each run at the end."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future

import pytest

from tidegate.localcloud.cloud import Cloud, local_cloud

SEEDS = ("1", "2", "3")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", action="append", help="of one run; give it again for another")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        seeds = metafunc.config.getoption("--seed", default=None) or SEEDS
        metafunc.parametrize("seed", [int(seed) for seed in seeds])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in [
        *terminalreporter.stats.get("passed", []),
        *terminalreporter.getreports("failed"),
    ]:
        for name, text in report.user_properties:
            if name == "chaos":
                terminalreporter.write_line(str(text))


async def _hold(up: "Future[Cloud]", down: "Future[None]") -> None:
    try:
        async with local_cloud() as cloud:
            up.set_result(cloud)
            await asyncio.wrap_future(down)
    except BaseException as error:
        if not up.done():
            up.set_exception(error)
        raise


@pytest.fixture(scope="session")
def cloud() -> Iterator[Mapping[str, str]]:
    """Keep a local cloud up; it is given as the environment of who uses it."""
    up: Future[Cloud] = Future()
    down: Future[None] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_hold(up, down)))
    thread.start()
    try:
        yield up.result().environment()
    finally:
        down.set_result(None)
        thread.join()
