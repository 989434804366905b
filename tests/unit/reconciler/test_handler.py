"""The reconciler: a message for each input without a result, and for no other one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.handler import (
    MESSAGES_PER_BATCH,
    MOST_PARTS,
    SEND_ATTEMPTS,
    NotFinished,
    NotSent,
    Reconciler,
    Settings,
    SettingsError,
    UnknownEvent,
)
from tests.support.template import Deployed, properties, resolve
from tidegate.runs.layout import Layout
from worker.job import Job

IN, OUT = "in", "out"
FOREVER, AT_ONCE = float("inf"), 0.0
NIGHT = datetime(2026, 11, 28, 2, tzinfo=UTC)
DUE = {"source": "aws.events", "detail-type": "Scheduled Event", "time": "2026-11-28T02:00:00Z"}
RETENTION = timedelta(days=4)

Json = dict[str, Any]


@dataclass
class Aws:
    """As much of S3, SQS and Lambda as the reconciler uses."""

    page_keys: int = 3
    objects: dict[tuple[str, str], datetime] = field(default_factory=dict)
    in_queue: dict[str, int] = field(default_factory=dict)
    sent: list[Json] = field(default_factory=list)
    refusals: int = 0
    empty_pages: int = 0  # before each page with objects
    listings: list[tuple[str, str, str]] = field(default_factory=list)
    handed_over: list[Json] = field(default_factory=list)

    def put(self, bucket: str, key: str, ago: timedelta = timedelta(hours=5)) -> None:
        self.objects[bucket, key] = NIGHT - ago

    def list_objects_v2(
        self,
        *,
        Bucket: str,  # noqa: N803 - boto's, as those below
        Prefix: str,  # noqa: N803
        StartAfter: str = "",  # noqa: N803
        ContinuationToken: str = "",  # noqa: N803
    ) -> Json:
        self.listings.append((Bucket, Prefix, StartAfter))
        number, _, after = ContinuationToken.partition(":")
        if (empty := int(number or 0)) < self.empty_pages:
            token = f"{empty + 1}:{after or StartAfter}"
            return {"IsTruncated": True, "NextContinuationToken": token}
        StartAfter = StartAfter or after  # noqa: N806 - boto's
        below = sorted(
            (key.encode(), written)
            for (bucket, key), written in self.objects.items()
            if bucket == Bucket and key.startswith(Prefix) and key.encode() > StartAfter.encode()
        )
        contents = [
            {"Key": key.decode(), "ETag": f'"{written:%d%H%M}"', "Size": 7, "LastModified": written}
            for key, written in below[: self.page_keys]
        ]
        answer = {"IsTruncated": len(below) > self.page_keys}
        return answer | ({"Contents": contents} if contents else {})

    def get_queue_attributes(self, **_: object) -> Json:
        number = "ApproximateNumberOfMessages"
        counts = {number + kind: 0 for kind in ("", "NotVisible", "Delayed")}
        counts |= {number + kind: count for kind, count in self.in_queue.items()}
        counts["MessageRetentionPeriod"] = int(RETENTION.total_seconds())
        return {"Attributes": {name: str(count) for name, count in counts.items()}}

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Json]) -> Json:  # noqa: N803 - boto's
        assert QueueUrl == "queue"
        assert 1 <= len(Entries) <= MESSAGES_PER_BATCH
        refused = Entries[: self.refusals]
        self.refusals = max(0, self.refusals - len(refused))
        self.sent += [json.loads(one["MessageBody"]) for one in Entries[len(refused) :]]
        return {"Failed": [{"Id": one["Id"]} for one in refused]} if refused else {}

    def invoke(self, **asked: Any) -> None:  # noqa: ANN401 - boto's
        assert (asked["FunctionName"], asked["InvocationType"]) == ("self", "Event")
        self.handed_over.append(json.loads(asked["Payload"]))

    def submitted(self) -> list[str]:
        return sorted(one["key"] for one in self.sent)


def settings(**changes: str) -> Settings:
    known = {
        "function": "self",
        "queue_url": "queue",
        "bucket": IN,
        "input_prefix": "",
        "output_bucket": OUT,
        "output_key": "p",
        "suffixes": "",
        "days": "7",
        "max_files": "1000",
        "worker_settings": "",
    }
    return Settings.from_environment(
        {f"RECONCILER_{name.upper()}": text for name, text in {**known, **changes}.items()}
    )


def night(aws: Aws, stop_at: float = FOREVER, event: Json = DUE, **changes: str) -> None:
    """Reconcile, each invocation until the time."""
    client: Any = aws
    reconciler = Reconciler(settings(**changes), client, client, client)
    reconciler.handle(event, stop_at)
    while aws.handed_over:
        reconciler.handle(aws.handed_over.pop(0), stop_at)


def logged(capsys: pytest.CaptureFixture[str]) -> Json:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (last,) = [line for line in lines if line["decision"] == "reconciled"]
    found: Json = last
    return found


# Which inputs


def test_only_an_input_without_output_and_report_is_submitted() -> None:
    aws = Aws()
    for key in ("done.csv", "failed.csv", "lost.csv"):
        aws.put(IN, key, timedelta(hours=9))
    aws.put(OUT, "p/done.csv")
    aws.put(OUT, "p/_failed/failed.csv.json")
    night(aws)
    assert aws.sent == [
        {
            "bucket": IN,
            "key": "lost.csv",
            "output_bucket": OUT,
            "output_key": "p",
            "etag": "271700",
            "size": 7,
        }
    ]


def test_the_worker_takes_the_message_as_a_job() -> None:
    aws = Aws()
    aws.put(IN, "lost.csv")
    aws.put(IN, "changed.csv")
    aws.put(OUT, "p/changed.csv", timedelta(hours=9))
    night(aws)
    jobs = {job.key: job for job in (Job.model_validate(one) for one in aws.sent)}
    assert not jobs["lost.csv"].again
    assert jobs["changed.csv"].again


@pytest.mark.parametrize("result", ["p/a.csv", "p/_failed/a.csv.json"])
@pytest.mark.parametrize(("seconds", "submitted"), [(-1, ["a.csv"]), (0, []), (1, [])])
def test_an_input_is_submitted_again_if_it_is_newer_than_its_result(
    result: str, seconds: int, submitted: list[str]
) -> None:
    aws = Aws()
    aws.put(IN, "a.csv", timedelta(hours=5))
    aws.put(OUT, result, timedelta(hours=5, seconds=-seconds))
    night(aws)
    assert aws.submitted() == submitted


def test_the_newest_of_output_and_report_counts() -> None:
    aws = Aws()
    aws.put(IN, "a.csv", timedelta(hours=5))
    aws.put(OUT, "p/a.csv", timedelta(hours=9))
    aws.put(OUT, "p/_failed/a.csv.json", timedelta(hours=4))
    night(aws)
    assert not aws.sent


def test_inputs_are_left_alone_if_they_are_too_new_or_too_old(
    capsys: pytest.CaptureFixture[str],
) -> None:
    aws = Aws()
    aws.put(IN, "minutes-ago.csv", timedelta(minutes=59))
    aws.put(IN, "an-hour-ago.csv", timedelta(hours=1))
    aws.put(IN, "this-week.csv", timedelta(days=7))
    aws.put(IN, "before-anybody-asked.csv", timedelta(days=7, seconds=1))
    night(aws)
    assert aws.submitted() == ["an-hour-ago.csv", "this-week.csv"]
    facts = logged(capsys)
    assert (facts["looked_at"], facts["too_new"], facts["too_old"]) == (4, 1, 1)


@pytest.mark.parametrize("kind", ["", "NotVisible", "Delayed"])
def test_what_may_wait_in_the_queue_is_left_to_another_night(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    aws = Aws(in_queue={kind: 1})
    aws.put(IN, "may-wait.csv", RETENTION - timedelta(seconds=1))
    aws.put(IN, "expired.csv", RETENTION)
    night(aws)
    assert aws.submitted() == ["expired.csv"]
    assert logged(capsys)["in_queue"] == 1


def test_what_the_dispatcher_ignores_is_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    aws = Aws()
    for key in ("in/a.CSV", "in/a.txt", "in/folder/", "elsewhere/a.csv", "in/p/a.csv"):
        aws.put(IN, key)
    night(aws, suffixes=".csv,.jsonl", input_prefix="in/", output_bucket=IN, output_key="in/p")
    assert aws.submitted() == ["in/a.CSV"]
    facts = logged(capsys)
    assert (facts["looked_at"], facts["folders"], facts["other_suffix"]) == (3, 1, 1)


def test_the_stacks_own_outputs_cost_one_listing_whatever_their_number() -> None:
    aws = Aws()
    aws.put(IN, "a.csv")
    aws.put(IN, "z.csv")
    for number in range(50):
        aws.put(IN, f"p/{number:02}.csv")
    night(aws, output_bucket=IN)
    assert aws.submitted() == ["a.csv", "z.csv"]
    assert len([one for one in aws.listings if one[1] == ""]) == 2


def test_a_page_without_objects_is_not_the_end_of_a_listing() -> None:
    aws = Aws(page_keys=1, empty_pages=2)
    for key in ("a", "b", "c"):
        aws.put(IN, key)
    aws.put(OUT, "p/b", timedelta(hours=4))

    night(aws)

    assert aws.submitted() == ["a", "c"]


def test_old_inputs_cost_no_listing_of_outputs() -> None:
    aws = Aws(page_keys=10)
    for number in range(100):
        aws.put(IN, f"{number:03}.csv", timedelta(days=99))
        aws.put(OUT, f"p/{number:03}.csv", timedelta(days=98))
    aws.put(IN, "050.csv")
    night(aws)
    assert aws.submitted() == ["050.csv"]
    assert len([one for one in aws.listings if one[1] == "p/"]) == 1


# Where results are


@pytest.mark.parametrize(
    ("worker_settings", "output", "report"),
    [
        ("OUTPUT_FORMAT=parquet", "p/a.csv.parquet", "p/_failed/a.csv.json"),
        ("OUTPUT_FORMAT=parquet", "p/a.csv", "p/_failed/a.csv.json"),
        ("WORKER_OUTPUT_TEMPLATE=x/{key}.out", "x/a.csv.out", "p/_failed/a.csv.json"),
        ("failure_template='{output_key}/not good/{key}'", "p/a.csv", "p/not good/a.csv"),
    ],
)
def test_results_are_found_where_the_workers_settings_put_them(
    worker_settings: str, output: str, report: str
) -> None:
    for result in (output, report):
        aws = Aws()
        aws.put(IN, "a.csv", timedelta(hours=9))
        night(aws, worker_settings=worker_settings)
        assert aws.submitted() == ["a.csv"]
        aws.put(OUT, result)
        aws.sent.clear()
        night(aws, worker_settings=worker_settings)
        assert not aws.sent


@pytest.mark.parametrize("output_key", ["", "p", "a/b/"])
@pytest.mark.parametrize("output_format", ["", "csv"])
def test_places_are_those_of_the_command_line(output_key: str, output_format: str) -> None:
    own = settings(
        output_key=output_key,
        worker_settings=f"OUTPUT_FORMAT={output_format}" if output_format else "",
    ).places()
    form: Any = output_format or None
    layout = Layout("out", output_key, form)
    assert layout.reports
    assert [(own[0].before, after) for after in own[0].afters] == [
        (one.before, one.after) for one in layout.outputs
    ]
    assert (own[1].before, own[1].afters) == (layout.reports.before, (layout.reports.after,))


@pytest.mark.parametrize("template", ["{output_key}/{etag}/{key}", "{output_key}/all.csv"])
@pytest.mark.parametrize("name", ["OUTPUT_TEMPLATE", "FAILURE_TEMPLATE"])
def test_templates_that_do_not_say_where_a_result_is_are_refused_by_name(
    name: str, template: str
) -> None:
    aws = Aws()
    aws.put(IN, "a.csv")
    with pytest.raises(SettingsError, match=f"WORKER_{name}=.*Reconcile=DISABLED"):
        night(aws, worker_settings=f"{name}={template}")
    assert not aws.sent


def test_a_key_that_is_too_long_for_an_output_has_failed() -> None:
    aws = Aws()
    aws.put(IN, "x" * 1024)
    aws.put(IN, "y" * (1024 - len("p/_failed/.json")))
    night(aws)
    assert [key[0] for key in aws.submitted()] == ["y"]


KEYS = st.text("a-.\u00e9\U0001f600", min_size=1, max_size=4) | st.sampled_from(
    ["a", "a.csv", "a-b", "a-b.csv", "a.csv.csv", "\uffee", "\U0001f600.csv"]
)
STATES = st.sampled_from(["lost", "done", "converted", "failed", "changed"])


@given(inputs=st.dictionaries(KEYS, STATES, max_size=14), page_keys=st.integers(1, 4))
@pytest.mark.parametrize("stop_at", [FOREVER, AT_ONCE])
def test_any_keys_are_joined_with_their_results_however_the_night_is_cut(
    stop_at: float, inputs: Mapping[str, str], page_keys: int
) -> None:
    """AT_ONCE cuts it behind each input."""
    aws = Aws(page_keys=page_keys)
    taken = {
        "done": "p/{}",
        "converted": "p/{}.csv",
        "failed": "p/_failed/{}.json",
        "changed": "p/{}",
    }
    for key, state in inputs.items():
        aws.put(IN, key)
        if state in taken:
            ago = timedelta(hours=9 if state == "changed" else 4)
            aws.put(OUT, taken[state].format(key), ago)
    night(aws, stop_at, worker_settings="OUTPUT_FORMAT=csv")
    written = {key: at for (bucket, key), at in aws.objects.items() if bucket == OUT}
    places = {key: [f"p/{key}", f"p/{key}.csv", f"p/_failed/{key}.json"] for key in inputs}
    recent = {place for place, at in written.items() if at > NIGHT - timedelta(hours=5)}
    expected = [key for key in inputs if recent.isdisjoint(places[key])]
    assert aws.submitted() == sorted(expected)


# How much


def test_a_night_submits_so_many_files_at_most_and_the_next_one_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    aws = Aws()
    for number in range(25):
        aws.put(IN, f"{number:02}.csv", timedelta(hours=9))
    seen = []
    for _ in range(3):
        night(aws, max_files="10")
        seen.append((len(aws.sent), logged(capsys)["left_off_at"] is not None))
        for one in aws.sent:
            aws.put(OUT, f"p/{one['key']}")
    assert seen == [(10, True), (20, True), (25, False)]
    assert len(set(aws.submitted())) == 25


def test_a_night_that_does_not_end_fails_and_says_where_it_is() -> None:
    aws = Aws()
    for number in range(MOST_PARTS + 1):
        aws.put(IN, f"{number:02}.csv")
    with pytest.raises(NotFinished, match=f"behind '{MOST_PARTS - 1:02}.csv'.*InputPrefix"):
        night(aws, AT_ONCE)
    assert len(aws.sent) == MOST_PARTS - 1  # the last one looked at waits for its report


def test_one_line_says_what_a_night_did_in_all_its_parts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    aws = Aws()
    for key in ("done.csv", "lost.csv", "lost/again.csv"):
        aws.put(IN, key, timedelta(hours=9))
    aws.put(OUT, "p/done.csv")
    night(aws, AT_ONCE)
    facts = logged(capsys)
    assert facts == {
        "decision": "reconciled",
        "began": DUE["time"],
        "parts": 4,
        "written_from": "2026-11-21T02:00:00+00:00",
        "written_until": "2026-11-28T01:00:00+00:00",
        "in_queue": 0,
        "looked_at": 3,
        "submitted": 2,
        "changed": 0,
        "with_result": 1,
        "left_off_at": None,
    }


def test_messages_that_sqs_refuses_are_sent_again() -> None:
    aws = Aws(refusals=4)
    for number in range(12):
        aws.put(IN, f"{number:02}.csv")
    night(aws)
    assert len(aws.sent) == len(set(aws.submitted())) == 12


def test_a_night_fails_if_sqs_goes_on_refusing_a_message() -> None:
    aws = Aws(refusals=SEND_ATTEMPTS)
    aws.put(IN, "a.csv")
    with pytest.raises(NotSent, match="1 messages"):
        night(aws)


# Events and settings


@pytest.mark.parametrize("event", [{}, {"reconcile": {}}, {"detail-type": "Object Created"}])
def test_an_event_that_is_not_the_schedules_fails(event: Json) -> None:
    with pytest.raises(UnknownEvent):
        night(Aws(), event=event)


@pytest.mark.parametrize("wrong", ["", "0", "-1", "many"])
@pytest.mark.parametrize("name", ["days", "max_files"])
def test_a_number_below_one_is_refused_by_name(name: str, wrong: str) -> None:
    with pytest.raises(SettingsError, match=f"RECONCILER_{name.upper()} is not 1 or more"):
        settings(**{name: wrong})


def test_missing_variables_are_named() -> None:
    with pytest.raises(SettingsError, match="RECONCILER_FUNCTION, RECONCILER_QUEUE_URL"):
        Settings.from_environment({})


def test_the_template_sets_what_the_function_reads() -> None:
    text = properties("Reconciler")["Environment"]["Variables"]
    found = Settings.from_environment(resolve(text, Deployed(Suffixes=".csv")))
    assert (found.days, found.max_files, found.suffixes) == (7, 10_000, (".csv",))
