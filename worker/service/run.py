"""The service as a whole: what is opened, what runs inside what, and in which order it ends."""

import asyncio
from contextlib import AsyncExitStack, suppress
from functools import partial

import structlog

from worker.jobs.processor import work
from worker.lifecycle.stop import Stop
from worker.lifecycle.supervision import Stopped, background, cancel_on_stop, supervise
from worker.metrics import Metrics
from worker.service.shutdown import Shutdown
from worker.service.startup import open_worker
from worker.service.wiring import Parts
from worker.settings import Settings

log = structlog.get_logger()

METRICS_SECONDS = 60


async def run(settings: Settings, stop: Stop) -> None:
    """Work until a stop is requested, by a signal or by idleness.

    Raises SettingsError, FatalError, or TransientError when the start does not succeed.
    """
    async with AsyncExitStack() as opened:
        with suppress(Stopped):
            async with cancel_on_stop(stop):
                worker = await open_worker(settings, stop, opened)
            await serve(worker, stop, settings.finish_seconds)
        log.info("leaving", reason=stop.reason)


async def serve(worker: Parts, stop: Stop, finish_seconds: float) -> None:
    """Run until stopped; the nesting is the order in which things end, innermost first.

    What is not finished `finish_seconds` after the stop is given back.
    """
    stop.in_hand = worker.leases.message_ids
    try:
        async with (
            worker.leases.kept_alive(),  # heartbeats outlive the drain
            worker.deletes.flushed(),  # after the last settlement
            background("watch", worker.attempts.watched),
        ):
            await _work(worker, stop, finish_seconds)
    finally:
        worker.metrics.flush()
        if orphans := worker.leases.message_ids():
            log.warning("messages left to their visibility timeout", message_ids=orphans)


async def _work(worker: Parts, stop: Stop, finish_seconds: float) -> None:
    clock = asyncio.timeout(None)
    ending = Shutdown(worker, stop, clock)
    try:
        async with clock, asyncio.TaskGroup() as processors:
            for _ in range(worker.processors):
                loop = ending.on_failure_of("processor", partial(_process, worker))
                processors.create_task(loop, name="processor")
            async with asyncio.TaskGroup() as polls:
                polls.create_task(ending.on_stop(finish_seconds), name="stop")
                polls.create_task(_report_metrics(worker.metrics, stop), name="metrics")
                for consumer in worker.consumers:
                    polls.create_task(supervise("poll", consumer.run), name="poll")
            # Not before the last poll has ended, or they come straight back.
            await _release_unstarted(worker)
    except TimeoutError:
        if ending.failure is None:
            log.warning("drain deadline reached", seconds=finish_seconds)
    finally:
        await _release_unstarted(worker, hurry=True)
    if ending.failure is not None:
        raise ending.failure


async def _process(worker: Parts) -> None:
    await work(
        worker.buffer,
        worker.slots,
        leases=worker.leases,
        pipeline=worker.pipeline,
        settling=worker.settling,
        redrive=worker.redrive,
    )


async def _report_metrics(metrics: Metrics, stop: Stop) -> None:
    while stop.reason is None:
        await stop.wait_for(METRICS_SECONDS)
        metrics.flush()


async def _release_unstarted(worker: Parts, *, hurry: bool = False) -> None:
    if unstarted := worker.buffer.take_all():
        await worker.settling.release(unstarted, hurry=hurry)
