"""The SDK's HTTP session: two of its faults mended, and its requests open to a watcher."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from aiobotocore.httpsession import AIOHTTPSession
from aiohttp import ClientResponse

# Of a request: aiohttp's response, or what was raised instead of one.
Result = ClientResponse | Exception


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request as the SDK has sent it, and the session of aiohttp that it went through."""

    session: "WatchedSession"
    url: str
    options: Mapping[str, Any]


@dataclass(slots=True)
class SdkCall:
    """A call that the SDK makes: the result that its first request gets, and all its requests."""

    first_result: Result | None
    requests: list[SentRequest] = field(default_factory=list)

    def take_first_result(self) -> Result | None:
        """Return the result for the first request, once."""
        result, self.first_result = self.first_result, None
        return result


class RequestCount:
    """Counts the requests of all sessions, those among them that are sent again."""

    def __init__(self) -> None:
        self.sent = 0


requests = RequestCount()
_watched: ContextVar[SdkCall | None] = ContextVar("_watched", default=None)


@contextmanager
def watched(first_result: Result | None) -> Iterator[SdkCall]:
    """Watch the call that the SDK makes in the block.

    Its first request is not sent if there is a result for it already.
    """
    call = SdkCall(first_result)
    token = _watched.set(call)
    try:
        yield call
    finally:
        _watched.reset(token)
        # The SDK does not take the result if it fails before its first request.
        unused = call.take_first_result()
        if not (unused is None or isinstance(unused, Exception)):
            unused.close()


class HttpSession(AIOHTTPSession):
    """aiobotocore's HTTP session.

    aiohttp would follow redirects by itself, but it cannot send a streamed body again, nor sign.
    Behind a proxy (HTTPS_PROXY), aiobotocore would accept any certificate.
    """

    async def _get_session(self, proxy_url: str | None) -> "WatchedSession":
        return WatchedSession(await super()._get_session(proxy_url))  # type: ignore[misc] # not in the stubs

    def _create_connector(self, _proxy_url: str | None) -> Any:  # noqa: ANN401 - aiohttp's
        return super()._create_connector(None)  # type: ignore[misc] # not in the stubs


class WatchedSession:
    """A session of aiohttp that follows no redirect."""

    def __init__(self, session: Any) -> None:  # noqa: ANN401 - has only `request`
        self._session = session

    async def request(self, method: str, *, url: Any, **options: Any) -> ClientResponse:  # noqa: ANN401
        """Send a request, or take the result that is there for it."""
        if (call := _watched.get()) is not None:
            call.requests.append(SentRequest(self, str(url), options))
            if (result := call.take_first_result()) is not None:
                if isinstance(result, Exception):
                    raise result
                return result
        requests.sent += 1
        response: ClientResponse = await self._session.request(
            method, url=url, allow_redirects=False, **options
        )
        return response
