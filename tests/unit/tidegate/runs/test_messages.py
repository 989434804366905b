import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.aws.listing import Listed
from tidegate.runs.messages import (
    ATTEMPTS,
    BATCH_BYTES,
    THREADS,
    NotSent,
    Sender,
    Submission,
    batches,
)
from worker.errors import SettingsError
from worker.job import Job

SOURCE = Listed("dir/ä b\x01.csv", "abc", 12, datetime(2026, 1, 1, tzinfo=UTC))


class FakeSqs:
    """Takes messages; `failures` are the answers to come for the messages of one body."""

    def __init__(self, failures: Mapping[str, Sequence[bool]] | None = None) -> None:
        self.failures = {body: list(faults) for body, faults in (failures or {}).items()}
        self.taken: list[str] = []
        self.groups: set[str] = set()
        self.calls = 0
        self._lock = threading.Lock()

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == "q"
        assert len({entry["Id"] for entry in Entries}) == len(Entries) <= 10
        failed = []
        with self._lock:
            self.calls += 1
            for entry in Entries:
                body = entry["MessageBody"]
                self.groups.add(entry["MessageGroupId"])
                if self.failures.get(body):
                    is_senders = self.failures[body].pop(0)
                    failed.append(
                        {
                            "Id": entry["Id"],
                            "SenderFault": is_senders,
                            "Code": "Why",
                            "Message": "m",
                        }
                    )
                else:
                    self.taken.append(body)
        return {"Successful": [], "Failed": failed} if failed else {}


def sender(sqs: FakeSqs, pauses: list[float] | None = None) -> Sender:
    client: Any = sqs
    return Sender(client, "q", "r1", (pauses if pauses is not None else []).append)


def test_a_message_of_a_run_is_a_job_of_the_listed_version() -> None:
    submission = Submission("in", "out", "p", "r1", {"MAX_REJECTED": "0.1"}, again=True)
    body = submission.body(SOURCE)
    assert body.isascii()
    assert Job.parse(body) == Job(
        bucket="in",
        key=SOURCE.key,
        output_bucket="out",
        output_key="p",
        etag="abc",
        size=12,
        run="r1",
        settings={"MAX_REJECTED": "0.1"},
        again=True,
    )


def test_a_message_says_only_what_is_said() -> None:
    assert json.loads(Submission("in", "out", "p", "r1").body(SOURCE)).keys() == {
        *("bucket", "key", "output_bucket", "output_key", "etag", "size", "run"),
    }


@pytest.mark.parametrize("run", ["", "a b", "x" * 65, "ä", "a/b", "a\n"])
def test_a_run_that_the_worker_would_refuse_is_refused(run: str) -> None:
    with pytest.raises(SettingsError, match="a run is named by"):
        Submission("in", "out", "p", run)


def test_every_message_is_sent_once_in_batches_of_ten_as_one_group() -> None:
    sqs = FakeSqs()
    bodies = [f"body {number}" for number in range(1234)]
    assert sum(sender(sqs).send(bodies)) == 1234
    assert sorted(sqs.taken) == sorted(bodies)
    assert (sqs.calls, sqs.groups) == (124, {"r1"})


def test_a_call_has_no_more_bytes_than_sqs_takes() -> None:
    large = "x" * (BATCH_BYTES // 3)
    assert [len(batch) for batch in batches([large] * 7 + ["y"] * 3)] == [3, 3, 4]
    assert list(batches(["x" * (BATCH_BYTES + 1)] * 2)) == [["x" * (BATCH_BYTES + 1)]] * 2
    assert list(batches([])) == []


def test_what_sqs_did_not_take_is_sent_again_and_nothing_else() -> None:
    sqs, pauses = FakeSqs({"3": [False, False], "15": [False]}), list[float]()
    bodies = [str(number) for number in range(20)]
    assert sum(sender(sqs, pauses).send(bodies)) == 20
    assert sorted(sqs.taken) == sorted(bodies)
    assert sqs.calls == 2 + 3
    assert len(pauses) == 3


def test_a_message_that_sqs_never_takes_is_an_error_with_its_reason() -> None:
    sqs, pauses = FakeSqs({"3": [False] * ATTEMPTS}), list[float]()
    with pytest.raises(NotSent, match=f"refused 1 messages {ATTEMPTS} times: Why: m"):
        list(sender(sqs, pauses).send([str(number) for number in range(5)]))
    assert len(pauses) == ATTEMPTS - 1


def test_a_message_that_is_wrong_is_not_sent_again() -> None:
    sqs = FakeSqs({"3": [True]})
    with pytest.raises(NotSent, match=r"Why: m \(3\)"):
        list(sender(sqs).send(["3"]))
    assert sqs.calls == 1


def test_bodies_are_taken_as_they_are_sent() -> None:
    sqs, taken = FakeSqs(), 0

    def bodies() -> Iterator[str]:
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield str(number)

    sent = sender(sqs).send(bodies())
    assert next(sent) == 10
    assert taken <= 10 * (THREADS + 3)
