"""Wiring: builds a worker from its settings, its queue, its storage and its process pool."""

import os
from dataclasses import dataclass

from worker import logs, settings_help
from worker.aws import http_session
from worker.events.bus import EventBus
from worker.events.sender import EventSender
from worker.jobs.announcing.announcer import Announcer
from worker.jobs.dead_letters import DeadLetters
from worker.jobs.failure_reports import FailureReports, Origin
from worker.jobs.job_options import JobOptions
from worker.jobs.limits import PART_BYTES, ByteBudget, JobMemory, JobTimeouts
from worker.jobs.processor import Processor
from worker.jobs.runner import Runner
from worker.jobs.settlement import Settlement
from worker.lifecycle.breaker import Breaker
from worker.lifecycle.cancelled_runs import CancelledRuns
from worker.lifecycle.first_output import FirstOutput
from worker.lifecycle.stop import Stop
from worker.metrics import Metrics
from worker.pool.model_plan import ModelPlan
from worker.pool.pool import Pool
from worker.queue.consumer import Consumer
from worker.queue.deletes import Deletes
from worker.queue.flow import Buffer, Slots
from worker.queue.idle import IdleTracker
from worker.queue.leases import Leases
from worker.queue.sqs import BATCH_SIZE, QueueAttributes, SqsQueue
from worker.service.identity import worker_name
from worker.service.model_fetch import ModelFile
from worker.settings import Settings
from worker.storage.protocol import Storage


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker consists of; `worker.service.run` runs it."""

    consumers: list[Consumer]
    processor: Processor
    concurrency: int
    leases: Leases
    deletes: Deletes
    events: EventSender | None
    buffer: Buffer
    slots: Slots
    idle: IdleTracker
    timeouts: JobTimeouts
    settlement: Settlement
    metrics: Metrics

    def close_intake(self) -> None:
        """Receive no more messages, and start no more jobs."""
        self.buffer.close()
        self.slots.close()
        self.idle.active.set()  # so that every consumer sees the stop

    def unsettled(self) -> list[str]:
        """Return the ids of the messages that a sudden end would leave invisible, or undeleted."""
        ids = [
            *self.leases.message_ids(),
            *self.settlement.message_ids(),
            *self.deletes.message_ids(),
        ]
        return list(dict.fromkeys(ids))

    async def release_unstarted(self, *, hurry: bool = False) -> None:
        """Release the messages that no processor has taken."""
        if unstarted := self.buffer.take_all():
            await self.settlement.release(unstarted, hurry=hurry)


def build(
    settings: Settings,
    attributes: QueueAttributes,
    *,
    stop: Stop,
    queue: SqsQueue,
    storage: Storage,
    pool: Pool,
    model_sha256: str,
    metrics: Metrics,
    bus: EventBus | None = None,
    part_bytes: int = PART_BYTES,
) -> Worker:
    """Build a worker."""
    visibility, heartbeat = settings.lease_times(attributes.visibility_seconds)
    leases = Leases(
        queue,
        visibility_seconds=visibility,
        heartbeat_seconds=heartbeat,
        on_loss=metrics.lease_lost,
    )
    deletes = Deletes(queue)
    metrics.count_calls(lambda: http_session.requests.sent)
    breaker = Breaker(metrics)
    buffer = Buffer()
    # The buffer is still half full when more messages are received.
    slots = Slots(2 * settings.concurrency, least=min(BATCH_SIZE, (settings.concurrency + 1) // 2))
    timeouts = JobTimeouts(settings.job_seconds)
    idle = IdleTracker(settings.idle_seconds, settings.wait_seconds)
    origin = Origin(worker_name(os.environ), settings.model, model_sha256)
    runner = Runner(
        storage,
        breaker,
        pool,
        ByteBudget(settings.memory_mb << 20),
        JobMemory(part_bytes),
        timeouts,
        JobOptions(
            settings.score_options(),
            lambda changes: settings_help.of_a_job(settings, changes).score_options(),
        ),
        CancelledRuns(),
        settings.output_template,
        settings.model,
        model_sha256,
    )
    events = EventSender(bus) if bus else None
    announcer = Announcer(
        events,
        storage,
        stack=settings.stack_name,
        model_sha256=model_sha256,
    )
    settlement = Settlement(
        queue,
        breaker=breaker,
        leases=leases,
        deletes=deletes,
        dead_letters=DeadLetters(
            queue,
            queue_name=attributes.name,
            origin=origin,
            leases=leases,
            reports=FailureReports(storage, template=settings.failure_template, origin=origin),
            storage=storage,
            announcer=announcer,
            empty_superseded_rejects=runner.empty_superseded_rejects,
        ),
        announcer=announcer,
        metrics=metrics,
        retry_seconds=settings.retry_seconds,
    )
    return Worker(
        consumers=[
            Consumer(number == 0, queue, buffer, slots, leases, deletes, idle, stop, breaker)
            for number in range(settings.consumers)
        ],
        processor=Processor(buffer, slots, leases, runner, settlement, FirstOutput(), metrics),
        concurrency=settings.concurrency,
        leases=leases,
        deletes=deletes,
        events=events,
        buffer=buffer,
        slots=slots,
        idle=idle,
        timeouts=timeouts,
        settlement=settlement,
        metrics=metrics,
    )


def model_plan(settings: Settings, model: ModelFile) -> ModelPlan:
    """Return what each pool process loads."""
    return ModelPlan(
        path=model.path,
        original=model.original,
        source=settings.model,
        method=settings.predict,
        factory=settings.predictor,
        log_format=logs.resolve(settings.log_format),
        log_level=settings.log_level,
        masks_values=settings.report_values == "mask",
    )
