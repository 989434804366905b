"""One job's stream: download, predict, upload."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from worker.attempts import Attempts
from worker.clock import now
from worker.compute import Compute
from worker.errors import InputOverwritten, NoSuchInput, OutputRefused
from worker.flow import ByteBudget
from worker.job import Done, Job, S3Uri, Status
from worker.outputs import Source, Written, is_current, target_key, write
from worker.scored import Scored, ScoreOptions
from worker.storage import Storage

REJECTS_SUFFIX = ".rejected.csv"
_STATUS: Mapping[Written, Status] = {
    Written.NEW: "predicted",
    Written.REPLACED: "predicted",
    Written.ALREADY_DONE: "already done",
    Written.SUPERSEDED: "superseded",
}

StillOurs = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything a job passes through."""

    storage: Storage
    compute: Compute
    budget: ByteBudget
    options: ScoreOptions
    output_template: str
    model_sha256: str
    attempts: Attempts

    async def run(self, job: Job, *, still_ours: StillOurs, alone: bool = False) -> Done:
        """Predict the job's input and write its output; `alone`: while no other job is under way.

        `still_ours` is asked just before anything becomes visible, and raises LeaseLost. Raises
        PermanentError and TransientError.
        """
        started = now()
        done = await self._until_newest(job, still_ours, alone=alone)
        return replace(done, seconds=now() - started)

    async def _until_newest(self, job: Job, still_ours: StillOurs, *, alone: bool) -> Done:
        done: Done | None = None
        while True:
            try:
                done, newer = await self._once(job, still_ours, alone=alone)
                if not newer:
                    return done
            except InputOverwritten:
                if job.sequencer is not None:
                    # The write that overwrote it has an event of its own.
                    return Done("superseded", self._target(job, None))
            except NoSuchInput:
                if done is None:
                    raise
                return done  # deleted since: what was written stays the newest
            now_unknown = dict.fromkeys(("version_id", "etag", "sequencer", "size"))
            job = job.model_copy(update=now_unknown)

    async def _once(self, job: Job, still_ours: StillOurs, *, alone: bool) -> tuple[Done, bool]:
        """Carry one version through; answer what was done, and whether a newer one is there."""
        async with self.attempts.limited(str(job.source)) as attempt:
            size = self.budget.limit if alone else await self._size(job)
            go_on = attempt.waits()
            async with self.budget.reserve(size) as held:
                go_on()
                found = await self.storage.get(job.source, version_id=job.version_id, etag=job.etag)
                source = Source.of(job, found.head)
                target = self._target(job, source)
                scored = await self.compute.score(
                    found.body, self.options, on_start=attempt.waits(), fresh=alone
                )
                if not alone:
                    held.correct(len(found.body) + len(scored.output) + len(scored.rejects or b""))
                if scored.converted_to is not None:
                    target = self._target(job, source, f".{scored.converted_to}")
                written = await self._upload(job, source, target, scored, still_ours)
            done = Done(_STATUS[written], target, scored.rows, scored.rejected, self.model_sha256)
            return done, await self._is_outdated(job, source, written)

    async def _is_outdated(self, job: Job, source: Source, written: Written) -> bool:
        """Tell whether a newer version is there that may have no message of its own."""
        if written is Written.SUPERSEDED:
            return job.sequencer is None
        if written is not Written.REPLACED:
            return False
        # Two writers that replace each other must not leave the older version standing.
        current = await self.storage.head(job.source)
        return current is not None and not is_current(current, source)

    async def _size(self, job: Job) -> int:
        if job.size is not None:
            return job.size
        current = await self.storage.head(job.source)
        return 0 if current is None else current.size  # gone: the read will say so

    async def _upload(
        self, job: Job, source: Source, target: S3Uri, scored: Scored, still_ours: StillOurs
    ) -> Written:
        upload = partial(write, self.storage, source=source, again=job.again, still_ours=still_ours)
        metadata = {"model-sha256": self.model_sha256}
        if scored.rejects is not None:
            # Before the output: whoever sees the output finds its rejected rows there already.
            place = replace(target, key=target.key + REJECTS_SUFFIX)
            written = await upload(
                place, scored.rejects, metadata=metadata, content_type="text/csv"
            )
            if written is Written.SUPERSEDED:
                return written
        counts = {"rows": str(scored.rows), "rejected": str(scored.rejected)}
        return await upload(
            target, scored.output, metadata=metadata | counts, content_type=scored.content_type
        )

    def _target(self, job: Job, source: Source | None, suffix: str = "") -> S3Uri:
        key = target_key(self.output_template + suffix, job, source)
        target = S3Uri(job.output_bucket, key)
        if target == job.source:
            raise OutputRefused(f"the output would overwrite its input, {target}")
        return target
