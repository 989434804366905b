"""The run: the nesting of the task groups is the order in which the parts of a worker end."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, nullcontext, suppress
from functools import partial

import structlog

from worker.lifecycle.stop import Stop
from worker.lifecycle.supervision import StopRequested, background, cancel_on_stop, supervise
from worker.metrics import Metrics
from worker.service.phases import Phases
from worker.service.shutdown import Shutdown
from worker.service.start_limit import StartLimit
from worker.service.startup import OPENERS, Openers, open_worker
from worker.service.wiring import Worker
from worker.settings import Settings

log = structlog.get_logger()

METRICS_SECONDS = 60


async def run(
    settings: Settings,
    stop: Stop,
    openers: Openers = OPENERS,
    *,
    phases: Phases | None = None,
    metrics: Metrics | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Open a worker and run it until a stop is requested, by a signal or by idleness.

    `phases` has measured the start so far, and `metrics` counts. `on_ready` is called before the
    first receive. Raises SettingsError, FatalError, and TransientError if the start fails.
    """
    metrics = metrics or Metrics(settings.stack_name, None)
    async with AsyncExitStack() as opened:
        with suppress(StopRequested):
            limit = StartLimit(phases or Phases("before"))
            async with limit.applied(stop), cancel_on_stop(stop):
                worker = await open_worker(settings, stop, opened, limit, openers, metrics=metrics)
            on_ready()
            await serve(worker, stop, settings.finish_seconds)
        log.info("stopped", reason=stop.reason)


async def serve(worker: Worker, stop: Stop, finish_seconds: float) -> None:
    """Run until stopped. The nesting is the order in which things end, innermost first.

    A job that has not finished `finish_seconds` after the stop is cancelled, and its message is
    released.
    """
    stop.in_hand = worker.unsettled
    try:
        async with (
            worker.leases.kept_alive(),  # heartbeats outlive the drain
            worker.deletes.flushed(),  # the last flush follows the last settlement
            worker.events.sending() if worker.events else nullcontext(),  # likewise
            background("job timeout", worker.timeouts.watch),
        ):
            await _work(worker, stop, finish_seconds)
    finally:
        worker.metrics.flush()
        if in_hand := worker.leases.message_ids():
            log.warning("messages left to their visibility timeout", message_ids=in_hand)


async def _work(worker: Worker, stop: Stop, finish_seconds: float) -> None:
    deadline = asyncio.timeout(None)
    shutdown = Shutdown(worker, stop, deadline)
    try:
        async with deadline, asyncio.TaskGroup() as processors:
            for _ in range(worker.concurrency):
                loop = shutdown.on_failure_of("processor", worker.processor.run)
                processors.create_task(loop, name="processor")
            async with asyncio.TaskGroup() as polls:
                on_stop = partial(shutdown.on_stop, finish_seconds)
                polls.create_task(supervise("stop", on_stop), name="stop")
                reporting = partial(_report_metrics, worker.metrics, stop)
                polls.create_task(supervise("metrics", reporting), name="metrics")
                for consumer in worker.consumers:
                    polls.create_task(supervise("poll", consumer.run), name="poll")
            # Not before the last poll has ended: it would receive these messages again.
            await worker.release_unstarted()
    except TimeoutError:
        if shutdown.failure is None:
            log.warning("drain deadline reached", seconds=finish_seconds)
    finally:
        await worker.release_unstarted(hurry=True)
    if shutdown.failure is not None:
        raise shutdown.failure


async def _report_metrics(metrics: Metrics, stop: Stop) -> None:
    while stop.reason is None:
        await stop.wait_for(METRICS_SECONDS)
        metrics.flush()
