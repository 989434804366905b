"""What a deployment prints can be pasted: the AWS CLI takes each command of the transcript."""

import shlex
from unittest.mock import patch

import awscli.clidriver
import pytest

from tests.support.template import ROOT

LINES = (ROOT / "docs" / "going-up.txt").read_text().splitlines()
# By service and operation: one of each is enough. The bytes of a body are not printed.
COMMANDS = {
    tuple(words[1:3]): words
    for words in (shlex.split(line[2:]) for line in LINES if line.startswith("$ aws "))
    if "--body" not in words and "|" not in words
}


def test_the_aws_cli_takes_every_command_that_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    driver = awscli.clidriver.create_clidriver()
    # These make several calls, so that they are no calls of an operation.
    operations = {
        name: words for name, words in COMMANDS.items() if name[0] != "s3" and name[1] != "wait"
    }

    with patch("awscli.clidriver.CLIOperationCaller.invoke", return_value=0) as invoked:
        refused = [name for name, words in operations.items() if driver.main(words[1:]) != 0]

    assert refused == []
    assert invoked.call_count == len(operations)
    assert {("cloudformation", "create-change-set"), ("lambda", "put-function-concurrency")} <= {
        *operations
    }
