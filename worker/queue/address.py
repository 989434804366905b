"""The address of a queue: its name, URL or ARN, and the region that it names."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from worker.advice.texts import Advice
from worker.errors import SettingsError

VARIABLE = "WORKER_QUEUE"

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ARN = re.compile(r"arn:[\w-]+:(?P<service>[\w-]+):(?P<region>[\w-]*):\d*:(?P<name>.*)")
_REGION = r"([a-z]{2,}(?:-[a-z]+)+-\d+)"
# sqs.REGION.amazonaws.com, also behind a VPC endpoint; or the older REGION.queue.amazonaws.com.
_REGION_IN_HOST = re.compile(
    rf"(?:^|\.)sqs(?:-fips)?\.{_REGION}\.|^{_REGION}\.queue\.amazonaws\.com"
)
_OF_AWS = re.compile(r"\.(?:amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)$")


@dataclass(frozen=True, slots=True)
class QueueAddress:
    """What the text of an address says; None where it says nothing."""

    name: str
    region: str | None = None
    host: str | None = None


def parse(address: str) -> QueueAddress:
    """Parse a name, URL or ARN of a queue; raises SettingsError."""
    if address.startswith(("https://", "http://")):
        host = _host(address)
        found = QueueAddress(address.rpartition("/")[2], _region_of(host), host)
    elif address.startswith("arn:"):
        arn = _ARN.fullmatch(address)
        if arn is None or arn["service"] != "sqs":
            raise SettingsError(f"{VARIABLE}: this is no ARN of a queue (it is {address!r})")
        found = QueueAddress(arn["name"], arn["region"] or None)
    else:
        found = QueueAddress(address)
    if not _NAME.fullmatch(found.name):
        raise SettingsError(
            f"{VARIABLE}: must be a queue's URL, ARN or name, which has up to 80 letters, digits, "
            f"- and _ (it is {address!r})"
        )
    return found


def check_address(address: str, region: str, endpoint: str) -> None:
    """Raise SettingsError if requests to this endpoint, for this region, cannot reach the queue."""
    queue = parse(address)
    if queue.region is not None and queue.region != region:
        text = Advice.QUEUE_REGION.fill_setting(queue_region=queue.region, region=region)
        raise SettingsError(f"{VARIABLE}: {text} (it is {address!r})")
    elsewhere = queue.host is not None and not _OF_AWS.search(queue.host)
    asked = _host(endpoint)
    if elsewhere and _OF_AWS.search(asked):
        text = Advice.QUEUE_ENDPOINT.fill_setting(host=queue.host, endpoint=asked)
        raise SettingsError(f"{VARIABLE}: {text} (it is {address!r})")


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        raise SettingsError(f"{VARIABLE}: this is no URL of a queue (it is {url!r})") from None


def _region_of(host: str) -> str | None:
    if not _OF_AWS.search(host):
        return None
    if host == "queue.amazonaws.com":
        return "us-east-1"
    found = _REGION_IN_HOST.search(host)
    return (found[1] or found[2]) if found else None
