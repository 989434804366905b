"""The service as a whole: what is opened, what runs inside what, and in which order it ends."""

import asyncio

import structlog

from worker.assembly import Parts, assemble, model_plan
from worker.clock import now
from worker.compute import open_pool
from worker.job import Release
from worker.metrics import Metrics
from worker.model_file import fetched
from worker.processor import work
from worker.queue import QueueFacts
from worker.s3 import open_storage
from worker.settings import Settings
from worker.sqs import open_queue
from worker.stop import Stop

log = structlog.get_logger()

METRICS_SECONDS = 60
LEAST_RECEIVES = 5


async def run(settings: Settings, stop: Stop) -> None:
    """Work until a stop is requested, by a signal or by idleness.

    Raises SettingsError, FatalError, or TransientError when the start does not succeed.
    """
    async with (
        open_queue(
            settings.queue,
            consumers=settings.consumers,
            wait_seconds=settings.wait_seconds,
            visibility_seconds=settings.visibility_seconds,
        ) as queue,
        open_storage(connections=settings.concurrency + 4) as storage,
    ):
        facts = await queue.look()
        _warn_of_redrive(facts)
        settings.lease_times(facts.visibility_seconds)  # before the model: it may take a while
        async with (
            fetched(settings.model, settings.model_sha256, storage) as model,
            open_pool(model_plan(settings, model.path), settings.predict_processes) as pool,
        ):
            worker = assemble(
                settings,
                facts,
                stop=stop,
                queue=queue,
                storage=storage,
                compute=pool,
                model_sha256=model.sha256,
            )
            log.info("ready", queue=facts.name, model=settings.model, model_sha256=model.sha256)
            await serve(worker, stop, settings.finish_seconds)
            log.info("leaving", reason=stop.reason)


async def serve(worker: Parts, stop: Stop, finish_seconds: float) -> None:
    """Run until stopped; the nesting is the order in which things end, innermost first.

    What is not finished `finish_seconds` after the stop is given back.
    """
    try:
        async with (
            worker.leases.kept_alive(),  # heartbeats outlive the drain
            worker.deletes.flushed(),  # after the last settlement
        ):
            try:
                async with asyncio.timeout(None) as drain:
                    async with asyncio.TaskGroup() as processors:
                        _start_processors(processors, worker)
                        async with asyncio.TaskGroup() as polls:
                            polls.create_task(_close_on_stop(worker, stop, drain, finish_seconds))
                            polls.create_task(_report_metrics(worker.metrics, stop))
                            for consumer in worker.consumers:
                                polls.create_task(consumer.run())
                        # Not before the last poll has ended, or they come straight back.
                        await _release_unstarted(worker)
            except TimeoutError:
                log.warning("drain deadline reached", seconds=finish_seconds)
            finally:
                await _release_unstarted(worker)
    finally:
        worker.metrics.flush()


def _start_processors(group: asyncio.TaskGroup, worker: Parts) -> None:
    for _ in range(worker.processors):
        loop = work(
            worker.buffer,
            worker.permits,
            leases=worker.leases,
            pipeline=worker.pipeline,
            settling=worker.settling,
        )
        group.create_task(loop)


async def _close_on_stop(
    worker: Parts, stop: Stop, drain: asyncio.Timeout, finish_seconds: float
) -> None:
    await stop.wait()
    log.info("stopping", reason=stop.reason, in_hand=len(worker.leases))
    drain.reschedule(now() + finish_seconds)
    worker.buffer.close()
    worker.permits.close()
    worker.tide.rising.set()


async def _report_metrics(metrics: Metrics, stop: Stop) -> None:
    while stop.reason is None:
        await stop.wait_for(METRICS_SECONDS)
        metrics.flush()


async def _release_unstarted(worker: Parts) -> None:
    unstarted = worker.buffer.take_all()
    await asyncio.gather(*(worker.settling.settle(message, Release()) for message in unstarted))


def _warn_of_redrive(facts: QueueFacts) -> None:
    if facts.dead_letter_queue is None:
        log.warning("the queue has no dead-letter queue: what fails for good is only reported")
    elif facts.max_receive_count is not None and facts.max_receive_count < LEAST_RECEIVES:
        log.warning(
            "maxReceiveCount is low: every stop of a worker costs the messages in hand a receive",
            max_receive_count=facts.max_receive_count,
            least=LEAST_RECEIVES,
        )
