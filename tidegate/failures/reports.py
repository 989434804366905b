"""Failure reports: found by listing, newest first, each beside the output that may resolve it."""

import heapq
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, get_args

from tidegate.aws.asking import in_parallel
from tidegate.aws.errors import NO_OBJECT, found
from tidegate.aws.stack import DeployedStack
from tidegate.deploy.worker_settings import PARAMETER, parse
from worker.errors import OutputRefused, SettingsError
from worker.interfaces import Format
from worker.job import Job, S3Uri
from worker.jobs.output_keys import COMMANDS_PREFIX, output_uri
from worker.settings import PREFIX, Settings
from worker.settings_help import variable
from worker.storage.provenance import InputVersion

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client

NEWEST = 1000
PLACEHOLDER = re.compile(r"\{(?:key|etag|version_id)\}")
FORMATS: dict[str, Format] = {form: form for form in get_args(Format)}
TEMPLATES = ("output_template", "failure_template", "output_format")


@dataclass(frozen=True, slots=True)
class StackKeys:
    """Where a stack's workers put outputs and reports."""

    bucket: str
    prefix: str
    output_template: str
    failure_template: str
    output_format: str | None

    @classmethod
    def of(cls, stack: DeployedStack) -> Self:
        """Read the stack's outputs, and the workers' settings among its parameters."""
        given = _settings(stack.parameters.get(PARAMETER, ""))
        values = {
            name: given.get(variable(name), Settings.model_fields[name].default)
            for name in TEMPLATES
        }
        return cls(stack.outputs["OutputBucket"], stack.outputs["OutputKey"].rstrip("/"), **values)

    def below(self, output_key: str) -> Self:
        """Return the places of a run that writes below another key."""
        return replace(self, prefix=output_key)

    @property
    def own(self) -> str:
        """Return how the keys of all outputs begin; empty for a stack without an output key."""
        return f"{self.prefix}/" if self.prefix else ""

    @property
    def reports_prefix(self) -> str:
        """Return how the key of every report begins, as far as the template says it."""
        return self._with_prefix(self.failure_template).partition("{")[0]

    @property
    def runs_prefix(self) -> str:
        """Return how the keys of the records of runs begin."""
        return self.own + COMMANDS_PREFIX

    def is_report(self, key: str) -> bool:
        """Return whether a key is one of a report, by the template."""
        parts = PLACEHOLDER.split(self._with_prefix(self.failure_template))
        return bool(re.fullmatch(".+".join(map(re.escape, parts)), key, re.DOTALL))

    def _with_prefix(self, template: str) -> str:
        if not self.prefix:
            return template.replace("{output_key}/", "")
        return template.replace("{output_key}", self.prefix)

    def output_of(self, s3: "S3Client", body: Mapping[str, Any]) -> S3Uri | None:
        """Return where the output of a job's newest version goes; None if it can go nowhere.

        The job's own settings come before the stack's.
        """
        job = Job.model_validate(body)
        own = {
            name.upper().removeprefix(PREFIX): str(value)
            for name, value in (body.get("settings") or {}).items()
        }
        template = own.get("OUTPUT_TEMPLATE", self.output_template)
        form = own.get("OUTPUT_FORMAT", self.output_format)
        version = None
        if "{etag}" in template or "{version_id}" in template:
            version = newest_version(s3, job.source)
            if version is None:
                return None
        with suppress(OutputRefused):
            return output_uri(template, job, version, FORMATS.get(form or ""))
        return None


def newest_version(s3: "S3Client", source: S3Uri) -> InputVersion | None:
    """Return the newest version of an input; None if the input is deleted."""
    head = found(lambda: s3.head_object(Bucket=source.bucket, Key=source.key), *NO_OBJECT)
    if head is None:
        return None
    return InputVersion(source, head["ETag"].strip('"'), head.get("VersionId"), sequencer=None)


def _settings(text: str) -> dict[str, str]:
    """Read the parameter WorkerSettings; a wrong one is the workers' to refuse."""
    with suppress(SettingsError):
        return parse(text)
    return {}


@dataclass(frozen=True, slots=True)
class Listed:
    """A report as the listing has it."""

    key: str
    etag: str
    written: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker reported of a file that failed, and where."""

    listed: Listed
    job: Mapping[str, Any]
    etag: str  # of the version that failed; empty if it is not known
    error_type: str
    message: str
    receive_count: int
    model_sha256: str
    resolved: bool  # an output is newer than the report

    @property
    def input(self) -> S3Uri:
        """Return the file."""
        return S3Uri(self.job["bucket"], self.job["key"])


def listed(s3: "S3Client", layout: StackKeys) -> Iterator[Listed]:
    """List every report."""
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=layout.bucket, Prefix=layout.reports_prefix
    )
    for page in pages:
        yield from reports_of(page.get("Contents", []), layout)


def reports_of(objects: Iterable[Mapping[str, Any]], layout: StackKeys) -> list[Listed]:
    """Return the reports among the objects of a listing."""
    return [
        Listed(one["Key"], one["ETag"].strip('"'), one["LastModified"])
        for one in objects
        if layout.is_report(one["Key"])
    ]


def newest(
    s3: "S3Client", layouts: Sequence[StackKeys], most: int = NEWEST
) -> tuple[list[Report], int]:
    """Return the newest reports of all places, newest first, and how many there are in all."""
    count = 0
    places = {layout.reports_prefix: layout for layout in layouts}

    def counted() -> Iterator[tuple[StackKeys, Listed]]:
        nonlocal count
        for layout in places.values():
            for one in listed(s3, layout):
                count += 1
                yield layout, one

    chosen = heapq.nlargest(most, counted(), key=lambda found: found[1].written)
    reports = in_parallel(lambda found: read(s3, *found), chosen)
    return [report for report in reports if report is not None], count


def read(s3: "S3Client", layout: StackKeys, one: Listed) -> Report | None:
    """Read a report, and look for an output; None if the report is gone or is none."""
    answer = found(lambda: s3.get_object(Bucket=layout.bucket, Key=one.key), *NO_OBJECT)
    if answer is None:
        return None
    try:
        body = json.loads(answer["Body"].read())
        output = layout.output_of(s3, body["job"])
        return Report(
            listed=Listed(one.key, answer["ETag"].strip('"'), answer["LastModified"]),
            job=body["job"],
            etag=str(body.get("source", {}).get("etag") or ""),
            error_type=str(body["error_type"]),
            message=str(body["message"]),
            receive_count=int(body.get("receive_count", 0)),
            model_sha256=str(body.get("model", {}).get("sha256", "")),
            resolved=is_newer(s3, output, answer["LastModified"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # somebody else's object under a name of ours


def is_newer(s3: "S3Client", output: S3Uri | None, moment: datetime) -> bool:
    """Return whether an output was written after that moment.

    S3's times are whole seconds. An output of the same second is not taken for newer: to submit a
    file again does no harm, and to call a failure resolved would hide it.
    """
    if output is None:
        return False
    head = found(lambda: s3.head_object(Bucket=output.bucket, Key=output.key), *NO_OBJECT)
    return head is not None and head["LastModified"] > moment


def clear(s3: "S3Client", bucket: str, report: Listed) -> None:
    """Delete the report, unless a newer one has replaced it since."""
    found(
        lambda: s3.delete_object(Bucket=bucket, Key=report.key, IfMatch=f'"{report.etag}"'),
        *NO_OBJECT,
        "PreconditionFailed",
        "412",
    )
