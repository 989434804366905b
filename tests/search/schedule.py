"""One schedule, played from its seed to its end on a virtual clock."""

import asyncio
import contextlib
import itertools
import json
import random
from collections.abc import Collection, Iterator, MutableMapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn

import structlog
from structlog.contextvars import get_contextvars

from tests.search.checks import Checks
from tests.search.faults import Faults
from tests.search.fleet import Fleet
from tests.search.ledger import Ledger, Request
from tests.search.network import Call, Network
from tests.search.plan import (
    DEAD,
    ENCODINGS,
    INPUT,
    OUTPUT,
    PREFIX,
    QUEUE,
    Plan,
    Upload,
    plan,
)
from tests.search.processes import PROCESS, FleetLoop
from tests.support.simulation.s3 import SimulatedS3
from tests.support.simulation.sqs import SimulatedSqs
from worker.clock import now
from worker.job import MESSAGE_VERSION

# A line that names a message and does not say that the message is left behind.
IN_HAND = frozenset(["call failed, trying again in place", "breaker tripped"])
OMITTED_FIELDS = frozenset(["event", "model_sha256", "exc_info"])
LONGEST_SECONDS = 3600.0  # from the last fault to the end: four times the longest backoff


@dataclass(frozen=True)
class Verdict:
    """The result of a schedule."""

    seed: int
    broken: list[str]
    injected: dict[str, str]
    timeline: list[tuple[float, str, object]]

    def story(self) -> str:
        """Return what happened, line by line."""
        return "\n".join(f"{at:9.3f}  {who:10} {what}" for at, who, what in self.timeline)


def play(seed: int, only: Collection[str] | None = None) -> Verdict:
    """Play a schedule; with `only`, just these of its faults."""
    checks, injected = play_plan(plan(seed), only)
    return Verdict(seed, checks.broken, injected, checks.ledger.timeline)


def play_plan(chosen: Plan, only: Collection[str] | None = None) -> tuple[Checks, dict[str, str]]:
    """Play a plan; returns what the checks recorded, and the faults that were injected."""
    random.seed(chosen.seed)  # the workers' own jitter
    faults = Faults(
        seed=chosen.seed,
        rate=chosen.fault_rate,
        kinds=chosen.fault_kinds,
        fatal=chosen.fatal,
        calm_at=chosen.calm_at,
        outages=chosen.outages,
        apart_rate=chosen.apart_rate,
        apart_kinds=chosen.apart_kinds,
        hanging_starts=chosen.hanging_starts,
        hanging_predictions=chosen.hanging_predictions,
        wrong_guesses=chosen.wrong_guesses,
        only=None if only is None else frozenset(only),
    )
    randomness = random.Random(f"sqs {chosen.seed}")  # noqa: S311 - no secret
    sqs = SimulatedSqs(randomness, chosen.behaviour)
    checks = Checks(chosen, Ledger(), sqs, SimulatedS3(smallest_part=1))
    with _record_logs(checks), asyncio.Runner(loop_factory=FleetLoop) as runner:
        try:
            runner.run(_play(checks, faults))
        except RuntimeError as error:  # the virtual clock's, if nothing is due
            checks.broken.append(f"unbounded wait: {error}")
    return checks, dict(faults.injected)


def judge(seed: int) -> Verdict:
    """Play a schedule, and leave the timeline out of the verdict."""
    return replace(play(seed), timeline=[])


async def _play(checks: Checks, faults: Faults) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: checks.broken.append(f"unhandled: {context}"))
    network = Network(
        faults,
        on_call=checks.on_call,
        on_answer=checks.ledger.on_answer,
        on_end=checks.on_end,
        redeliver=partial(_deliver_again, checks.sqs),
    )
    await _build(checks)
    fleet = Fleet(checks.plan, network, checks)
    async with asyncio.TaskGroup() as group:
        replacement = group.create_task(fleet.keep_running())
        uploads = group.create_task(_upload_files(checks))
        faults_task = group.create_task(fleet.inject_faults())
        cancels = group.create_task(_cancel_runs(checks))
        await asyncio.wait([uploads, faults_task, cancels])
        await _drained(checks)
        replacement.cancel()
        await fleet.stop_all()
    checks.at_end()
    await _wind_up(fleet, network)


async def _build(checks: Checks) -> None:
    plan, sqs, s3 = checks.plan, checks.sqs, checks.s3
    await sqs.create_queue(QueueName=DEAD)
    arn = sqs.queues[DEAD].arn
    attributes = {"VisibilityTimeout": str(plan.visibility_seconds)}
    if plan.max_receive_count is not None:
        policy = {"deadLetterTargetArn": arn, "maxReceiveCount": str(plan.max_receive_count)}
        attributes["RedrivePolicy"] = json.dumps(policy)
    await sqs.create_queue(QueueName=QUEUE, Attributes=attributes)
    for bucket in (INPUT, OUTPUT):
        await s3.create_bucket(Bucket=bucket)
        if plan.versioned:
            await s3.put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
            )
    sqs.on_effect, s3.on_effect = checks.on_sqs, checks.on_s3


async def _upload_files(checks: Checks) -> None:
    sequencers = itertools.count(1)
    for upload in checks.plan.uploads:
        await asyncio.sleep(upload.at - now())
        await _upload_file(checks, upload, f"{next(sequencers):016X}")


async def _cancel_runs(checks: Checks) -> None:
    for cancel in sorted(checks.plan.cancels, key=lambda cancel: cancel.at):
        await asyncio.sleep(cancel.at - now())
        checks.ledger.cancelled_at[cancel.run] = now()
        await checks.s3.put_object(Bucket=OUTPUT, Key=cancel.key, Body=b"")


async def _upload_file(checks: Checks, upload: Upload, sequencer: str) -> None:
    ledger = checks.ledger
    body: dict[str, Any] = {
        "bucket": INPUT, "key": upload.key, "output_bucket": OUTPUT, "output_key": PREFIX,
    }  # fmt: skip
    if upload.kind not in ("missing", "unreadable"):
        ledger.versions[upload.key].append(upload.content)
        ledger.landed[upload.key].append(now())
        put = await checks.s3.put_object(Bucket=INPUT, Key=upload.key, Body=upload.content)
        if upload.detailed:
            etag, version_id = put["ETag"].strip('"'), put.get("VersionId")
            body |= {"etag": etag, "size": len(upload.content), "sequencer": sequencer}
            body |= {"version_id": version_id} if version_id else {}
    version = len(ledger.versions[upload.key]) - 1 if upload.key in ledger.versions else 0
    runs = itertools.cycle(upload.runs)
    for _, run in zip(range(upload.messages), runs, strict=False):
        queue = checks.sqs.queues[QUEUE].url
        text = _message(upload, body, run)
        answer = await checks.sqs.send_message(QueueUrl=queue, MessageBody=text)
        request = Request(upload.key, upload.kind, version, upload.detailed, run, upload.redrives)
        ledger.requests[answer["MessageId"]] = request


def _message(upload: Upload, body: dict[str, Any], run: str | None) -> str:
    """Return the message of a file; the messages of a run have its settings."""
    of_run = {} if run is None else {"run": run, "settings": {"ENCODING": ENCODINGS[run]}}
    body |= {"redrives": upload.redrives} if upload.redrives else {}
    match upload.kind:
        case "unreadable":
            return "{"
        case "refused":
            return json.dumps(body | of_run | {"settings": {"MODEL": "another"}})
        case "later":
            return json.dumps(body | of_run | {"message_version": MESSAGE_VERSION + 1})
    return json.dumps(body | of_run)


def _deliver_again(sqs: SimulatedSqs, call: Call) -> None:
    """Let SQS deliver the message once more that a call is about, while it is in hand."""
    queue = sqs.queues[QUEUE]
    entries = call.arguments.get("Entries", ())
    handles = [entry["ReceiptHandle"] for entry in entries if "ReceiptHandle" in entry]
    ids = [queue.issued[handle] for handle in handles]
    queue.deliver_again(ids[0] if ids else get_contextvars().get("message_id", ""))


async def _drained(checks: Checks) -> None:
    """Wait until the queue is empty, for a limited time."""
    await asyncio.sleep(checks.plan.quiet_at - now())
    end = now() + LONGEST_SECONDS
    while checks.sqs.queues[QUEUE].messages and now() < end:  # noqa: ASYNC110 - virtual
        await asyncio.sleep(1)


async def _wind_up(fleet: Fleet, network: Network) -> None:
    for worker in fleet.workers:
        if not worker.process.alive:
            await asyncio.gather(*worker.process.end_tasks(), return_exceptions=True)
    network.close()
    await asyncio.sleep(0)


@contextlib.contextmanager
def _record_logs(checks: Checks) -> Iterator[None]:
    """Record the workers' logs in the ledger."""

    def record_event(_: object, level: str, event: MutableMapping[str, Any]) -> NoReturn:
        process = PROCESS.get()
        if process is not None and process.alive:
            # Sorted, as the order of context variables is not the same in every process.
            facts = sorted(f"{name}={event[name]}" for name in event if name not in OMITTED_FIELDS)
            line = " ".join([f"{level}: {event['event']}", *facts])
            checks.ledger.note(now(), process.name, line)
            checks.on_log(process, event)
            if level in ("warning", "error") and event["event"] not in IN_HAND:
                named = checks.ledger.records[process.name].logged
                named.update(event.get("message_ids", ()))
                named.update([event["message_id"]] if "message_id" in event else [])
        raise structlog.DropEvent

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, record_event],
        wrapper_class=structlog.make_filtering_bound_logger(0),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
