import json
from collections.abc import Callable

import pytest

from worker.errors import UnreadableBody
from worker.job import Job, S3Uri

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
    ],
)
def test_the_error_for_an_unreadable_body_names_the_wrong_field(body: str, named: str) -> None:
    with pytest.raises(UnreadableBody, match=named) as error:
        Job.parse(body)
    assert "\n" not in str(error.value)
