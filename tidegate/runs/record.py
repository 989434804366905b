"""The record of a run: a few objects under `_runs/` beside the outputs, and no database.

`request.json` is written before the first message is sent, `sent/` while messages are sent,
`sent.json` after the last of them, and `summary.json` at the end of the run.
"""

import gzip
import heapq
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from tidegate.aws.asking import in_parallel
from tidegate.aws.errors import NO_OBJECT, AwsError
from tidegate.aws.errors import found as found_or_none
from tidegate.aws.listing import Listed, list_objects
from tidegate.aws.stack import DeployedStack
from tidegate.operating.run_records import ALL_SENT, REQUEST, SUMMARY, Target, seen_runs
from tidegate.runs.choice import Chosen
from tidegate.runs.request import Request
from worker.jobs.output_keys import CANCELLED, COMMANDS_PREFIX

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client

EXISTS = ("PreconditionFailed", "412", "ConditionalRequestConflict")
PART_FILES = 50_000  # in one object of `sent/`


@dataclass(frozen=True, slots=True)
class Records:
    """The runs of a stack; `output_key` is the stack's own."""

    s3: "S3Client"
    bucket: str
    output_key: str

    @classmethod
    def of_stack(cls, s3: "S3Client", stack: DeployedStack) -> Self:
        """Read from the stack's outputs where the runs are recorded."""
        return cls(s3, stack.outputs["OutputBucket"], stack.outputs.get("OutputKey", ""))

    @property
    def prefix(self) -> str:
        """What the keys of all records begin with."""
        output_key = self.output_key.removesuffix("/")
        return (f"{output_key}/" if output_key else "") + COMMANDS_PREFIX

    def of(self, run: str) -> "Record":
        """Return the record of a run, which need not be there."""
        return Record(self.s3, self.bucket, f"{self.prefix}{run}/")

    def runs(self) -> list[str]:
        """Return the names of all runs, the latest last."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix
        )
        objects = (one for page in pages for one in page.get("Contents", []))
        return [run.name for run in seen_runs(objects, self.prefix)]

    def elsewhere(self) -> list[Target]:
        """Return where runs write that do not write where the stack does, each place once."""

        def request(run: str) -> Request | None:
            with suppress(AwsError):  # `wait` names what cannot be read
                return self.of(run).request()
            return None

        own, found = self.output_key.strip("/"), list[Target]()
        for one in filter(None, in_parallel(request, self.runs())):
            target = Target(one.output_key, one.settings)
            if target.output_key != own and target not in found:
                found.append(target)
        return found


@dataclass(frozen=True, slots=True)
class Record:
    """The record of one run."""

    s3: "S3Client"
    bucket: str
    prefix: str

    def request(self) -> Request | None:
        """Return what was asked for; None if there is no such run.

        Raises AwsError if somebody else's object is in its place.
        """
        text = self._get(REQUEST)
        try:
            return None if text is None else Request.from_json(text)
        except (ValueError, KeyError, TypeError) as error:
            raise AwsError(
                f"s3://{self.bucket}/{self.prefix}{REQUEST} is no record of a run: {error!r}"
            ) from None

    def write_request(self, request: Request) -> None:
        """Begin the record."""
        self._put(REQUEST, request.to_json().encode())

    def write_sent(self, number: int, chosen: Sequence[Chosen]) -> None:
        """Record messages that were sent; the key says how many, so that a listing does."""
        lines = [
            json.dumps(
                [
                    one.source.key,
                    one.source.etag,
                    one.source.size,
                    int(one.source.modified.timestamp()),
                    one.again,
                ]
            )
            for one in sorted(chosen, key=lambda one: one.source.key)
        ]
        body = gzip.compress("\n".join(lines).encode(), compresslevel=1)
        self._put(f"sent/{number:06}-{len(chosen)}.jsonl.gz", body)

    def parts(self) -> list[str]:
        """Return the keys of what was recorded as sent."""
        return [one.key for one in list_objects(self.s3, self.bucket, f"{self.prefix}sent/")]

    def part(self, key: str) -> list[Chosen]:
        """Read one of the parts, in the order of the keys."""
        return list(self._entries(key))

    def sent(self, parts: Iterable[str]) -> Iterator[Chosen]:
        """Yield what was sent, each input once, in the order of the keys.

        Of each part only the compressed bytes are held in memory.
        """
        merged = heapq.merge(*map(self._entries, parts), key=lambda one: one.source.key)
        before = None
        for one in merged:
            if one.source.key != before:
                yield one
            before = one.source.key

    def _entries(self, part: str) -> Iterator[Chosen]:
        body = self.s3.get_object(Bucket=self.bucket, Key=part)["Body"].read()
        with gzip.open(io.BytesIO(body)) as lines:
            for line in lines:
                yield _chosen(line)

    def write_end_of_sending(self, facts: Mapping[str, Any]) -> None:
        """Record that every message was sent."""
        self._put(ALL_SENT, json.dumps(facts, indent=2).encode())

    def end_of_sending(self) -> Mapping[str, Any] | None:
        """Return what was recorded when all was sent; None if sending was interrupted."""
        return self._json(ALL_SENT)

    def write_summary(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """End the record, and return it; the first summary that is written stays."""
        body = json.dumps(facts, indent=2).encode()
        key = self.prefix + SUMMARY
        put = partial(self.s3.put_object, Bucket=self.bucket, Key=key, Body=body, IfNoneMatch="*")
        if found_or_none(put, *EXISTS) is not None:
            return facts
        return self.summary() or facts

    def summary(self) -> Mapping[str, Any] | None:
        """Return how the run ended; None if that is not recorded."""
        return self._json(SUMMARY)

    def _json(self, name: str) -> Mapping[str, Any] | None:
        text = self._get(name)
        return None if text is None else json.loads(text)

    def _get(self, name: str) -> bytes | None:
        key = self.prefix + name
        answer = found_or_none(lambda: self.s3.get_object(Bucket=self.bucket, Key=key), *NO_OBJECT)
        return None if answer is None else answer["Body"].read()

    def _put(self, name: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=body)


def _chosen(line: bytes) -> Chosen:
    key, etag, size, seconds, again = json.loads(line)
    return Chosen(Listed(key, etag, size, datetime.fromtimestamp(seconds, UTC)), again)


def cancel(s3: "S3Client", request: Request) -> None:
    """Let workers drop the run's messages: they look for this object."""
    key = _cancelled(request)
    body = datetime.now(UTC).isoformat(timespec="seconds").encode()
    s3.put_object(Bucket=request.output_bucket, Key=key, Body=body)


def is_cancelled(s3: "S3Client", request: Request) -> bool:
    """Return whether the run was cancelled."""
    bucket, key = request.output_bucket, _cancelled(request)
    return found_or_none(lambda: s3.head_object(Bucket=bucket, Key=key), *NO_OBJECT) is not None


def _cancelled(request: Request) -> str:
    prefix = f"{request.output_key}/" if request.output_key else ""
    return f"{prefix}{COMMANDS_PREFIX}{request.run}/{CANCELLED}"


def read_request(records: Records, run: str | None) -> tuple[Record, Request]:
    """Return a run's record and request: the newest run's without a name; raises AwsError."""
    if run is None:
        runs = records.runs()
        if not runs:
            raise AwsError("there is no run: `tidegate submit s3://...` begins one")
        run = runs[-1]
    record = records.of(run)
    request = record.request()
    if request is None:
        known = ", ".join(records.runs()[-5:]) or "there is none"
        raise AwsError(f"there is no run {run}; the latest: {known}")
    return record, request
