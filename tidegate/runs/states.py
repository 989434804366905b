"""What became of the present version of an input: by the listings alone, or by asking S3 for it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from tidegate.aws.errors import NO_OBJECT
from tidegate.aws.errors import found as found_or_none
from tidegate.aws.listing import Listed
from tidegate.runs.join import Found
from tidegate.runs.layout import Layout
from worker.job import Job
from worker.storage.provenance import InputVersion

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client

NO_MARGIN = timedelta(0)


class State(Enum):
    """What became of the present version of an input."""

    PREDICTED = "predicted"
    STALE = "stale"  # the output is of an older version, or of another model
    FAILED = "failed"
    MISSING = "missing"  # neither an output nor a report: it waits, or nobody has sent a message
    UNSURE = "unsure"  # the listings do not say: ask


def listed_state(
    found: Found, *, since: datetime | None = None, margin: timedelta = NO_MARGIN
) -> State:
    """Return the state as far as the times in the listings say it.

    The later one of output and report counts. What is from before `since` may be of another model.
    What is from within `margin` after the input may be of the version before, as a job may have
    been under way. Where each version has a message of its own that does not matter: what becomes
    of the newer version follows.

    Times are whole seconds, so that nothing is certain of the same second. The time of an input
    that was uploaded in parts is that of the upload's beginning, so what is from after that may be
    of the version before.
    """
    source, output, report = found.source, found.output, found.report
    if found.is_unclear:
        return State.UNSURE
    made = [one for one in (output, report) if one is not None]
    last = max((one.modified for one in made), default=source.modified)
    if not made or last < source.modified:
        return State.STALE if output else State.MISSING
    is_certain = last > source.modified + margin and not source.is_multipart
    is_of_this_model = since is None or last >= since
    is_tie = len(made) > 1 and made[0].modified == made[1].modified
    if not is_certain or not is_of_this_model or is_tie:
        return State.UNSURE
    return State.PREDICTED if output and output.modified == last else State.FAILED


@dataclass(frozen=True, slots=True)
class _Record:
    """What an output or a failure report says of itself."""

    etag: str | None
    """Of the version of the input."""
    model_sha256: str | None
    modified: datetime
    run: str | None
    reason: tuple[str, str] = ("", "")
    """The error's type and its message."""


@dataclass(frozen=True)
class Inquiry:
    """Asks S3 for the outputs and reports of single inputs, with two to four calls for each.

    `model_sha256`: what another model has made does not count, and its output is stale; None: any
    model will do.
    """

    s3: "S3Client"
    bucket: str
    layout: Layout
    model_sha256: str | None = None

    def state(self, found: Found) -> State:
        """Return the state by what outputs and reports say of the version that they are of."""
        job = self._job(found)
        outputs = list(self._outputs(job))
        report = self._report(job)
        predicted_at = [one.modified for one in outputs if self._is_of(one, job)]
        failed_at = [report.modified] if report and self._is_of(report, job) else []
        if predicted_at and max(predicted_at) >= max(failed_at, default=max(predicted_at)):
            return State.PREDICTED
        if failed_at:
            return State.FAILED
        return State.STALE if outputs else State.MISSING

    def result_in_run(
        self, source: Listed, began: datetime, run: str, *, again: bool
    ) -> tuple[State, datetime | None]:
        """Return what became of an input since a run began, by whatever message, and when.

        Where an output of the same version was there before (`again`), what is of the second in
        which the run began counts only if it names the run.
        """
        job = self._job(Found(source))

        def counts(record: _Record) -> bool:
            if record.modified > began:
                return True
            if again:
                return record.modified == began and record.run == run
            return self._is_of(record, job)

        results = [(one.modified, State.PREDICTED) for one in self._outputs(job) if counts(one)]
        report = self._report(job)
        if report and counts(report):
            results.append((report.modified, State.FAILED))
        # Of the same second, the output is taken for the later one.
        if not results:
            return State.MISSING, None
        time, state = max(results, key=lambda one: (one[0], one[1] is State.PREDICTED))
        return state, time

    def reason(self, source: Listed) -> tuple[str, str]:
        """Return the error's type and message in the report of an input that failed."""
        report = self._report(self._job(Found(source)))
        return report.reason if report else ("", "")

    def _job(self, found: Found) -> Job:
        source = found.source
        version_id = None
        if "{version_id" in self.layout.output_template + self.layout.failure_template:
            head = self.s3.head_object(Bucket=self.bucket, Key=source.key)
            version_id = head.get("VersionId")
        return Job(
            bucket=self.bucket,
            key=source.key,
            output_bucket=self.layout.output_bucket,
            output_key=self.layout.output_key,
            etag=source.etag,
            version_id=version_id,
        )

    def _outputs(self, job: Job) -> Iterator[_Record]:
        """Yield what is known of each output of an input; there may be two in two formats."""
        for key in self.layout.output_keys(job):
            ask = partial(self.s3.head_object, Bucket=self.layout.output_bucket, Key=key)
            head = found_or_none(ask, *NO_OBJECT)
            if head and InputVersion.recorded_in(head["Metadata"], job.source):
                metadata = head["Metadata"]
                yield _Record(
                    metadata.get("source-etag"),
                    metadata.get("model-sha256"),
                    head["LastModified"],
                    metadata.get("run"),
                )

    def _report(self, job: Job) -> _Record | None:
        key = self.layout.report_key(job)
        ask = partial(self.s3.get_object, Bucket=self.layout.output_bucket, Key=key)
        answer = found_or_none(ask, *NO_OBJECT)
        if answer is None:
            return None
        try:
            report: Any = json.loads(answer["Body"].read())
            return _Record(
                report["source"]["etag"],
                report["model"]["sha256"],
                answer["LastModified"],
                report.get("run"),
                (str(report["error_type"]), str(report["message"])),
            )
        except (ValueError, TypeError, KeyError):
            return None  # no report but the output of an input whose key reads like one

    def _is_of(self, record: _Record, job: Job) -> bool:
        """Return whether something was made of the present version, and by the model."""
        return record.etag == job.etag and self.model_sha256 in (None, record.model_sha256)
