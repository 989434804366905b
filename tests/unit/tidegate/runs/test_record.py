"""The record of a run: what was sent is read again in the order of the keys, in little memory."""

import io
import tracemalloc
from typing import Any

from tests.unit.tidegate.runs.test_join import START
from tidegate.aws.listing import Listed
from tidegate.runs.choice import Chosen
from tidegate.runs.record import Record

PART = 4_000


class Objects:
    """S3, as far as the record of what was sent needs it."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803, ARG002 - boto3's names
        self.bodies[Key] = Body

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803, ARG002
        return {"Body": io.BytesIO(self.bodies[Key])}


def chosen(number: int, *, again: bool = False) -> Chosen:
    return Chosen(Listed(f"ü{number:06}.csv", "e", number, START), again)


def written(*parts: list[Chosen]) -> tuple[Record, list[str]]:
    s3: Any = Objects()
    record = Record(s3, "out", "p/_runs/r1/")
    for number, part in enumerate(parts, start=1):
        record.write_sent(number, part)
    return record, sorted(s3.bodies)


def test_what_was_sent_is_read_once_in_the_order_of_the_keys() -> None:
    record, parts = written(
        [chosen(3), chosen(1, again=True)], [chosen(2), chosen(3), chosen(4)], [chosen(0)]
    )
    found = list(record.sent(parts))
    assert found == [chosen(0), chosen(1, again=True), chosen(2), chosen(3), chosen(4)]


def test_parts_are_not_held_in_memory() -> None:
    record, parts = written(
        *([chosen(number) for number in range(part, 5 * PART, 5)] for part in range(5))
    )
    tracemalloc.start()
    try:
        assert sum(1 for _ in record.sent(parts)) == 5 * PART
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000, "as objects they take five times that"
