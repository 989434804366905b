"""Draws the fault of each call, and the error that AWS returns for it."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from tests.waking.scheduler import START, Scheduler

T = TypeVar("T")

Kind = Literal[
    "throttled", "error before", "error after", "timeout before", "timeout after", "unreachable",
    "slow request", "slow send", "slow answer", "declined", "partly refused",
]  # fmt: skip
EVERYWHERE: tuple[Kind, ...] = (
    "throttled", "error before", "error after", "timeout before", "timeout after", "unreachable",
    "slow request", "slow send", "slow answer", "declined", "partly refused",
)  # fmt: skip
ONLY_OF: dict[Kind, str] = {
    "declined": "RunTask",
    "partly refused": "SendMessageBatch",
    "slow send": "SendMessageBatch",
}
ENDPOINT = "https://aws.test"
TIMEOUT_SECONDS = 10.0
SLOW_SECONDS = (1.0, 8.0)
SLOW_WAYS: dict[Kind | None, tuple[float, float]] = {
    None: (0.01, 0.2),
    "slow request": SLOW_SECONDS,
    "slow send": (8.0, 30.0),  # with retries, two of which timed out
}

THROTTLES = (
    ("ThrottlingException", "Rate exceeded"),
    ("InvalidParameterException", "Rate exceeded"),
    ("ClientException", "Rate exceeded"),
    ("RequestLimitExceeded", "Request limit exceeded."),
    ("TooManyRequestsException", ""),
)
ERRORS = (("ServerException", "Service Unavailable. Please try again later."), ("Unavailable", ""))


def client_error(operation: str, code: str, message: str = "", status: int = 400) -> ClientError:
    """Return an error as boto3 raises it."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status, "RequestId": "", "HostId": "", "HTTPHeaders": {},
                "RetryAttempts": 2,
            },
        },
        operation,
    )  # fmt: skip


@dataclass
class Calls:
    """Carries each call of the function to AWS and back, with its fault."""

    scheduler: Scheduler
    draw: random.Random
    rate: float
    kinds: tuple[Kind, ...]
    calm_at: float
    failed: Callable[[str], None]
    refuses: Callable[[str, float], bool]
    counted: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)

    def make(self, operation: str, effect: Callable[[Kind | None], T]) -> T:
        """Send a request, apply its effect, and return the answer or raise the fault's error."""
        invocation = self.scheduler.current
        assert invocation is not None
        invocation.calls.append(operation)
        self.counted[operation] += 1
        kind = self._fate(operation)
        self.scheduler.note(invocation.name, f"{operation}{f' ({kind})' if kind else ''}")
        self.scheduler.sleep(self.draw.uniform(*SLOW_WAYS.get(kind, SLOW_WAYS[None])))
        if self.refuses(operation, self.scheduler.now - START):
            self.failed(f"{operation} refused")
            self.injected["refused"] += 1
            raise client_error(operation, "AccessDeniedException", "not authorized")
        if kind in ("throttled", "error before", "timeout before", "unreachable"):
            raise self._error(operation, kind)
        answer = effect(kind)
        if kind == "slow answer":  # the next request's time includes that of other answers
            self.scheduler.sleep(self.draw.uniform(*SLOW_SECONDS))
        if kind in ("error after", "timeout after"):
            raise self._error(operation, kind)
        return answer

    def _fate(self, operation: str) -> Kind | None:
        if self.draw.random() >= self.rate or self.scheduler.now >= self.calm_at:
            return None
        kind = self.draw.choice(self.kinds)
        if ONLY_OF.get(kind, operation) != operation:
            return None
        self.injected[kind] += 1
        return kind

    def _error(self, operation: str, kind: Kind) -> Exception:
        self.failed(f"{operation} {kind}")
        if kind.startswith("timeout"):
            self.scheduler.sleep(TIMEOUT_SECONDS)
            return ReadTimeoutError(endpoint_url=ENDPOINT)
        if kind == "unreachable":
            return EndpointConnectionError(endpoint_url=ENDPOINT)
        if kind == "throttled":
            return client_error(operation, *self.draw.choice(THROTTLES))
        return client_error(operation, *self.draw.choice(ERRORS), status=503)
