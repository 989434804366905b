"""The log lines of workers and dispatcher: read with an overlap, and each of them once."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from worker.job import S3Uri
from worker.metrics import EVENT as NUMBERS

# A line may be there a while after its time, when later lines have been read already.
OVERLAP = timedelta(seconds=60)
SAFE = re.compile(r"[A-Za-z0-9_./-]+")  # characters that JSON and a filter's pattern leave alone
PLATFORM = re.compile(r"(?:START|END|REPORT|INIT_START|XRAY) ")  # Lambda's own lines
WORKER = "worker"
MOST_PAGES = 1000  # of one search: many may be empty
# What each line of a job has, and what only a program reads.
NOT_SHOWN = frozenset(
    {
        *("timestamp", "level", "event", "decision", "input", "bucket", "key", "message_id"),
        *("output", "etag", "version_id", "model", "model_sha256", "error_type", "error"),
        *("exception", "stack", "status", "report", "receive_count"),
        "predictions",
    }
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log."""

    time: datetime
    id: str
    writer: str  # worker or dispatcher
    text: str
    fields: Mapping[str, Any] = field(repr=False)  # none, if the text is not JSON
    task: str = ""  # the worker's, by its log stream

    @property
    def is_shown(self) -> bool:
        """Return whether the line is for people: numbers and Lambda's own lines are not."""
        return (
            bool(self.text.strip())
            and self.fields.get("event") != NUMBERS
            and not PLATFORM.match(self.text)
        )

    @property
    def event(self) -> str:
        """Return what happened."""
        return str(self.fields.get("event") or self.fields.get("decision") or self.text.strip())

    @property
    def level(self) -> str:
        """Return the level; Lambda's own errors are errors."""
        return str(self.fields.get("level") or ("error" if "ERROR" in self.text else "info"))

    @property
    def file(self) -> str:
        """Return the file that the line is about, as an S3 URI."""
        if "bucket" in self.fields and "key" in self.fields:
            return str(S3Uri(str(self.fields["bucket"]), str(self.fields["key"])))
        return str(self.fields.get("input", ""))

    @property
    def facts(self) -> str:
        """Return the reason of a failure, and what else the line says."""
        parts = []
        if "error" in self.fields:
            parts.append(
                ": ".join(str(self.fields[n]) for n in ("error_type", "error") if n in self.fields)
            )
        if (status := self.fields.get("status")) not in (None, "predicted"):
            parts.append(str(status))
        parts += [
            f"{name}={_short(value)}"
            for name, value in self.fields.items()
            if name not in NOT_SHOWN and value not in (None, "", [])
        ]
        return "  ".join(parts)


def _short(value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return value.rpartition("/")[2] if value.startswith("arn:") else value


@dataclass(slots=True)
class LogReader:
    """Reads the lines of some log groups, by the names of their writers."""

    logs: Any
    groups: Mapping[str, str]
    file: S3Uri | None = None
    cut: bool = False  # not all lines were read
    _seen: dict[str, datetime] = field(default_factory=dict)

    def new_since(self, moment: datetime) -> list[Line]:
        """Return the lines since a moment that were not returned before, in their order."""
        found = [line for writer in self.groups for line in self._read(writer, moment)]
        new = [line for line in found if line.id not in self._seen]
        self._seen = {
            name: time for name, time in self._seen.items() if time >= moment - OVERLAP
        } | {line.id: line.time for line in new}
        return sorted(new, key=lambda line: line.time)

    def _read(self, writer: str, moment: datetime) -> list[Line]:
        request: dict[str, Any] = {
            "logGroupName": self.groups[writer],
            "startTime": int(moment.timestamp() * 1000),
        }
        if self.file is not None and (
            word := max(SAFE.findall(self.file.key), key=len, default="")
        ):
            request["filterPattern"] = f'"{word}"'
        pages = self.logs.get_paginator("filter_log_events").paginate(**request)
        lines = []
        for page in itertools.islice(pages, MOST_PAGES):
            lines += [_line(writer, event) for event in page["events"]]
            last_page = page
        self.cut = self.cut or "nextToken" in last_page
        return [line for line in lines if self.file is None or line.file == str(self.file)]


def lines_with(
    logs: Any,  # noqa: ANN401 - as LogReader's
    group: str,
    word: str,
    since: datetime,
    until: datetime,
) -> Iterator[Line]:
    """Yield the workers' lines of a time that have a word in them."""
    pages = pages_with(logs, group, word, since, until)
    return itertools.chain.from_iterable(itertools.islice(pages, MOST_PAGES))


def pages_with(
    logs: Any,  # noqa: ANN401 - as LogReader's
    group: str,
    word: str,
    since: datetime,
    until: datetime,
) -> Iterator[list[Line]]:
    """Yield the same page by page; pages may be empty, and each takes a call."""
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group,
        startTime=int(since.timestamp() * 1000),
        endTime=int(until.timestamp() * 1000),
        filterPattern=f'"{word}"',
    )
    for page in pages:
        yield [_line(WORKER, event) for event in page["events"]]


def _line(writer: str, event: Mapping[str, Any]) -> Line:
    text = event["message"].rstrip("\n")
    name = event.get("eventId") or f"{event.get('logStreamName')}/{event['timestamp']}/{text}"
    return Line(
        time=datetime.fromtimestamp(event["timestamp"] / 1000, UTC),
        id=str(name),
        writer=writer,
        text=text,
        fields=_fields(text),
        task=str(event.get("logStreamName", "")).rpartition("/")[2] if writer == WORKER else "",
    )


def _fields(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def groups_of(outputs: Mapping[str, str]) -> dict[str, str]:
    """Return the stack's log groups, by who writes to them."""
    return {"dispatcher": outputs["DispatcherLogGroup"], WORKER: outputs["WorkerLogGroup"]}


def last(lines: Sequence[Line], most: int) -> list[Line]:
    """Return the last lines that are for people."""
    return [line for line in lines if line.is_shown][-most:]
