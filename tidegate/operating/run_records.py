"""The runs and the failure reports of a stack, as far as a listing of their keys shows them."""

import os.path
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Self

from tidegate.aws.listing import LAST_CHARACTER
from tidegate.failures.reports import StackKeys, reports_of

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client

REQUEST, ALL_SENT, SUMMARY = "request.json", "sent.json", "summary.json"
PART = re.compile(r"sent/\d+-(\d+)\.jsonl\.gz")
# The queue keeps a message for four days. Names that Tidegate gives begin with the day.
RECENT = timedelta(days=5)


@dataclass(frozen=True, slots=True)
class SeenRun:
    """A run, by the keys of its record."""

    name: str
    began: datetime
    files: int  # that were recorded as sent
    all_sent: bool
    ended: bool

    @classmethod
    def of(cls, name: str, objects: Mapping[str, datetime]) -> Self | None:
        """Read the names and times of a record's objects; None if they are no run's."""
        if REQUEST not in objects:
            return None
        parts = [match for match in map(PART.fullmatch, objects) if match]
        files = sum(int(match[1]) for match in parts)
        return cls(name, objects[REQUEST], files, ALL_SENT in objects, SUMMARY in objects)

    def least_done(self, messages: int) -> int:
        """Return how many files have a result, if all messages in the queue are of this run."""
        return max(0, self.files - messages)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a run writes that does not write where the stack does."""

    output_key: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at the listing shows."""

    reports: int
    more_reports: bool  # than those that were listed
    open_runs: Sequence[SeenRun]


@dataclass(frozen=True, slots=True)
class _Page:
    """Objects in the order of their keys, and the last key if more of them follow."""

    objects: Sequence[Any]
    cut_at: str

    @classmethod
    def read(cls, s3: "S3Client", bucket: str, prefix: str, after: str) -> Self:
        """Read a page by one call; by more only after an answer without objects."""
        answer = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, StartAfter=after)
        while answer["IsTruncated"] and not answer.get("Contents"):
            token = answer["NextContinuationToken"]
            answer = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, ContinuationToken=token)
        objects = answer.get("Contents", [])
        return cls(objects, objects[-1]["Key"] if answer["IsTruncated"] else "")

    def holds_all_of(self, prefix: str) -> bool:
        """Return whether nothing below the prefix follows."""
        return not self.cut_at or self.cut_at > prefix + LAST_CHARACTER

    def without(self, prefix: str) -> Self:
        """Leave out what is below a prefix."""
        objects = [one for one in self.objects if not one["Key"].startswith(prefix)]
        return replace(self, objects=objects)


def look(s3: "S3Client", layout: StackKeys, now: datetime) -> Seen:
    """List reports and records by one call; by two if a page does not hold both."""
    first, last = sorted((layout.reports_prefix, layout.runs_prefix))
    read = partial(_Page.read, s3, layout.bucket)
    both = os.path.commonprefix([first, last])  # noqa: RUF071 - of texts: keys are no paths
    pages = [read(both, first)]
    if not pages[0].holds_all_of(last):
        # Of very many runs those count that may still have messages.
        start = f"{now - RECENT:%Y%m%d}" if last == layout.runs_prefix else ""
        pages = [pages[0].without(last), read(last, last + start)]
    objects = [one for page in pages for one in page.objects]
    others = [one for one in objects if not one["Key"].startswith(layout.runs_prefix)]
    return Seen(
        reports=len(reports_of(others, layout)),
        more_reports=any(page.cut_at.startswith(layout.reports_prefix) for page in pages),
        open_runs=[run for run in seen_runs(objects, layout.runs_prefix) if not run.ended],
    )


def seen_runs(objects: Iterable[Mapping[str, Any]], prefix: str) -> list[SeenRun]:
    """Return the runs among the objects of a listing, the latest last."""
    of_runs = [
        (*one["Key"].removeprefix(prefix).partition("/")[::2], one["LastModified"])
        for one in objects
        if one["Key"].startswith(prefix)
    ]
    found = [
        SeenRun.of(name, {rest: time for _, rest, time in some})
        for name, some in groupby(of_runs, key=lambda one: one[0])
    ]
    return sorted(filter(None, found), key=lambda run: (run.began, run.name))
