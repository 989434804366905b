import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import click
import pytest

from tests.support.stack_on_moto import NAME, Answers, stack_on_moto
from tests.support.template import TEMPLATE
from tidegate.aws.account import Account
from tidegate.aws.stack import DeployedStack, find
from tidegate.cli.main import cli
from tidegate.doctor.examination import CHECKS
from tidegate.doctor.facts import Facts
from tidegate.doctor.finding import Finding


@pytest.fixture(scope="module")
def shown() -> list[str]:
    """Each call in the AWS CLI's words."""
    return []


@pytest.fixture(scope="module")
def account(shown: list[str]) -> Iterator[Account]:
    """An account with a healthy stack; made once, because making it takes two seconds."""
    with stack_on_moto():
        yield Account(shown.append)


@pytest.fixture
def stack(account: Account) -> DeployedStack:
    return find(account, NAME)


@pytest.fixture
def answers(account: Account) -> Iterator[Answers]:
    """What AWS answers; with what moto does not know."""
    answers = Answers(account)
    unreserved = {"UnreservedConcurrentExecutions": 1000}
    answers.give("lambda", "GetAccountSettings", AccountLimit=unreserved)
    answers.give("cloudformation", "GetTemplate", TemplateBody=TEMPLATE)  # parsed once, not often
    answers.give("service-quotas", "GetServiceQuota", Quota={"Value": 6.0})
    yield answers
    answers.restore()


def parse(command: str) -> None:
    """Fail if a command of `tidegate` has no such options."""
    program, name, *arguments = shlex.split(command)
    if program == "tidegate":
        cli.commands[name].make_context(name, arguments, parent=click.Context(cli))


@pytest.fixture
def check(
    account: Account,
    answers: Answers,  # noqa: ARG001 - with what moto does not know
) -> Callable[[str], Finding]:
    """Run one check on the stack."""

    def run(name: str) -> Finding:
        with ThreadPoolExecutor(8) as pool:
            finding = CHECKS[name](Facts(account, find(account, NAME), pool))
        for command in finding.commands:
            parse(command)
        return finding

    return run
