"""The processor: carries one message after the other to its outcome, and settles each.

All errors of a job are caught here and become an outcome.
"""

import asyncio
from dataclasses import dataclass
from functools import partial

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars

from worker.errors import FatalError, LeaseLost, PermanentError, RunCancelled, is_cancelled
from worker.job import Drop, Job, Message, Outcome, Reject, Release, Retry
from worker.jobs.runner import Runner
from worker.jobs.settlement import Settlement
from worker.lifecycle.first_output import FirstOutput
from worker.metrics import Metrics
from worker.queue.flow import Buffer, Slots
from worker.queue.leases import Leases

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Processor:
    """A processing loop; WORKER_CONCURRENCY of them run at once."""

    buffer: Buffer
    slots: Slots
    leases: Leases
    runner: Runner
    settlement: Settlement
    first_output: FirstOutput
    metrics: Metrics

    async def run(self) -> None:
        """Process one message after the other until the buffer closes."""
        while (message := await self.buffer.get()) is not None:
            clear_contextvars()
            bind_contextvars(message_id=message.id, receive_count=message.receive_count)
            with self.metrics.busy():
                await self.process(message)
            self.slots.give_back()

    async def process(self, message: Message) -> None:
        """Carry one leased message to its outcome, then settle the message."""
        job: Job | None = None
        outcome: Outcome
        try:
            await self.leases.confirm(message)
            message = self.leases.latest(message)  # it may have been received again meanwhile
            bind_contextvars(receive_count=message.receive_count)
            with self.leases.cancel_if_lost(message):
                job = Job.parse(message.body)
                bind_contextvars(**job.log_fields())
                check_lease = partial(self.leases.check, message)
                outcome = await self.runner.run(
                    job, check_lease=check_lease, exclusive=message.exclusive
                )
                self.first_output.note(outcome)
        except LeaseLost as lost:
            # Another worker may have the message: this one must not write or settle anything.
            log.warning("job abandoned, lease lost", reason=str(lost))
            return
        except asyncio.CancelledError as error:
            if is_cancelled():
                await self.settlement.settle(message, Release())
                raise
            outcome = Retry(error, job)  # raised by the job itself: an error like any other
        except FatalError:
            await self.settlement.settle(message, Release())
            raise
        except RunCancelled:
            outcome = Drop()
        except PermanentError as error:
            outcome = Reject(error, job)
        except Exception as error:  # noqa: BLE001 - an unknown error is transient: the redrive policy limits it
            outcome = Retry(error, job)
        await self.settlement.settle(message, outcome)
