"""Why no connection to AWS comes about, and what to do about it."""

import socket
from collections.abc import Iterator, Mapping
from ssl import SSLCertVerificationError
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from worker.advice.texts import Advice

_UNREACHABLE: dict[type[BaseException], Advice] = {
    socket.gaierror: Advice.NO_NAME,
    ConnectionRefusedError: Advice.NOBODY_LISTENS,
}
_BY_CLASS = {
    ConnectTimeoutError: Advice.NO_ROUTE,
    TimeoutError: Advice.NO_ROUTE,  # the limit of a whole call, with its connecting
    ProxyConnectionError: Advice.PROXY,
    ResponseParserError: Advice.NOT_AWS,
}


def on_connection(error: BaseException | None) -> str | None:
    """Return the cause and the next step for an error of the network; None for any other."""
    known: Mapping[str, Any] = error.kwargs if isinstance(error, BotoCoreError) else {}
    url = urlsplit(str(known.get("endpoint_url", "")))
    advice = _advice(error, url.scheme)
    return advice and advice.fill(host=url.netloc or "AWS", proxy=known.get("proxy_url"))


def _advice(error: BaseException | None, scheme: str) -> Advice | None:
    causes = list(_causes(error))
    if isinstance(error, SSLError):
        untrusted = any(isinstance(cause, SSLCertVerificationError) for cause in causes)
        return Advice.CERTIFICATE if untrusted else Advice.NO_TLS
    if isinstance(error, ConnectionClosedError):
        return Advice.CLOSED if scheme == "http" else None
    if isinstance(error, EndpointConnectionError):
        found = (_UNREACHABLE.get(type(cause)) for cause in causes)
        return next(filter(None, found), Advice.NO_ROUTE)
    return next((advice for kind, advice in _BY_CLASS.items() if isinstance(error, kind)), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error that botocore's error was made of, and what aiohttp's was made of."""
    found = error.kwargs.get("error") if isinstance(error, BotoCoreError) else None
    while isinstance(found, BaseException):
        yield found
        inner = getattr(found, "certificate_error", None) or getattr(found, "os_error", None)
        found = inner or found.__cause__
