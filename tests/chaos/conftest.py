"""The local cloud of the runs, their seeds, and the summary printed for each run."""

from collections.abc import Iterator, Mapping

import pytest

from tests.support.threads import entered_in_thread
from tidegate.localcloud.cloud import local_cloud

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


@pytest.fixture(scope="session")
def cloud() -> Iterator[Mapping[str, str]]:
    """Keep a local cloud up. The value is the environment of a program that uses the cloud."""
    with entered_in_thread(local_cloud()) as cloud:
        yield cloud.environment()
