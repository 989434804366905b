"""Failure reports: what went wrong with a file, written where its output would be."""

import json
import traceback
from datetime import UTC, datetime

import structlog

from worker import __version__
from worker.errors import GaveUp, PermanentError
from worker.job import Job, S3Uri
from worker.outputs import report_key
from worker.s3 import Storage

log = structlog.get_logger()

TRACEBACK_LINES = 30


class Reports:
    """Writes failure reports; the latest failure of an input is the one that stays."""

    def __init__(self, storage: Storage, *, template: str, model: str, model_sha256: str) -> None:
        self._storage = storage
        self._template = template
        self._model = {"uri": model, "sha256": model_sha256}

    async def write(self, job: Job, error: PermanentError, receive_count: int) -> S3Uri | None:
        """Write the report of a failure; None where it would overwrite the input."""
        target = S3Uri(job.output_bucket, report_key(self._template, job))
        if target == job.source:
            log.error("no failure report: its key is the input's", key=str(target))
            return None
        body = json.dumps(self._report(job, error, receive_count), indent=2, ensure_ascii=False)
        await self._storage.overwrite(
            target, body.encode("utf-8", "backslashreplace"), content_type="application/json"
        )
        return target

    def _report(self, job: Job, error: PermanentError, receive_count: int) -> dict[str, object]:
        lines = "".join(traceback.format_exception(error)).splitlines()
        return {
            "job": job.model_dump(exclude_none=True),
            "source": {
                "version_id": job.version_id,
                "etag": job.etag,
                "sequencer": job.sequencer,
            },
            "error_type": type(error).__name__,
            "message": str(error),
            "traceback": lines[-TRACEBACK_LINES:],
            "receive_count": receive_count,
            "permanent": not isinstance(error, GaveUp),
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "worker_version": __version__,
            "model": self._model,
        }
