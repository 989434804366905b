"""The notifier: one notice for a new kind of failure, one for each run's end, and digests."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from jsonschema import Draft202012Validator, FormatChecker
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from notifier.handler import (
    MOST_FILES,
    PREFIX,
    Notifier,
    NotSent,
    Objects,
    Places,
    Settings,
    SettingsError,
)
from tests.support.template import ROOT, properties
from tidegate.runs.layout import Layout
from tidegate.runs.record import Record
from tidegate.runs.request import Request

OUTPUT, TOPIC = "out", "arn:aws:sns:us-east-1:123456789012:people"
STOPPED = {"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {}}
DUE = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
FOREVER = float("inf")
BEGAN = datetime(2026, 11, 28, 8, tzinfo=UTC)
SCHEMA = Draft202012Validator(
    json.loads((ROOT / "docs" / "schemas" / "event-run-finished.json").read_text("utf-8")),
    format_checker=FormatChecker(),
)

Json = dict[str, Any]


@dataclass
class Recorder:
    """SNS, EventBridge and ECS: what they were asked for, and what they answer."""

    published: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    broken: bool = False
    broken_topics: set[str] = field(default_factory=set)
    refuses_events: bool = False

    def publish(self, **asked: Any) -> None:  # noqa: ANN401 - boto's
        if self.broken or asked["TopicArn"] in self.broken_topics:
            raise ClientError({"Error": {"Code": "Throttling"}}, "Publish")
        self.published.append(asked)

    def put_events(self, **asked: Any) -> Json:  # noqa: ANN401 - boto's
        if self.refuses_events:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
        self.events += asked["Entries"]
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}

    def list_tasks(self, **_: object) -> Json:
        return {"taskArns": self.tasks}

    def kinds(self) -> list[str]:
        return [one["MessageAttributes"]["kind"]["StringValue"] for one in self.published]


class World:
    """A stack's buckets and queues on moto, and a notifier, which `again` makes anew."""

    def __init__(self, **settings: str) -> None:
        self.s3: Any = boto3.client("s3")
        self.sqs: Any = boto3.client("sqs")
        self.s3.create_bucket(Bucket=OUTPUT)
        self.urls = {
            name: self.sqs.create_queue(QueueName=name)["QueueUrl"]
            for name in ("jobs", "dead", "file-events")
        }
        self.recorder = Recorder()
        self.environment = {
            "NOTIFIER_STACK": "tide",
            "NOTIFIER_OUTPUT_BUCKET": OUTPUT,
            "NOTIFIER_OUTPUT_KEY": "p",
            "NOTIFIER_QUEUE_URL": self.urls["jobs"],
            "NOTIFIER_DEAD_LETTER_QUEUE_URL": self.urls["dead"],
            "NOTIFIER_FILE_EVENTS_URL": self.urls["file-events"],
            "NOTIFIER_CLUSTER": "tide",
            "NOTIFIER_FAMILY": "tide-worker",
            "NOTIFIER_TOPICS": f",{TOPIC}",
            "NOTIFIER_WORKER_SETTINGS": "",
        } | settings
        self.again()

    def again(self) -> None:
        """Start another process of the function."""
        self.notifier = Notifier(
            settings=Settings.from_environment(self.environment),
            objects=Objects(self.s3, OUTPUT),
            sqs=self.sqs,
            ecs=self.recorder,  # type: ignore[arg-type] # as much of it as is used
            events=self.recorder,
            sns=self.recorder,
        )

    def handle(self, event: Json) -> None:
        self.notifier.handle(event, FOREVER)

    def send(self, event: Json) -> None:
        self.sqs.send_message(QueueUrl=self.urls["file-events"], MessageBody=json.dumps(event))

    def put(self, key: str, content: bytes = b"", *, minutes: int = 1) -> None:
        """Write an object, as if so many minutes after the run began."""
        self.s3.put_object(Bucket=OUTPUT, Key=key, Body=content)
        stored = s3_backends[DEFAULT_ACCOUNT_ID]["global"].buckets[OUTPUT].keys[key]
        stored.last_modified = BEGAN + timedelta(minutes=minutes)

    def keys(self) -> set[str]:
        return {one["Key"] for one in self.s3.list_objects_v2(Bucket=OUTPUT).get("Contents", [])}

    def record(self, *keys: str, run: str = "r", all_sent: bool = True, **more: Any) -> Record:  # noqa: ANN401
        """Record a run of these files, as `tidegate submit` does."""
        record = Record(self.s3, OUTPUT, f"p/_runs/{run}/")
        request = Request(
            run=run,
            stack="tide",
            by="arn",
            began=BEGAN,
            bucket="in",
            prefix="",
            output_bucket=OUTPUT,
            output_key="p",
            model="m",
            model_sha256="0" * 64,
            **more,
        )
        record.write_request(request)
        lines = "\n".join(json.dumps([key, "e", 1, 1, False]) for key in keys)
        self.put(f"p/_runs/{run}/sent/000001-{len(keys)}.jsonl.gz", gzip.compress(lines.encode()))
        if all_sent:
            record.write_end_of_sending({"files": len(keys)})
        return record


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield World()


def file_event(kind: str, number: int, *, run: str | None = None, group: str = "X-0000") -> Json:
    detail = {
        "id": f"{number:016x}".ljust(64, "0"),
        "time": "2026-11-28T08:00:00.000+00:00",
        "stack": "tide",
        "run": run,
        "input": {"bucket": "in", "key": f"{number}.csv"},
    }
    if kind == "File Failed":
        detail |= {"group": group, "error_type": "X", "message": "bad\n\u2028", "report": None}
    return {"source": "tidegate", "detail-type": kind, "detail": detail}


def failure(number: int, group: str = "X-0000") -> Json:
    return file_event("File Failed", number, group=group)


# New kinds of failures


def test_the_first_failure_of_a_group_makes_one_notice_and_no_other_one_does(world: World) -> None:
    world.handle(failure(1))
    world.handle(failure(2))
    world.again()
    world.handle(failure(3))
    world.handle(failure(4, group="Y-0000"))
    assert world.recorder.kinds() == ["group", "group"]
    first = world.recorder.published[0]
    assert first["TopicArn"] == TOPIC
    assert first["Subject"] == "tide: new kind of failure, X-0000"
    assert '"s3://in/1.csv"' in first["Message"]
    assert '"bad\\n\\u2028"' in first["Message"]
    assert "tidegate failures --stack tide" in first["Message"]


def test_a_notice_that_could_not_be_sent_is_sent_by_the_next_try(world: World) -> None:
    world.recorder.broken = True
    with pytest.raises(ClientError):
        world.handle(failure(1))
    assert world.keys() == set()
    world.recorder.broken = False
    world.handle(failure(1))
    assert world.recorder.kinds() == ["group"]


@pytest.mark.parametrize("event", [DUE, STOPPED, None])
def test_a_topic_that_refuses_does_not_make_another_one_get_a_notice_twice(
    world: World, event: Json | None, capsys: pytest.CaptureFixture[str]
) -> None:
    world.environment["NOTIFIER_TOPICS"] = f"arn:refuses,{TOPIC}"
    world.again()
    world.recorder.broken_topics.add("arn:refuses")
    world.record("a.csv")
    world.put("p/a.csv")
    world.send(file_event("File Predicted", 1))
    for _ in range(3):
        world.handle(event or failure(2))
    assert [one["TopicArn"] for one in world.recorder.published] == [TOPIC]
    assert '"notice not sent", "topic": "arn:refuses"' in capsys.readouterr().out


def test_without_a_topic_no_group_is_kept(world: World) -> None:
    world.environment["NOTIFIER_TOPICS"] = ","
    world.again()
    world.handle(failure(1))
    assert world.keys() == set()


# The digest


def test_a_digest_counts_each_event_once_by_group_and_names_the_next_command(world: World) -> None:
    for number in range(25):
        world.send(file_event("File Predicted", number))
    failures = [failure(number, "X-0000" if number < 28 else "Y-0000") for number in range(25, 30)]
    for event in failures * 2:  # again, as from a second delivery
        world.send(event)
    world.sqs.send_message(QueueUrl=world.urls["dead"], MessageBody="a dead letter")
    world.handle(DUE)
    (notice,) = world.recorder.published
    assert notice["Subject"] == "tide: 25 predicted, 5 failed"
    for line in ("predicted     25", "failed        5", "  X-0000  3", "  Y-0000  2"):
        assert line in notice["Message"].splitlines()
    assert "dead letters  1" in notice["Message"]
    assert "tidegate failures --stack tide" in notice["Message"]


def test_nothing_is_sent_if_nothing_has_happened(world: World) -> None:
    world.send(file_event("File Predicted", 1))
    world.handle(DUE)
    world.handle(DUE)
    assert world.recorder.kinds() == ["digest"]


def test_events_for_which_no_time_is_left_wait_for_the_next_digest(world: World) -> None:
    for number in range(30):
        world.send(file_event("File Predicted", number))
    world.notifier.handle(DUE, 0.0)
    world.handle(DUE)
    counts = [int(one["Subject"].split()[1]) for one in world.recorder.published]
    assert counts == [10, 20]


def test_a_digest_that_could_not_be_sent_is_sent_by_the_next_try(world: World) -> None:
    world.send(file_event("File Predicted", 1))
    world.recorder.broken = True
    with pytest.raises(ClientError):
        world.handle(DUE)
    world.recorder.broken = False
    world.send(failure(2))
    world.handle(DUE)
    world.handle(DUE)
    assert [one["Subject"] for one in world.recorder.published] == ["tide: 1 predicted, 1 failed"]


def test_a_run_that_cannot_be_looked_at_takes_nothing_from_the_digest(world: World) -> None:
    world.record("a.csv")
    world.put("p/a.csv")
    world.send(file_event("File Predicted", 1, run="r"))
    world.recorder.refuses_events = True
    with pytest.raises(NotSent):
        world.handle(DUE)
    assert world.recorder.kinds() == ["digest"]
    world.recorder.refuses_events = False
    world.handle(DUE)
    assert world.recorder.kinds() == ["digest", "run"]


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "no number"},
        {"id": None},
        {"run": "../" * 500},
        {"run": 5},
        {"group": None, "run": ["r"]},
    ],
)
def test_an_event_that_no_worker_has_sent_does_not_stop_the_digest(
    world: World, changes: Json, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = failure(1)
    odd["detail"] |= changes
    for event in ({"source": "tidegate"}, odd, file_event("File Predicted", 2)):
        world.send(event)
    world.handle(DUE)
    assert [one["Subject"] for one in world.recorder.published] == ["tide: 1 predicted, 0 failed"]
    lines = [json.loads(line)["decision"] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["unknown event", "unknown event", "digest sent"]
    assert waiting(world, "file-events") == 0


def test_an_event_whose_delete_fails_is_deleted_by_the_next_try(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete, refused = world.sqs.delete_message_batch, ["0"]

    def delete_message_batch(QueueUrl: str, Entries: list[Json]) -> Json:  # noqa: N803 - boto's
        failing = refused and [refused.pop()]
        good = [one for one in Entries if one["Id"] not in failing]
        answer: Json = delete(QueueUrl=QueueUrl, Entries=good) if good else {}
        return answer | {"Failed": [{"Id": name} for name in failing]}

    monkeypatch.setattr(world.sqs, "delete_message_batch", delete_message_batch)
    for number in range(2):
        world.send(file_event("File Predicted", number))
    world.handle(DUE)
    assert waiting(world, "file-events") == 0


def waiting(world: World, queue: str) -> int:
    """Return how many messages a queue has, in flight or not."""
    found = world.sqs.get_queue_attributes(QueueUrl=world.urls[queue], AttributeNames=["All"])
    number = "ApproximateNumberOfMessages"
    return sum(int(found["Attributes"][number + kind]) for kind in ("", "NotVisible"))


# The ends of runs


def test_a_run_whose_files_all_have_a_result_is_announced_once(world: World) -> None:
    world.record("a.csv", "b.csv", "c.csv")
    world.put("p/a.csv")
    world.put("p/b.csv")
    world.put("p/_failed/c.csv.json", minutes=3)
    world.handle(STOPPED)
    world.again()
    world.handle(STOPPED)
    (event,) = world.recorder.events
    detail = json.loads(event["Detail"])
    SCHEMA.validate(detail)
    assert (event["Source"], event["DetailType"]) == ("tidegate", "Run Finished")
    assert (detail["files"], detail["predicted"], detail["failed"]) == (3, 2, 1)
    assert (detail["status"], detail["seconds"]) == ("completed_with_failures", 180)
    assert world.recorder.kinds() == ["run"]
    text = world.recorder.published[0]["Message"]
    assert "tidegate failures --stack tide\n  tidegate report r --stack tide" in text


@pytest.mark.parametrize(
    "missing",
    ["a result", "the end of sending", "a result since the run began", "a request"],
)
def test_a_run_that_goes_on_is_not_announced(world: World, missing: str) -> None:
    world.record("a.csv", "b.csv", all_sent=missing != "the end of sending")
    world.put("p/a.csv")
    if missing != "a result":
        world.put("p/b.csv", minutes=-1 if "since" in missing else 1)
    if missing == "a request":
        world.s3.delete_object(Bucket=OUTPUT, Key="p/_runs/r/request.json")
    world.handle(STOPPED)
    assert world.recorder.events == world.recorder.published == []
    assert not world.keys() & {"p/_runs/r/summary.json", "p/_runs/r/announced.json"}


def test_the_latest_result_of_a_file_counts(world: World) -> None:
    world.record("a.csv", "b.csv")
    world.put("p/a.csv", minutes=2)
    world.put("p/_failed/a.csv.json", minutes=1)
    world.put("p/b.csv", minutes=1)
    world.put("p/_failed/b.csv.json", minutes=2)
    world.handle(STOPPED)
    detail = json.loads(world.recorder.events[0]["Detail"])
    assert (detail["predicted"], detail["failed"]) == (1, 1)


def test_a_run_that_was_cancelled_has_ended(world: World) -> None:
    world.record("a.csv", "b.csv", all_sent=False)
    world.put("p/a.csv")
    world.put("p/_runs/r/cancelled")
    world.handle(STOPPED)
    detail = json.loads(world.recorder.events[0]["Detail"])
    SCHEMA.validate(detail)
    assert (detail["status"], detail["predicted"], detail["cancelled"]) == ("cancelled", 1, 1)


def test_a_run_whose_end_somebody_else_recorded_is_announced_with_that_record(
    world: World,
) -> None:
    record = world.record("a.csv")
    world.put("p/a.csv")
    world.handle(STOPPED)
    theirs = dict(record.summary() or {}) | {"dollars": 0.5, "predicted": 7}
    world.s3.delete_object(Bucket=OUTPUT, Key="p/_runs/r/announced.json")
    world.s3.put_object(Bucket=OUTPUT, Key="p/_runs/r/summary.json", Body=json.dumps(theirs))
    world.handle(STOPPED)
    assert [json.loads(one["Detail"])["predicted"] for one in world.recorder.events] == [1, 7]
    assert record.summary() == theirs


def test_the_end_of_a_run_of_long_ago_is_no_news(world: World) -> None:
    world.record("a.csv")
    world.put("p/_runs/r/summary.json", b"{}", minutes=-60 * 24 * 365)
    world.handle(STOPPED)
    assert world.recorder.events == []


def test_a_run_of_last_week_that_never_ended_is_not_looked_at(world: World) -> None:
    world.record("a.csv")
    world.put("p/a.csv")
    stored = s3_backends[DEFAULT_ACCOUNT_ID]["global"].buckets[OUTPUT].keys
    stored["p/_runs/r/request.json"].last_modified = datetime.now(UTC) - timedelta(days=6)
    world.handle(STOPPED)
    assert world.recorder.events == []


def test_the_command_line_takes_the_summary_for_its_own(world: World) -> None:
    record = world.record("a.csv")
    world.put("p/a.csv")
    world.handle(STOPPED)
    summary = record.summary()
    assert summary is not None
    theirs = json.loads((ROOT / "docs" / "schemas" / "wait.json").read_text("utf-8"))
    assert set(summary) - {"version"} <= set(theirs["properties"])
    assert record.write_summary({"another": "one"}) == summary


def test_while_other_workers_run_a_stopped_one_starts_no_look(world: World) -> None:
    world.record("a.csv")
    world.put("p/a.csv")
    world.recorder.tasks = ["arn"]
    world.handle(STOPPED)
    assert world.recorder.events == []


def test_the_schedule_looks_at_runs_of_which_it_has_seen_events_and_at_no_other(
    world: World,
) -> None:
    for run in ("seen", "other"):
        world.record("a.csv", run=run)
    world.put("p/a.csv")
    world.send(file_event("File Predicted", 1, run="seen"))
    world.handle(DUE)
    assert [json.loads(one["Detail"])["run"] for one in world.recorder.events] == ["seen"]


def test_an_end_that_could_not_be_announced_is_announced_by_the_next_try(world: World) -> None:
    world.record("a.csv")
    world.put("p/a.csv")
    world.recorder.refuses_events = True
    with pytest.raises(NotSent, match=r"Run Finished of r: .*InternalFailure"):
        world.handle(STOPPED)
    world.recorder.refuses_events = False
    world.handle(STOPPED)
    assert len(world.recorder.events) == 1
    assert world.recorder.kinds() == ["run"]


def test_a_broken_record_of_one_run_does_not_hide_the_end_of_another(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.put("p/_runs/20991231-broken/request.json", b"{")
    world.record("a.csv", run="20991231-r")
    world.put("p/a.csv")
    with pytest.raises(ValueError, match="Expecting property name"):
        world.handle(STOPPED)
    assert world.recorder.kinds() == ["run"]
    assert '"run failed", "run": "20991231-broken"' in capsys.readouterr().out


def test_a_notice_that_failed_is_sent_by_the_next_try_and_its_event_comes_twice_with_one_id(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.record("a.csv")
    world.put("p/a.csv")
    with monkeypatch.context() as patch:
        patch.setattr(world.recorder, "publish", _fails)
        with pytest.raises(ConnectionError):
            world.handle(STOPPED)
    assert world.keys().isdisjoint({"p/_runs/r/announced.json"})
    world.handle(STOPPED)
    assert world.recorder.kinds() == ["run"]
    first, second = (json.loads(event["Detail"]) for event in world.recorder.events)
    assert first["id"] == second["id"]


def _fails(**_: object) -> None:
    raise ConnectionError


def test_a_run_whose_results_no_listing_shows_is_left_to_the_command_line(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.environment["NOTIFIER_WORKER_SETTINGS"] = "OUTPUT_TEMPLATE={output_key}/{etag}/{key}"
    world.again()
    world.record("a.csv")
    world.handle(STOPPED)
    assert '"run not looked at"' in capsys.readouterr().out
    assert world.recorder.events == []


def test_a_run_of_more_files_than_memory_holds_is_left_to_the_command_line(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.record("a.csv")
    world.put(f"p/_runs/r/sent/000002-{MOST_FILES}.jsonl.gz", b"not read")
    world.handle(STOPPED)
    assert '"run not looked at"' in capsys.readouterr().out


def test_a_run_with_more_outputs_than_there_is_time_to_list_is_left_to_the_command_line(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.record("a.csv")
    world.put("p/a.csv")
    world.notifier.handle(STOPPED, 0.0)
    assert '"run not looked at", "run": "r", "why": "out of time"' in capsys.readouterr().out
    assert world.recorder.events == []


@pytest.mark.parametrize("output_key", ["p", ""])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"OUTPUT_FORMAT": "parquet"},
        {"OUTPUT_TEMPLATE": "{output_key}/x/{key}.out"},
        {"OUTPUT_TEMPLATE": "a/{key}", "FAILURE_TEMPLATE": "f/{key}", "OUTPUT_FORMAT": "csv"},
        {"OUTPUT_TEMPLATE": "{output_key}/{key}/{version_id}"},
        {"FAILURE_TEMPLATE": "{output_key}/{etag}.json"},
    ],
)
def test_outputs_and_reports_are_looked_for_where_the_command_line_looks(
    output_key: str, settings: dict[str, str], world: World
) -> None:
    theirs = Layout(
        OUTPUT,
        output_key,
        settings.get("OUTPUT_FORMAT"),  # type: ignore[arg-type] # one of them
        settings.get("OUTPUT_TEMPLATE", "{output_key}/{key}"),
        settings.get("FAILURE_TEMPLATE", "{output_key}/_failed/{key}.json"),
    )
    request = {"output_key": output_key, "settings": settings}
    ours = Places.of(request, world.notifier.settings)
    if ours is None:
        assert not theirs.outputs or theirs.reports is None
        return
    assert theirs.reports is not None
    found = [(before, after) for before, afters, _ in ours.kinds() for after in afters]
    places = [*theirs.outputs, theirs.reports]
    assert found == [(place.before, place.after) for place in places]


# Settings


def test_missing_settings_are_named() -> None:
    with pytest.raises(SettingsError, match=r"not set: NOTIFIER_STACK, .*NOTIFIER_TOPICS"):
        Settings.from_environment({"NOTIFIER_CLUSTER": "tide"})


def test_the_template_sets_every_variable_and_no_other() -> None:
    variables = properties("Notifier")["Environment"]["Variables"]
    assert set(variables) == {PREFIX + field.upper() for field in Settings.__slots__}


def test_an_event_that_is_not_known_is_logged(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.handle({"source": "somebody"})
    assert "unknown event" in capsys.readouterr().out
