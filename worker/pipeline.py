"""One job, version after version until what is written is of the newest."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.clock import now
from worker.errors import InputOverwritten, NoSuchInput
from worker.job import Done, Job, Status
from worker.outputs import Written
from worker.passage import Passage, Passed, StillOurs

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

    async def run(self, job: Job, *, still_ours: StillOurs, alone: bool = False) -> Done:
        """Predict the job's input and write its output; `alone`: while no other job is under way.

        `still_ours` is asked just before anything becomes visible, and raises LeaseLost. Raises
        PermanentError and TransientError.
        """
        started = now()
        passed: Passed | None = None
        while True:
            try:
                passed, outdated = await self.passage.carry(job, still_ours, alone=alone)
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
