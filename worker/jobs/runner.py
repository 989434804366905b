"""Runs one job: reserves bytes, downloads, predicts and publishes the newest version."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from worker.clock import now
from worker.errors import (
    InputOverwritten,
    NeedsMemory,
    NeedsTypes,
    NoSuchInput,
    PermanentError,
    RunCancelled,
    TransientError,
    error_text,
)
from worker.interfaces import ScoreOptions, ScoreResult
from worker.job import Done, Job, S3Uri, Status
from worker.jobs.job_options import JobOptions, settings_sha256
from worker.jobs.limits import (
    EXCLUSIVE_WAIT_SECONDS,
    ByteBudget,
    JobMemory,
    JobTimeout,
    JobTimeouts,
    Reservation,
)
from worker.jobs.output_keys import cancelled_uri, output_uri
from worker.jobs.output_writer import AlreadyWritten, OutputWriter
from worker.jobs.patience import Patience, PatientStorage
from worker.jobs.rejected_rows import empty_superseded_rejects
from worker.lifecycle.breaker import Breaker
from worker.lifecycle.cancelled_runs import CancelledRuns
from worker.pool.pool import Pool
from worker.storage.conditional_write import WriteResult
from worker.storage.protocol import Storage
from worker.storage.provenance import InputVersion, is_replaced
from worker.storage.streaming import Download

log = structlog.get_logger()

CheckLease = Callable[[], None]

STATUSES: Mapping[WriteResult, Status] = {
    WriteResult.NEW: "predicted",
    WriteResult.REPLACED: "predicted",
    WriteResult.ALREADY_DONE: "already done",
    WriteResult.SUPERSEDED: "superseded",
}


class _Phases:
    """Measures the phases of a job, also over several attempts at it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = now()

    def end(self, phase: str) -> None:
        """Add the time since the last phase ended to this phase."""
        ended = now()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + ended - self._began
        self._began = ended

    def ending(self, phase: str, then: Callable[[], None]) -> Callable[[], None]:
        """Return a function that ends the phase and goes on with another one."""

        def end() -> None:
            self.end(phase)
            then()

        return end


@dataclass(slots=True)
class _Needs:
    """What the attempts at a job so far have found out that it needs."""

    exclusive: bool
    """Whether to wait until no other job runs."""
    input_bytes: int | None = None
    types: dict[str, str] = field(default_factory=dict)
    """The types of the file's columns, by the ETag of the version that has them."""
    read: InputVersion | None = None
    """The version that the last attempt read."""
    phases: _Phases = field(default_factory=_Phases)


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs jobs, each within the limits of memory and time."""

    storage: Storage
    breaker: Breaker
    pool: Pool
    budget: ByteBudget
    memory: JobMemory
    timeouts: JobTimeouts
    options: JobOptions
    cancelled_runs: CancelledRuns
    output_template: str
    model: str
    model_sha256: str

    async def run(self, job: Job, *, check_lease: CheckLease, exclusive: bool = False) -> Done:
        """Predict the job's input and write its output.

        An `exclusive` job runs in a process of its own, and while no other job runs, unless others
        go on for more than a minute.
        `check_lease` is called just before anything becomes visible, and raises LeaseLost. Raises
        PermanentError and TransientError, and RunCancelled before anything was done.
        """
        started = now()
        # One limit for all versions: an input may change again and again.
        async with self.timeouts.limit(str(job.source), exclusive=exclusive) as job_timeout:
            patience = Patience(self.breaker, job_timeout, check_lease)
            patient = replace(self, storage=PatientStorage(self.storage, patience))
            done = await patient.run_to_newest(job, check_lease, job_timeout, exclusive=exclusive)
        self.breaker.succeeded()
        return replace(done, seconds=now() - started)

    async def run_to_newest(
        self, job: Job, check_lease: CheckLease, job_timeout: JobTimeout, *, exclusive: bool
    ) -> Done:
        """Run the job, and again as long as the input changes in a way that only this job sees."""
        mark = cancelled_uri(job)
        if mark is not None and await self.cancelled_runs.include(mark, self.storage.head):
            raise RunCancelled(f"the run {job.run} was cancelled")
        done: Done | None = None
        while True:
            try:
                done, outdated = await self._run_version(
                    job, check_lease, job_timeout, exclusive=exclusive
                )
                if not outdated:
                    return done
            except InputOverwritten:
                if job.sequencer is not None:
                    # The write that replaced this version has an event, and so a message, of its
                    # own.
                    job_timeout.has_result()
                    return await self._superseded(job, check_lease)
            except NoSuchInput:
                if done is None:
                    raise
                return done  # the input was deleted meanwhile: the output is of its last version
            job = job.of_current_version()
            job_timeout.begin_newer_version()

    async def _run_version(
        self, job: Job, check_lease: CheckLease, job_timeout: JobTimeout, *, exclusive: bool
    ) -> tuple[Done, bool]:
        """Predict the version that the job names, or the current one, and write its output.

        Returns the result, and whether the input has changed since in a way that no other message
        will report.
        """
        needs = _Needs(exclusive)
        while True:
            try:
                done, result = await self._attempt(
                    job, check_lease, job_timeout, needs, fresh=exclusive
                )
            except NeedsMemory as error:
                # Bytes are reserved before a pool process is taken, never while one is held:
                # otherwise two jobs could wait for each other.
                needs.input_bytes = error.size
            except NeedsTypes:
                pass  # the attempt has put them into `needs`, and nothing is visible yet
            except PermanentError as error:
                job_timeout.has_result()
                await self._check_current(job, needs.read, error)
                raise
            else:
                return done, await self._is_outdated(job, done, result)

    async def _attempt(
        self,
        job: Job,
        check_lease: CheckLease,
        job_timeout: JobTimeout,
        needs: _Needs,
        *,
        fresh: bool,
    ) -> tuple[Done, WriteResult]:
        options = self.options.of(job)
        size = self.memory.reservation(job.size, needs.input_bytes, _outputs(options))
        resume = job_timeout.pause()
        async with self._reserved(size, needs) as held:
            resume()
            needs.phases.end("hold")
            # With the whole budget no other job holds data meanwhile.
            input_bytes = self.budget.limit if held.exclusive else needs.input_bytes
            download = await self._download(job)
            needs.phases.end("download")
            if not held.exclusive:
                held.correct(self.memory.reservation(download.size, input_bytes, _outputs(options)))
            version = needs.read = InputVersion.of(job, download.head)
            options = replace(
                options,
                reserved_bytes=input_bytes or self.memory.input_bytes,
                content_encoding=download.head.content_encoding,
                summarize=job.run is not None,  # the report of a run shows it
                found_types=needs.types.get(version.etag),
            )
            async with self._output_writer(job, options, version, download, check_lease) as output:
                try:
                    score = await self.pool.score(
                        download,
                        options,
                        output,
                        on_start=needs.phases.ending("hold", job_timeout.pause()),
                        fresh=fresh,
                        spare_bytes=held,
                    )
                except NeedsTypes as error:
                    needs.types[version.etag] = str(error)
                    raise
                except AlreadyWritten as existing:
                    done = self._done(existing.target, version, existing.result, None)
                    return done, existing.result
                finally:
                    needs.phases.end("predict")
                if not held.exclusive:
                    held.correct(len(download.first) + output.held)
                job_timeout.has_result()
                result = await output.publish(score)
                needs.phases.end("upload")
                done = replace(
                    self._done(output.target, version, result, score),
                    input_bytes=download.size,
                    output_bytes=output.written,
                    phases=needs.phases.seconds,
                )
                return done, result

    @asynccontextmanager
    async def _reserved(self, size: int, needs: _Needs) -> AsyncIterator[Reservation]:
        async with self.budget.reserve(size, exclusive=needs.exclusive) as held:
            if needs.exclusive and not held.exclusive:
                log.warning("job runs beside others", waited_seconds=EXCLUSIVE_WAIT_SECONDS)
                needs.exclusive = False  # a further attempt does not wait again
            yield held

    async def _download(self, job: Job) -> Download:
        part_bytes = self.memory.part_bytes
        start = await self.storage.get(
            job.source, version_id=job.version_id, etag=job.etag, max_bytes=part_bytes
        )
        return Download(
            self.storage, job.source, job.version_id, start.head, start.body, part_bytes
        )

    def _output_writer(
        self,
        job: Job,
        options: ScoreOptions,
        version: InputVersion,
        download: Download,
        check_lease: CheckLease,
    ) -> OutputWriter:
        target_for = partial(output_uri, self.output_template, job, version)
        target_for(None)  # raises OutputRefused for a forbidden target before anything is predicted
        return OutputWriter(
            self.storage,
            target_for,
            version,
            metadata=self._metadata(job),
            force=job.again,
            check_lease=check_lease,
            part_bytes=self.memory.upload_part_bytes(download.size),
            previews=len(download.first) < download.size,
            rejects_allowed=options.max_rejected > 0,
        )

    def _metadata(self, job: Job) -> dict[str, str]:
        """Return what the metadata of an output says beside the version of its input."""
        metadata = {
            "model-sha256": self.model_sha256,
            "settings-sha256": settings_sha256(job),
            "run": job.run,
        }
        return {name: fact for name, fact in metadata.items() if fact is not None}

    async def _is_outdated(self, job: Job, done: Done, result: WriteResult) -> bool:
        if result is WriteResult.SUPERSEDED:
            return job.sequencer is None
        if result is not WriteResult.REPLACED:
            return False
        # Two writers that replace each other must not leave the older version in place.
        current = await self.storage.head(job.source)
        return is_replaced(current, etag=done.etag, version_id=done.version_id)

    async def _superseded(self, job: Job, check_lease: CheckLease) -> Done:
        """Give way to a newer version; an earlier attempt may have left rejected rows beside it."""
        await self.empty_superseded_rejects(job, check_lease)
        return Done("superseded", output_uri(self.output_template, job, None, None))

    async def empty_superseded_rejects(self, job: Job, check_lease: CheckLease) -> None:
        """Empty the rejected rows that this version may have left beside a newer output.

        Raises OutputRefused, SettingsRefused, TransientError and LeaseLost.
        """
        options = self.options.of(job)
        if not options.max_rejected:
            return
        # Nobody has read the file, so its format is not known.
        for converted_to in dict.fromkeys((None, options.output_format)):
            await empty_superseded_rejects(
                self.storage,
                output_uri(self.output_template, job, None, converted_to),
                job.source,
                metadata=self._metadata(job),
                check_lease=check_lease,
            )

    async def _check_current(
        self, job: Job, read: InputVersion | None, error: PermanentError
    ) -> None:
        """Raise InputOverwritten if a version that failed was replaced, and no event says so.

        With a sequencer the newer version has a message of its own, and the settlement asks.
        """
        etag, version_id = (read.etag, read.version_id) if read else (job.etag, job.version_id)
        error.failed_version = etag, version_id
        if job.sequencer is not None:
            return
        try:
            current = await self.storage.head(job.source)
        except TransientError as failure:
            raise TransientError(f"{error_text(error)} ({failure})") from error
        if is_replaced(current, etag=etag, version_id=version_id):
            raise InputOverwritten(f"{job.source} was overwritten before it failed") from error

    def _done(
        self, target: S3Uri, version: InputVersion, result: WriteResult, score: ScoreResult | None
    ) -> Done:
        # An output that was there already names its model in its own metadata.
        ours = result in (WriteResult.NEW, WriteResult.REPLACED)
        return Done(
            STATUSES[result],
            target,
            etag=version.etag,
            version_id=version.version_id,
            rows=score.rows if score else None,
            rejected=score.rejected if score else None,
            model=self.model if ours else None,
            model_sha256=self.model_sha256 if ours else None,
            parts=score.parts if score else None,
            predictions=score.predictions if score and ours else None,
        )


def _outputs(options: ScoreOptions) -> int:
    """Return how many files a job writes at most: its output, and the rejected rows."""
    return 2 if options.max_rejected else 1
