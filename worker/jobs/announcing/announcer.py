"""The announcer: sends a file's event before its message is deleted."""

import asyncio

import structlog

from worker.clock import now
from worker.errors import TransientError, error_text, stray_cancellations_as_errors
from worker.events.bus import Event
from worker.events.sender import EventSender
from worker.job import Done, Job, Message, Reject, S3Uri
from worker.jobs.announcing import file_events
from worker.storage.protocol import Head, Storage

log = structlog.get_logger()

PATIENCE_SECONDS = 30.0  # for all calls of one event
# A stop cuts a settlement short after 1.5 s. On its last receive a message must not be released.
LAST_PATIENCE_SECONDS = 1.0


class Announcer:
    """Sends the events of files. Without a sender it does nothing.

    An event that the bus does not take makes a TransientError, so that the message comes back and
    the event is sent then. On the last receive it is logged instead: no outage of EventBridge makes
    a dead letter.
    """

    def __init__(
        self, sender: EventSender | None, storage: Storage, *, stack: str, model_sha256: str
    ) -> None:
        self._sender = sender
        self._storage = storage
        self._stack = stack
        self._model_sha256 = model_sha256
        self._groups: set[str] = set()  # of which this worker has sent an event

    async def predicted(self, message: Message, done: Done) -> None:
        """Announce an output; raises TransientError.

        Of a version that is superseded there is no output: the newer version has its own event.
        """
        if self._sender is None or done.status == "superseded":
            return
        job = Job.parse(message.body)
        deadline = _deadline(message)
        metadata = {}
        if done.status == "already done":
            # By this or another worker, before its event: only the output says by which model.
            try:
                head = await self._look_at(done.output, deadline)
            except TransientError as failure:
                if not message.last_receive:
                    raise
                _log_loss(file_events.PREDICTED, message.body, failure)
                return
            if head is None:
                return  # somebody has deleted it meanwhile
            metadata = dict(head.metadata)
        event = file_events.predicted(job, done, metadata, self._stack)
        await self._send(message, event, deadline)

    async def failed(self, message: Message, rejection: Reject, report: S3Uri | None) -> None:
        """Announce a failure, if it is known of which file; raises TransientError."""
        if self._sender is None or rejection.job is None:
            return
        group = file_events.group_of(rejection.job, rejection)
        event = file_events.failed(
            rejection.job,
            rejection,
            report,
            model_sha256=self._model_sha256,
            stack=self._stack,
            first_in_worker=group not in self._groups,
        )
        if await self._send(message, event, _deadline(message)):
            self._groups.add(group)

    async def _look_at(self, output: S3Uri, deadline: float) -> Head | None:
        try:
            with stray_cancellations_as_errors():
                async with asyncio.timeout_at(deadline):
                    return await self._storage.head(output)
        except TimeoutError as error:
            raise TransientError(f"{output} could not be looked at in time") from error

    async def _send(self, message: Message, event: Event, deadline: float) -> bool:
        """Return whether the bus has the event; if not, the loss is logged."""
        assert self._sender is not None
        try:
            with stray_cancellations_as_errors():
                await self._sender.send(event, deadline - now())
        except TransientError as failure:
            if not message.last_receive:
                raise
            _log_loss(event.detail_type, event.detail, failure)
            return False
        return True


def _deadline(message: Message) -> float:
    return now() + (LAST_PATIENCE_SECONDS if message.last_receive else PATIENCE_SECONDS)


def _log_loss(detail_type: str, detail: str, failure: TransientError) -> None:
    log.error("event not sent", detail_type=detail_type, detail=detail, reason=error_text(failure))
