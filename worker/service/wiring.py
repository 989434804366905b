"""A worker put together from its settings and what it talks to."""

from dataclasses import dataclass
from pathlib import Path

from worker import logs
from worker.interfaces import ScoreOptions
from worker.jobs.dead_letters import DeadLetters
from worker.jobs.failure_reports import FailureReports
from worker.jobs.limits import PART_BYTES, Window
from worker.jobs.redrive import RedrivePolicy
from worker.jobs.runner import Passage, Pipeline
from worker.jobs.settlement import Settlement
from worker.jobs.timeouts import JobTimeouts
from worker.lifecycle.stop import Stop
from worker.metrics import Metrics, stream_for
from worker.pool.child import ModelPlan
from worker.pool.pool import Compute
from worker.queue.consumer import Consumer, IdleTracker
from worker.queue.deletes import Deletes
from worker.queue.flow import Buffer, ByteBudget, Slots
from worker.queue.leases import Leases
from worker.queue.sqs import BATCH, Queue, QueueAttributes
from worker.settings import Settings
from worker.storage.protocol import Storage


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a worker that the service runs."""

    consumers: list[Consumer]
    processors: int
    leases: Leases
    deletes: Deletes
    buffer: Buffer
    slots: Slots
    idle: IdleTracker
    attempts: JobTimeouts
    redrive: RedrivePolicy
    pipeline: Pipeline
    settling: Settlement
    metrics: Metrics


def assemble(
    settings: Settings,
    facts: QueueAttributes,
    *,
    stop: Stop,
    queue: Queue,
    storage: Storage,
    compute: Compute,
    model_sha256: str,
    part_bytes: int = PART_BYTES,
) -> Parts:
    """Put a worker together from its settings and what it talks to."""
    visibility, heartbeat = settings.lease_times(facts.visibility_seconds)
    leases = Leases(queue, visibility_seconds=visibility, heartbeat_seconds=heartbeat)
    deletes = Deletes(queue)
    metrics = Metrics(facts.name, stream_for(logs.resolve(settings.log_format)))
    buffer = Buffer()
    # Half of the buffer is still full when more is asked for.
    slots = Slots(2 * settings.concurrency, least=min(BATCH, (settings.concurrency + 1) // 2))
    attempts = JobTimeouts(settings.job_seconds)
    redrive = RedrivePolicy(facts.max_receive_count)
    idle = IdleTracker(settings.idle_seconds, settings.wait_seconds)
    passage = Passage(
        storage=storage,
        compute=compute,
        budget=ByteBudget(settings.memory_mb << 20),
        window=Window(part_bytes, outputs=2 if settings.max_rejected else 1),
        options=_score_options(settings),
        output_template=settings.output_template,
        model_sha256=model_sha256,
        attempts=attempts,
    )
    rejections = DeadLetters(
        queue,
        queue_name=facts.name,
        leases=leases,
        reports=_reports(settings, storage, model_sha256),
        redrive=redrive,
    )
    return Parts(
        consumers=[
            Consumer(number == 0, queue, buffer, slots, leases, deletes, idle, stop)
            for number in range(settings.consumers)
        ],
        processors=settings.concurrency,
        leases=leases,
        deletes=deletes,
        buffer=buffer,
        slots=slots,
        idle=idle,
        attempts=attempts,
        redrive=redrive,
        pipeline=Pipeline(passage, settings.model),
        settling=Settlement(
            queue,
            leases=leases,
            deletes=deletes,
            rejections=rejections,
            metrics=metrics,
            retry_seconds=settings.retry_seconds,
            redrive=redrive,
        ),
        metrics=metrics,
    )


def model_plan(settings: Settings, path: Path) -> ModelPlan:
    """Say what each pool process loads."""
    return ModelPlan(
        path=path,
        method=settings.predict,
        factory=settings.predictor,
        log_format=logs.resolve(settings.log_format),
        log_level=settings.log_level,
    )


def _reports(settings: Settings, storage: Storage, model_sha256: str) -> FailureReports:
    return FailureReports(
        storage,
        template=settings.failure_template,
        model=settings.model,
        model_sha256=model_sha256,
    )


def _score_options(settings: Settings) -> ScoreOptions:
    return ScoreOptions(
        delimiter=settings.delimiter,
        encoding=settings.encoding,
        keep_columns=settings.keep_columns,
        output_format=settings.output_format,
        max_rejected=settings.max_rejected,
        memory_bytes=settings.memory_mb << 20,
    )
