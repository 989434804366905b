"""Events and notices of a broken batch, which nobody looks at: docs/events.md, docs/notices.md.

The 200 files of docs/broken-batch.md lie in a bucket and are submitted as a run, and all of them
again as a second one. So each event comes at least twice.
"""

import asyncio
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from tests.support.template import ROOT
from tests.support.threads import entered_in_thread
from tests.support.waiting import eventually
from tests.support.warm_commands import WarmCommands
from tidegate.localcloud.cloud import Cloud
from tidegate.localcloud.notices import TOPIC, Notice, Notices
from tidegate.localcloud.processes import run
from tidegate.localcloud.stack import ARTIFACTS, NAME
from tidegate.localcloud.stack_client import OUTPUT_PREFIX
from tidegate.localcloud.system import System, local_system

LAKE = "lake"
NEXT_STEP = ROOT / "examples" / "next_step"
HANDED_ON = "greenhouse/00"  # the files that the example's rule lets through
SCHEMAS = {
    kind: Draft202012Validator(
        json.loads(
            (ROOT / "docs" / "schemas" / f"event-{kind.lower().replace(' ', '-')}.json").read_text()
        ),
        format_checker=FormatChecker(),
    )
    for kind in ("File Predicted", "File Failed", "Run Finished")
}

Json = dict[str, Any]


class Listener:
    """A queue that keeps what it was sent."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self._sqs = cloud.client("sqs")
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn: str = self._sqs.get_queue_attributes(
            QueueUrl=self._url, AttributeNames=["QueueArn"]
        )["Attributes"]["QueueArn"]
        # EventBridge and SNS send to a queue only if its policy lets them.
        allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})
        self.seen: list[Json] = []

    def listen(self) -> list[Json]:
        """Return all that has come so far."""
        while found := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in found:
                self.seen.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return self.seen


@pytest.fixture
def own_system(system: System) -> Iterator[System]:
    """A cloud of the test's own, whose stack sends events and notices."""
    parameters = {"IdleSeconds": "3", "MaxTasks": "2", "OutputKey": OUTPUT_PREFIX}
    parameters |= {"MessagesPerTask": "100", "InputBucket": LAKE, "NoticeTopicArn": TOPIC}
    with entered_in_thread(local_system(parameters, model=system.model)) as own:
        yield own


@pytest.fixture
def events(own_system: System) -> Listener:
    """All events of the stack, by a rule of docs/events.md."""
    listener = Listener(own_system.cloud, "events-seen")
    client = own_system.cloud.client("events")
    pattern = {"source": ["tidegate"], "detail": {"stack": [NAME]}}
    client.put_rule(Name="everything", EventPattern=json.dumps(pattern))
    client.put_targets(Rule="everything", Targets=[{"Id": "queue", "Arn": listener.arn}])
    return listener


class Told:
    """All notices that have come so far."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._told: list[Notice] = []

    def all(self) -> list[Notice]:
        """Look for more, and return all of them."""
        self._told += self._notices.take()
        return self._told

    def kinds(self) -> Counter[str]:
        return Counter(notice.kind for notice in self.all())


@pytest.fixture
def told(own_system: System) -> Told:
    """The notices, as `tidegate cloud --notices` takes them."""
    return Told(Notices(own_system.cloud))


@pytest.fixture
def next_steps(own_system: System) -> Listener:
    """The example's stack, deployed by the commands of its README."""
    cloud = own_system.cloud
    packaged = cloud.folder / "next-step.yaml"
    aws = partial(
        run,
        Path(sys.executable).with_name("aws"),
        "cloudformation",
        environment=cloud.environment(),
        folder=NEXT_STEP,
        log=cloud.folder / "next-step.log",
    )

    async def deploy() -> None:
        await aws(
            "package",
            "--template-file=stack.yaml",
            f"--s3-bucket={ARTIFACTS}",
            f"--output-template-file={packaged}",
        )
        await aws(
            "deploy",
            f"--template-file={packaged}",
            "--stack-name=next-step",
            "--capabilities=CAPABILITY_IAM",
            "--parameter-overrides",
            f"Stack={NAME}",
            f"Prefix={HANDED_ON}",
        )

    asyncio.run(deploy())
    return Listener(cloud, "next-step-next")


def land(cloud: Cloud, folder: Path) -> set[str]:
    """Put the broken batch into the bucket; returns its keys."""
    script = ROOT / "examples" / "broken_batch" / "write.py"
    subprocess.run(  # noqa: S603 - the example's script
        [sys.executable, script, folder / "batch"], check=True, capture_output=True
    )
    s3, sent = cloud.client("s3"), folder / "batch" / "sent"
    s3.create_bucket(Bucket=LAKE)
    keys = set()
    for path in filter(Path.is_file, sent.rglob("*")):
        key = path.relative_to(sent).as_posix()
        s3.put_object(Bucket=LAKE, Key=key, Body=path.read_bytes())
        keys.add(key)
    return keys


def finished(events: Listener) -> dict[str, Json]:
    """Return the ends of runs that were announced; two looks at one moment may announce one twice.

    Both announcements then have the same id.
    """
    ends = [one["detail"] for one in events.listen() if one["detail-type"] == "Run Finished"]
    assert len({end["run"] for end in ends}) == len({end["id"] for end in ends})
    return {end["run"]: end for end in ends}


def test_what_happens_to_a_broken_batch_reaches_who_waits_for_it(  # noqa: PLR0917 - fixtures
    own_system: System,
    events: Listener,
    told: Told,
    next_steps: Listener,
    commands: WarmCommands,
    tmp_path: Path,
) -> None:
    cloud = own_system.cloud
    keys = land(cloud, tmp_path)

    def submit(run: str, *more: str) -> None:
        typed = ["submit", f"s3://{LAKE}/", "--run", run, *more]
        ran = commands.run(typed, tmp_path, cloud.environment())
        assert ran.returncode == 0, ran.stderr.decode()

    # Nobody waits for either run: the notifier finds their ends.
    submit("first")
    eventually(lambda: "first" in finished(events))
    submit("second", "--again")
    eventually(lambda: "second" in finished(events))

    by_file: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for event in events.listen():
        SCHEMAS[event["detail-type"]].validate(event["detail"])
        if event["detail-type"] != "Run Finished":
            by_file[event["detail-type"], event["detail"]["input"]["key"]].append(event["detail"])
    assert {key for _, key in by_file} == keys
    assert Counter(kind for kind, _ in by_file) == {"File Predicted": 160, "File Failed": 40}
    for details in by_file.values():
        assert {detail["run"] for detail in details} == {"first", "second"}
        assert len({detail["id"] for detail in details}) == 1
    assert len({details[0]["id"] for details in by_file.values()}) == len(keys)

    groups = {details[0]["group"] for details in by_file.values() if "group" in details[0]}
    ends = finished(events)
    for end in ends.values():
        assert (end["files"], end["predicted"], end["failed"]) == (200, 160, 40)
        assert end["status"] == "completed_with_failures"

    digest_is_due(own_system)
    eventually(lambda: told.kinds()["digest"])
    digest_is_due(own_system)  # nothing has happened since
    assert told.kinds() == {"group": len(groups), "run": 2, "digest": 1}
    assert len(groups) == 5
    assert set(ends) == {"first", "second"} == set(finished(events))
    check_texts(told, groups)
    check_next_steps(next_steps, keys)


def digest_is_due(system: System) -> None:
    """Invoke the notifier as its rule does every quarter of an hour, and wait for its end."""
    answer = system.cloud.client("lambda").invoke(
        FunctionName=f"{NAME}-notifier",
        Payload=json.dumps({"source": "aws.events", "detail-type": "Scheduled Event"}),
    )
    assert "FunctionError" not in answer, answer["Payload"].read()


def check_texts(told: Told, groups: set[str]) -> None:
    """Every notice says what has happened, and which command to type next."""
    texts = {notice.subject: notice.text for notice in told.all()}
    assert {f"{NAME}: new kind of failure, {group}" for group in groups} <= texts.keys()
    assert f"{NAME}: run first ended, 160 predicted, 40 failed" in texts
    digest = texts[f"{NAME}: 160 predicted, 40 failed"]
    assert all(group in digest for group in groups)
    assert all(f"tidegate failures --stack {NAME}" in text for text in texts.values())


def check_next_steps(next_steps: Listener, keys: set[str]) -> None:
    """Each file and each run that the rules of the example let through started one step."""
    expected = {f"{OUTPUT_PREFIX}/{key}" for key in keys if key.startswith(HANDED_ON)}
    assert expected
    eventually(lambda: len(next_steps.listen()) >= len(expected) + 2)
    what = Counter(step["what"] for step in next_steps.listen())
    assert what == {"File Predicted": len(expected), "Run Finished": 2}
    at = {step["at"].split("/", 3)[3] for step in next_steps.listen()}
    assert expected < at
