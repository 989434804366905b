import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.support.aws_models import models_read_once
from tests.support.conformance.sides import SIMULATED, Side, local_cloud_side, simulated_side
from tests.support.iam.operator import OPERATOR, documented
from tests.support.iam.user import user
from tests.support.scenario import REGION, Endpoint
from tests.support.threads import entered_in_thread
from tests.support.typed import Terminal
from tests.support.warm_commands import OFFLINE, ONLINE, WarmCommands, warm_commands
from tidegate.localcloud.stack import NAME
from tidegate.localcloud.stack_client import OUTPUT_PREFIX
from tidegate.localcloud.system import System, local_system

numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--transcript", help="file for the transcript of a rehearsed deploy")
    parser.addoption("--write-pages", action="store_true", help="write the screens of pages anew")
    parser.addoption("--roles", help="file for the table of what each role's statements are for")


@pytest.fixture(scope="session", autouse=True)
def models() -> Iterator[None]:
    """Read the descriptions of AWS's services once."""
    with models_read_once():
        yield


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Keep the local cloud up, with the stack deployed, for every test that asks for it."""
    parameters = {"IdleSeconds": "3", "MaxTasks": "2", "OutputKey": OUTPUT_PREFIX}
    with entered_in_thread(local_system(parameters)) as system:
        yield system


@pytest.fixture(scope="session")
def commands() -> Iterator[WarmCommands]:
    """Run commands in forks of one process, which has imported what they need."""
    with warm_commands((*ONLINE, *OFFLINE)) as commands:
        yield commands


@pytest.fixture
def operator(system: System, commands: WarmCommands) -> Iterator[Terminal]:
    """Type with an operator's rights and no others, each of which the table of rights has."""
    with user(system.cloud, NAME, OPERATOR) as who:
        terminal = Terminal(system, commands, who)
        yield terminal
    for command, asked in terminal.asked.items():
        assert asked <= documented(command), command


@pytest.fixture(scope="session")
def by_hand(system: System) -> Callable[..., Endpoint]:
    """Make buckets and queues on the local cloud that belong to no stack.

    The workers put their temporary files into the cloud's folder: what a killed worker leaves
    behind is removed with it.
    """

    def make(output_region: str = REGION) -> Endpoint:
        own = Endpoint(system.cloud.url, f"by-hand-{next(numbers)}", output_region=output_region)
        quick_to_leave = {"WORKER_IDLE_SECONDS": "0", "WORKER_CONSUMERS": "1"}
        own.environment = system.cloud.environment() | own.environment | quick_to_leave
        return own

    return make


@pytest.fixture
def endpoint(by_hand: Callable[[], Endpoint]) -> Endpoint:
    """Buckets and queues of the test's own."""
    return by_hand()


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
