import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from worker.errors import UnknownMessageVersion, UnreadableBody
from worker.job import MESSAGE_VERSION, Job, S3Uri
from worker.settings import SETTINGS_OF_A_JOB

FOUR_FIELDS = {"bucket": "b", "key": "dir/my file+1%.csv", "output_bucket": "o", "output_key": "p"}


def test_the_four_fields_of_the_original_message_format_are_a_job() -> None:
    job = Job.parse(json.dumps(FOUR_FIELDS))
    assert job.source == S3Uri("b", "dir/my file+1%.csv")
    assert (job.version_id, job.etag, job.size, job.sequencer) == (None, None, None, None)
    assert not job.again


def test_the_key_is_not_url_decoded() -> None:
    assert Job.parse(json.dumps(FOUR_FIELDS | {"key": "a%2Bb+c"})).key == "a%2Bb+c"


def test_unknown_fields_are_ignored() -> None:
    assert Job.parse(json.dumps(FOUR_FIELDS | {"colour": "blue"})).bucket == "b"


def test_a_trailing_slash_of_the_output_key_is_dropped() -> None:
    assert Job.parse(json.dumps(FOUR_FIELDS | {"output_key": "p/q/"})).output_key == "p/q"


def test_an_output_key_may_be_empty() -> None:
    assert Job.parse(json.dumps(FOUR_FIELDS | {"output_key": ""})).output_key == ""


def test_quotes_around_an_etag_are_dropped() -> None:
    assert Job.parse(json.dumps(FOUR_FIELDS | {"etag": '"abc"'})).etag == "abc"


def test_null_means_unknown() -> None:
    job = Job.parse(json.dumps(FOUR_FIELDS | {"etag": None, "size": None, "version_id": None}))
    assert (job.etag, job.size, job.version_id) == (None, None, None)


def test_a_message_of_no_run_and_of_no_version_is_a_live_file_of_version_1() -> None:
    job = Job.parse(json.dumps(FOUR_FIELDS))
    assert (job.run, job.settings, job.message_version) == (None, {}, 1)


def test_a_message_may_belong_to_a_run() -> None:
    run = "2026-11-28T01.02.03_again-" + "x" * 38
    assert Job.parse(json.dumps(FOUR_FIELDS | {"run": run})).run == run


def test_wrong_settings_make_a_job_all_the_same_so_that_they_can_be_reported() -> None:
    settings = {"MODEL": 3, "DTYPES": {"zip": "text"}}
    assert Job.parse(json.dumps(FOUR_FIELDS | {"settings": settings})).settings == settings


@pytest.mark.parametrize("fields", [FOUR_FIELDS, {}, {"bucket": 3}])
def test_a_message_of_a_later_version_is_not_read_whatever_its_fields_are(
    fields: dict[str, object],
) -> None:
    body = json.dumps(fields | {"message_version": MESSAGE_VERSION + 1})
    with pytest.raises(UnknownMessageVersion, match="message_version 2, and this worker knows 1"):
        Job.parse(body)


def test_a_file_that_is_named_like_an_event_is_a_job() -> None:
    key = '"eventSource": "aws:s3"'
    assert Job.parse(json.dumps(FOUR_FIELDS | {"key": key})).key == key


S3_EVENTS = {
    "native": {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}]},
    "EventBridge": {"source": "aws.s3", "detail-type": "Object Created", "detail": {}},
    "test event": {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "in"},
}
WRAPPERS: dict[str, Callable[[object], object]] = {
    "none": lambda event: event,
    "SNS": lambda event: {"Type": "Notification", "Message": json.dumps(event)},
    "failed invocation": lambda event: {"requestPayload": event},
    "failed invocation, of SNS": lambda event: {
        "requestPayload": {"Records": [{"Sns": {"Message": json.dumps(event)}}]}
    },
    "SNS, of SQS": lambda event: {
        "Message": json.dumps({"Records": [{"body": json.dumps(event)}]})
    },
}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize("event", S3_EVENTS.values(), ids=S3_EVENTS)
def test_the_error_for_an_s3_event_is_to_send_it_through_the_dispatcher(
    event: object, wrap: Callable[[object], object], indent: int | None
) -> None:
    with pytest.raises(UnreadableBody, match="send this through the dispatcher"):
        Job.parse(json.dumps(wrap(event), indent=indent))


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("", "JSON"),
        ("nonsense", "JSON"),
        ("[]", "object"),
        ("{}", "bucket"),
        (json.dumps(FOUR_FIELDS | {"key": ""}), "key"),
        (json.dumps(FOUR_FIELDS | {"bucket": 3}), "bucket"),
        (json.dumps(FOUR_FIELDS | {"size": -1}), "size"),
        (json.dumps(FOUR_FIELDS | {"sequencer": "xyz"}), "sequencer"),
        (json.dumps(FOUR_FIELDS | {"run": ""}), "run"),
        (json.dumps(FOUR_FIELDS | {"run": "x" * 65}), "run"),
        (json.dumps(FOUR_FIELDS | {"run": "a/b"}), "run"),
        (json.dumps(FOUR_FIELDS | {"run": "a\n"}), "run"),
        (json.dumps(FOUR_FIELDS | {"run": "ä"}), "run"),
        (json.dumps(FOUR_FIELDS | {"settings": "MAX_REJECTED=1"}), "settings"),
        (json.dumps(FOUR_FIELDS | {"message_version": 0}), "message_version"),
        (json.dumps(FOUR_FIELDS | {"message_version": "2"}), "message_version"),
        (json.dumps(FOUR_FIELDS | {"message_version": True}), "message_version"),
        ('{"message_version": ' + "[" * 100_000, "JSON"),
    ],
)
def test_the_error_for_an_unreadable_body_names_the_wrong_field(body: str, named: str) -> None:
    with pytest.raises(UnreadableBody, match=named) as error:
        Job.parse(body)
    assert "\n" not in str(error.value)


def test_every_field_of_a_message_and_every_setting_that_it_may_change_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "message.md").read_text("utf-8")
    table, _, settings = page.partition("## Settings of a message")
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == {*Job.model_fields}
    listed = re.findall(r"`([A-Z_]+)`", settings.partition("Names")[0])
    assert {name.lower() for name in listed} == SETTINGS_OF_A_JOB
