"""Failure reports: what went wrong with a file, written where its output would be."""

import json
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from worker import __version__
from worker.errors import GaveUp, OutputRefused, PermanentError, TransientError
from worker.job import Job, S3Uri
from worker.jobs.output_keys import report_key
from worker.storage.conditional_write import WRITE_ATTEMPTS, pause_before
from worker.storage.protocol import Storage, WriteConflict

log = structlog.get_logger()

TRACEBACK_LINES = 30
REPORT_MARK = "failure-report"  # metadata of a report; its value is the worker's version


@dataclass(frozen=True, slots=True)
class Origin:
    """Who failed: the worker, by its name, and the model that the worker has loaded."""

    worker: str
    model: str
    model_sha256: str


class FailureReports:
    """Writes failure reports; the report of an input's latest failure stays."""

    def __init__(self, storage: Storage, *, template: str, origin: Origin) -> None:
        self._storage = storage
        self._template = template
        self._origin = origin

    async def write(self, job: Job, error: PermanentError, receive_count: int) -> S3Uri | None:
        """Write the report of a failure; returns None if it would overwrite the input."""
        target = S3Uri(job.output_bucket, report_key(self._template, job))
        if target == job.source:
            log.error("failure report not written, its key is the input's", key=str(target))
            return None
        body = json.dumps(self._report(job, error, receive_count), indent=2, ensure_ascii=False)
        await self._put(target, body.encode("utf-8", "backslashreplace"))
        return target

    async def _put(self, target: S3Uri, body: bytes) -> None:
        """Write the report, if need be over an earlier one, but never over another object."""
        replacing: str | None = None
        for attempt in range(WRITE_ATTEMPTS):
            await pause_before(attempt)
            try:
                await self._storage.put(
                    target,
                    body,
                    metadata={REPORT_MARK: __version__},
                    content_type="application/json",
                    replacing=replacing,
                )
            except WriteConflict:
                existing = await self._storage.head(target)
                if existing is not None and REPORT_MARK not in existing.metadata:
                    raise OutputRefused(f"{target} is taken: it is no failure report") from None
                replacing = existing.etag if existing is not None else None
            else:
                return
        raise TransientError(f"{target} kept changing during {WRITE_ATTEMPTS} attempts to write it")

    def _report(self, job: Job, error: PermanentError, receive_count: int) -> dict[str, object]:
        lines = "".join(traceback.format_exception(error)).splitlines()
        etag, version_id = version_that_failed(job, error)
        return {
            "job": job.model_dump(exclude_none=True),
            "source": {"version_id": version_id, "etag": etag, "sequencer": job.sequencer},
            "run": job.run,
            "error_type": type(error).__name__,
            "message": str(error),
            "traceback": lines[-TRACEBACK_LINES:],
            "receive_count": receive_count,
            "permanent": not isinstance(error, GaveUp),
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "worker": self._origin.worker,
            "worker_version": __version__,
            "model": {"uri": self._origin.model, "sha256": self._origin.model_sha256},
        }


def version_that_failed(job: Job, error: PermanentError) -> tuple[str | None, str | None]:
    """Return the ETag and the version id of the input that failed, as far as they are known.

    The version that was read counts, and may be another one than the message names.
    """
    etag, version_id = error.failed_version
    return etag or job.etag, version_id or job.version_id
