"""`tidegate doctor` on a stack that runs: all is well, then broken, then mended by its commands."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tidegate.cli.main import main
from tidegate.localcloud.stack import NAME
from tidegate.localcloud.system import System

NOT_EMULATED = {"quotas"}


@pytest.fixture(autouse=True)
def on_the_local_cloud(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in system.cloud.environment().items():
        monkeypatch.setenv(name, value)


def examine(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    status = main(["doctor", NAME, "--json"])
    checks = json.loads(capsys.readouterr().out)["checks"]
    return status, {one["name"]: one for one in checks}


def test_a_running_stack_is_well_and_what_is_broken_is_mended_by_the_printed_commands(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    status, lines = examine(capsys)
    assert {one["status"] for name, one in lines.items() if name not in NOT_EMULATED} == {"ok"}
    assert {lines[name]["status"] for name in NOT_EMULATED} == {"unknown"}
    assert status == 0

    break_it(system, lines)
    status, lines = examine(capsys)
    broken = {name: one for name, one in lines.items() if one["status"] == "broken"}
    assert set(broken) == {"sweep", "input", "dispatcher role"}
    assert status == 1

    paste([command for one in broken.values() for command in one["commands"]], system)
    status, lines = examine(capsys)
    assert {name for name, one in lines.items() if one["status"] == "broken"} == set()
    assert status == 0


def break_it(system: System, lines: dict[str, Any]) -> None:
    """Disable a rule, remove the notification, and take a statement from a role."""
    events, s3, iam = (system.cloud.client(name) for name in ("events", "s3", "iam"))
    (rule,) = (
        one["Name"]
        for one in events.list_rules()["Rules"]
        if one["Name"] in lines["sweep"]["found"]
    )
    events.disable_rule(Name=rule)
    s3.put_bucket_notification_configuration(
        Bucket=system.stack.input_bucket, NotificationConfiguration={}
    )
    role = lines["dispatcher role"]["found"].split()[0]
    named = {"RoleName": role, "PolicyName": "dispatch"}
    document = iam.get_role_policy(**named)["PolicyDocument"]
    del document["Statement"][0]
    iam.put_role_policy(**named, PolicyDocument=json.dumps(document))


def paste(commands: list[str], system: System) -> None:
    """Run commands as somebody does who pastes them into a shell."""
    subprocess.run(  # noqa: S603 - what the command printed
        ["sh", "-e", "-c", "\n".join(commands)],  # noqa: S607 - the shell of this machine
        check=True,
        env=system.cloud.environment()
        | {"PATH": f"{Path(sys.executable).parent}:{system.cloud.environment()['PATH']}"},
    )
