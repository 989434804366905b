"""The network between simulated processes and simulated services, and its faults."""

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from aiohttp import ClientPayloadError
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from tests.search.faults import Fate, Faults
from tests.search.processes import PROCESS, Process
from tests.support.simulation.s3 import SimulatedBody
from worker.clock import now

Answer = dict[str, Any]  # shaped by botocore's models

URL = "https://simulated"
CODES = {
    "throttled": ("RequestThrottled", "ThrottlingException", "SlowDown", "RequestLimitExceeded"),
    "conflict": ("ConditionalRequestConflict",),
    "denied": ("AccessDenied",),
    "expired": ("ExpiredToken",),
}
OVERLOADED = ("ServiceUnavailable", "InternalError", "RequestTimeout", "")  # "": no answer


@dataclass(frozen=True, slots=True)
class Call:
    """One request; its client times out after `seconds`."""

    process: Process
    caller: str
    operation: str
    arguments: Mapping[str, Any]
    seconds: float
    fate: Fate

    def error(self, codes: tuple[str, ...], pick: float) -> Exception:
        code = codes[int(pick * len(codes))]
        if not code:
            return EndpointConnectionError(endpoint_url=URL)
        return ClientError({"Error": {"Code": code, "Message": "injected"}}, self.operation)


CALL: ContextVar[Call] = ContextVar("CALL")  # the call that a service carries out


class Interrupted(Exception):
    """The client's call ends in a CancelledError that nobody requested."""


@dataclass
class Network:
    """Carries calls: `on_call` is called with each, `on_answer` with each answered in time.

    `on_end` is called with each call and when it began, `redeliver` with each call whose message
    SQS is to deliver again.
    """

    faults: Faults
    on_call: Callable[[Call], None]
    on_answer: Callable[[Call, Answer], None]
    on_end: Callable[[Call, float], None]
    redeliver: Callable[[Call], None]
    _outside: Context = field(default_factory=copy_context)
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def carry(self, call: Call, service: object) -> Answer:
        """Carry a request to its service; returns the answer unless the client times out before."""
        if not call.process.alive:
            raise call.error(("",), 0)
        loop = asyncio.get_running_loop()
        began = now()
        self.on_call(call)
        if call.fate.redelivers:
            self.redeliver(call)
        reply: asyncio.Future[Answer] = loop.create_future()
        # A request that was sent takes effect even if its process ends.
        task = loop.create_task(self._deliver(call, service, reply), context=self._serving(call))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        seconds = math.inf if call.fate.kind in ("deaf", "silence") else call.seconds
        timer = loop.call_later(seconds, _time_out, reply)
        try:
            answer = await reply
        finally:
            timer.cancel()
            self.on_end(call, began)
        self.on_answer(call, answer)
        return answer

    def close(self) -> None:
        """Cancel the requests under way."""
        for task in self._under_way:
            task.cancel()

    def _serving(self, call: Call) -> Context:
        context = self._outside.copy()
        context.run(CALL.set, call)
        return context

    async def _deliver(self, call: Call, service: object, reply: asyncio.Future[Answer]) -> None:
        try:
            answer = await _answered(call, service)
        except Interrupted:
            reply.cancel()
            return
        except Exception as error:  # noqa: BLE001 - raised in the client
            if not reply.done():
                reply.set_exception(error)
            return
        if call.fate.kind not in ("hangs after", "deaf") and not reply.done():
            reply.set_result(answer)


async def _answered(call: Call, service: object) -> Answer:
    """Carry a call to the service and its answer back, with its fault."""
    fate = call.fate
    await asyncio.sleep(fate.out)
    match fate.kind:
        case "throttled" | "conflict" | "denied" | "expired":
            raise call.error(CODES[fate.kind], fate.pick)
        case "error before":
            raise call.error(OVERLOADED, fate.pick)
        case "hangs" | "silence":
            await asyncio.Event().wait()
        case "interrupted" if fate.pick < 0.5:
            raise Interrupted
    serve = partial(getattr(service, call.operation), **call.arguments)
    if fate.kind == "repeated":  # the client lost the first answer, and repeated the call
        with suppress(ClientError):
            await serve()
    answer: Answer = await serve()
    await asyncio.sleep(fate.back)
    match fate.kind:
        case "error after":
            raise call.error(OVERLOADED, fate.pick)
        case "interrupted":
            raise Interrupted
        case "body cut":
            answer["Body"] = _CutBody(answer["Body"], fate.pick)
    return answer


def _time_out(reply: asyncio.Future[Answer]) -> None:
    if not reply.done():
        reply.set_exception(ReadTimeoutError(endpoint_url=URL))


class _CutBody:
    """A body whose connection breaks, or that ends early without an error."""

    def __init__(self, body: SimulatedBody, pick: float) -> None:
        self._body = body
        self._pick = pick

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._body.close()

    async def read(self, n: int = -1) -> bytes:
        chunk = await self._body.read(n)
        if self._pick < 0.5:
            raise ClientPayloadError("Response payload is not completed")
        return chunk[: len(chunk) // 2]


class SimulatedClient:
    """A process's client of a service: each operation goes over the network."""

    def __init__(self, network: Network, service: object, seconds: float) -> None:
        self._network = network
        self._service = service
        self._seconds = seconds

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return partial(self._call, operation)

    async def _call(self, operation: str, **arguments: Any) -> Answer:  # noqa: ANN401 - botocore's
        process, task = PROCESS.get(), asyncio.current_task()
        assert process is not None
        assert task is not None
        seconds = self._seconds + float(arguments.get("WaitTimeSeconds", 0))
        fate = self._network.faults.fate(process.name, operation, now())
        call = Call(process, task.get_name(), operation, arguments, seconds, fate)
        return await self._network.carry(call, self._service)
