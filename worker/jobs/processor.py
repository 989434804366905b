"""One message's life: from its lease to its outcome, and settled; errors end here."""

import asyncio
from functools import partial

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars

from worker.errors import FatalError, LeaseLost, PermanentError
from worker.job import Job, Message, Outcome, Reject, Release, Retry
from worker.jobs.redrive import RedrivePolicy
from worker.jobs.runner import Pipeline
from worker.jobs.settlement import Settlement
from worker.queue.flow import Buffer, Slots
from worker.queue.leases import Leases

log = structlog.get_logger()


async def work(
    buffer: Buffer,
    slots: Slots,
    *,
    leases: Leases,
    pipeline: Pipeline,
    settling: Settlement,
    redrive: RedrivePolicy,
) -> None:
    """Process one message after the other until the buffer closes."""
    while (message := await buffer.get()) is not None:
        clear_contextvars()
        bind_contextvars(message_id=message.id, receive_count=message.receive_count)
        exclusive = redrive.runs_exclusively(message)
        await process(
            message, leases=leases, pipeline=pipeline, settling=settling, exclusive=exclusive
        )
        slots.give_back()


async def process(
    message: Message, *, leases: Leases, pipeline: Pipeline, settling: Settlement, exclusive: bool
) -> None:
    """Carry one leased message to its outcome, then settle it."""
    job: Job | None = None
    outcome: Outcome
    try:
        await leases.confirm(message)
        with leases.cancel_if_lost(message):
            job = Job.parse(message.body)
            bind_contextvars(input=str(job.source))
            check_lease = partial(leases.check, message)
            outcome = await pipeline.run(job, check_lease=check_lease, exclusive=exclusive)
    except LeaseLost as lost:
        # Somebody else has it; ours must leave no trace.
        log.warning("job abandoned", reason=str(lost))
        return
    except asyncio.CancelledError as error:
        if _is_cancelled():
            await settling.settle(message, Release())
            raise
        outcome = Retry(error, job)  # the job's own doing, as any other error of it
    except FatalError:
        await settling.settle(message, Release())
        raise
    except PermanentError as error:
        outcome = Reject(error, job)
    except Exception as error:  # noqa: BLE001 - unknown is transient: the redrive policy judges
        outcome = Retry(error, job)
    await settling.settle(message, outcome)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
