"""Keys of outputs and failure reports, from the templates in the settings."""

import hashlib

from worker.errors import OutputRefused
from worker.interfaces import Format
from worker.job import Job, S3Uri
from worker.storage.provenance import InputVersion

MAX_KEY_BYTES = 1024  # S3's limit
COMMANDS_PREFIX = "_runs/"  # below the output key: what the command line writes of its runs
CANCELLED = "cancelled"  # the object below a run's prefix that makes workers drop its messages


def output_uri(
    template: str, job: Job, version: InputVersion | None, converted_to: Format | None
) -> S3Uri:
    """Return where a job's output goes; a converted output has its format appended.

    Raises OutputRefused if the key is longer than S3 allows, belongs to the command line, or is the
    input's own.
    """
    suffix = f".{converted_to}" if converted_to else ""
    target = S3Uri(job.output_bucket, output_key(template + suffix, job, version))
    if target == job.source:
        raise OutputRefused(f"the output would overwrite its input, {target}")
    prefix = f"{job.output_key}/" if job.output_key else ""
    if target.key.startswith(prefix + COMMANDS_PREFIX):
        raise OutputRefused(
            f"no output may begin with {prefix}{COMMANDS_PREFIX}, where Tidegate keeps its runs: "
            f"rename the input, or set WORKER_OUTPUT_TEMPLATE ({target})"
        )
    return target


def cancelled_uri(job: Job) -> S3Uri | None:
    """Return the object that cancels the run of a job; None if nothing cancels the job.

    That is a live file, or one that somebody has submitted again by itself.
    """
    if job.run is None or job.redrives:
        return None
    prefix = f"{job.output_key}/" if job.output_key else ""
    return S3Uri(job.output_bucket, f"{prefix}{COMMANDS_PREFIX}{job.run}/{CANCELLED}")


def output_key(template: str, job: Job, version: InputVersion | None = None) -> str:
    """Fill a key template; raises OutputRefused if the key is longer than S3 allows."""
    key = _fill(template, job, version, job.key)
    if len(key.encode()) > MAX_KEY_BYTES:
        raise OutputRefused(f"the output key has more than {MAX_KEY_BYTES} bytes: {key}")
    return key


def report_key(template: str, job: Job) -> str:
    """Fill the failure template; in a key that is too long, a hash takes the input key's place."""
    key = _fill(template, job, None, job.key)
    if len(key.encode()) <= MAX_KEY_BYTES:
        return key
    return _fill(template, job, None, hashlib.sha256(job.key.encode()).hexdigest())


def _fill(template: str, job: Job, version: InputVersion | None, key: str) -> str:
    prefix = job.output_key
    if not prefix:
        template = template.replace("{output_key}/", "")
    etag = version.etag if version else job.etag
    version_id = version.version_id if version else job.version_id
    return template.format(
        output_key=prefix, key=key, etag=etag or "unknown", version_id=version_id or "unknown"
    )
