"""The events of a file: what they say, and the id by which a repeated one is known."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from worker.errors import GaveUp
from worker.events.bus import Event
from worker.job import Done, Job, Reject, S3Uri
from worker.jobs.announcing.failure_groups import group_name, mask
from worker.jobs.failure_reports import version_that_failed
from worker.storage.provenance import InputVersion

PREDICTED, FAILED = "File Predicted", "File Failed"
EVENT_VERSION = 1
MAX_MESSAGE_CHARACTERS = 2000


def predicted(job: Job, done: Done, metadata: Mapping[str, str], stack: str) -> Event:
    """Return the event of an output that is durable; its metadata says what the worker did not."""
    model = done.model_sha256 or metadata.get("model-sha256")
    version = InputVersion(job.source, done.etag or "", done.version_id, None)
    return Event.of(
        PREDICTED,
        _facts(PREDICTED, job, version, model, stack)
        | {
            "output": _object(done.output),
            "rows": _count(done.rows, metadata.get("rows")),
            "rejected": _count(done.rejected, metadata.get("rejected")),
            "seconds": round(done.seconds, 3),
        },
    )


def failed(
    job: Job,
    rejection: Reject,
    report: S3Uri | None,
    *,
    model_sha256: str,
    stack: str,
    first_in_worker: bool,
) -> Event:
    """Return the event of a file that was given up."""
    error = rejection.error
    etag, version_id = version_that_failed(job, error)
    version = InputVersion(job.source, etag or "", version_id, None)
    return Event.of(
        FAILED,
        _facts(FAILED, job, version, model_sha256, stack)
        | {
            "report": _object(report) if report else None,
            "error_type": type(error).__name__,
            "message": str(error)[:MAX_MESSAGE_CHARACTERS],
            "permanent": not isinstance(error, GaveUp),
            "group": group_of(job, rejection),
            "first_in_worker": first_in_worker,
            "redrives": job.redrives or 0,
        },
    )


def group_of(job: Job, rejection: Reject) -> str:
    """Return the name of the failure's group, as `tidegate failures` has it."""
    error = rejection.error
    return group_name(type(error).__name__, mask(str(error), str(job.source), job.key))


def _facts(
    detail_type: str, job: Job, version: InputVersion, model_sha256: str | None, stack: str
) -> dict[str, object]:
    """Return what both events have in common."""
    written = version.version_id if version.version_id not in (None, "", "null") else version.etag
    identity = "\0".join([detail_type, version.source_id, written or "", model_sha256 or ""])
    return {
        "event_version": EVENT_VERSION,
        "id": hashlib.sha256(identity.encode()).hexdigest(),
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "stack": stack,
        "run": job.run,
        "input": _object(job.source)
        | {"version_id": version.version_id, "etag": version.etag or None},
        "model_sha256": model_sha256,
    }


def _object(uri: S3Uri) -> dict[str, str | None]:
    return {"bucket": uri.bucket, "key": uri.key}


def _count(known: int | None, recorded: str | None) -> int | None:
    if known is not None:
        return known
    return int(recorded) if recorded and recorded.isdecimal() else None
