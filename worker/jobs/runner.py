"""Runs one job: reserves bytes, downloads, predicts and writes, until the newest version is out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from worker.clock import now
from worker.errors import InputOverwritten, NeedsMemory, NoSuchInput, OutputRefused
from worker.interfaces import OutputForm, ScoreOptions, ScoreResult
from worker.job import Done, Job, S3Uri, Status
from worker.jobs.limits import Window
from worker.jobs.output_writer import AlreadyWritten, OutputWriter
from worker.jobs.timeouts import JobTimeout, JobTimeouts
from worker.pool.pool import Compute
from worker.queue.flow import ByteBudget
from worker.storage.conditional_write import Source, Written, is_current, target_key
from worker.storage.download import Download
from worker.storage.protocol import Storage

StillOurs = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Passed:
    """What became of one version."""

    source: Source
    target: S3Uri
    written: Written
    scored: ScoreResult | None  # None: it was found done before it was predicted


@dataclass(frozen=True, slots=True)
class Passage:
    """Everything one version passes through."""

    storage: Storage
    compute: Compute
    budget: ByteBudget
    window: Window
    options: ScoreOptions
    output_template: str
    model_sha256: str
    attempts: JobTimeouts

    async def carry(
        self, job: Job, check_lease: StillOurs, *, exclusive: bool
    ) -> tuple[Passed, bool]:
        """Predict the version that the job names, or the current one, and write its output.

        Answers what became of it, and whether a newer version may wait in vain for a message.
        """
        room = self.budget.limit if exclusive else None
        async with self.attempts.limited(str(job.source)) as attempt:
            while True:
                try:
                    passed = await self._within(
                        room, job, check_lease, attempt, exclusive=exclusive
                    )
                    return passed, await self._is_outdated(job, passed)
                except NeedsMemory as more:
                    # Taken before a pool process is, or two jobs would wait for each other.
                    room = more.size

    async def _within(
        self,
        room: int | None,
        job: Job,
        check_lease: StillOurs,
        attempt: JobTimeout,
        *,
        exclusive: bool,
    ) -> Passed:
        go_on = attempt.waits()
        async with self.budget.reserve(self.window.need(job.size, room)) as held:
            go_on()
            download = await self._open(job)
            if not exclusive:
                held.correct(self.window.need(download.size, room))
            source = Source.of(job, download.head)
            options = replace(self.options, reserved_bytes=room or self.window.room)
            async with self._delivery(job, source, download, check_lease) as delivery:
                try:
                    scored = await self.compute.score(
                        download, options, delivery, on_start=attempt.waits(), fresh=exclusive
                    )
                except AlreadyWritten as settled:
                    return Passed(source, settled.target, settled.written, None)
                if not exclusive:
                    held.correct(len(download.first) + delivery.held)
                written = await delivery.settle(scored)
                return Passed(source, delivery.target, written, scored)

    async def _is_outdated(self, job: Job, passed: Passed) -> bool:
        if passed.written is Written.SUPERSEDED:
            return job.sequencer is None
        if passed.written is not Written.REPLACED:
            return False
        # Two writers that replace each other must not leave the older version standing.
        current = await self.storage.head(job.source)
        return current is not None and not is_current(current, passed.source)

    async def _open(self, job: Job) -> Download:
        found = await self.storage.get(
            job.source, version_id=job.version_id, etag=job.etag, max_bytes=self.window.part_bytes
        )
        return Download(
            self.storage,
            job.source,
            job.version_id,
            found.head,
            found.body,
            self.window.part_bytes,
        )

    def _delivery(
        self, job: Job, source: Source, download: Download, check_lease: StillOurs
    ) -> OutputWriter:
        target_of = partial(self._target, job, source)
        target_of(None)  # an output that may not be written is refused before anything is predicted
        return OutputWriter(
            self.storage,
            target_of,
            source,
            metadata={"model-sha256": self.model_sha256},
            again=job.again,
            check_lease=check_lease,
            part_bytes=self.window.upload_part(download.size),
            looks_first=len(download.first) < download.size,
        )

    def _target(self, job: Job, source: Source | None, form: OutputForm | None) -> S3Uri:
        suffix = f".{form.converted_to}" if form and form.converted_to else ""
        target = S3Uri(job.output_bucket, target_key(self.output_template + suffix, job, source))
        if target == job.source:
            raise OutputRefused(f"the output would overwrite its input, {target}")
        return target

    def target(self, job: Job) -> S3Uri:
        """Where the output of a job goes, as far as the job alone tells."""
        return self._target(job, None, None)


_STATUS: Mapping[Written, Status] = {
    Written.NEW: "predicted",
    Written.REPLACED: "predicted",
    Written.ALREADY_DONE: "already done",
    Written.SUPERSEDED: "superseded",
}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Carries jobs to their output."""

    passage: Passage
    model: str

    async def run(self, job: Job, *, check_lease: StillOurs, exclusive: bool = False) -> Done:
        """Predict the job's input and write its output; `exclusive`: while no other job runs.

        `check_lease` is asked just before anything becomes visible, and raises LeaseLost. Raises
        PermanentError and TransientError.
        """
        started = now()
        passed: Passed | None = None
        while True:
            try:
                passed, outdated = await self.passage.carry(job, check_lease, exclusive=exclusive)
                if not outdated:
                    return self._done(passed, started)
            except InputOverwritten:
                if job.sequencer is not None:
                    # The write that overwrote it has an event of its own.
                    return Done("superseded", self.passage.target(job), seconds=now() - started)
            except NoSuchInput:
                if passed is None:
                    raise
                return self._done(passed, started)  # deleted since: it stays the newest
            now_unknown = dict.fromkeys(("version_id", "etag", "sequencer", "size"))
            job = job.model_copy(update=now_unknown)

    def _done(self, passed: Passed, started: float) -> Done:
        # One that was there already says in its own metadata which model made it.
        ours = passed.written in (Written.NEW, Written.REPLACED)
        return Done(
            _STATUS[passed.written],
            passed.target,
            etag=passed.source.etag,
            version_id=passed.source.version_id,
            rows=passed.scored.rows if passed.scored else None,
            rejected=passed.scored.rejected if passed.scored else None,
            model=self.model if ours else None,
            model_sha256=self.passage.model_sha256 if ours else None,
            seconds=now() - started,
        )
