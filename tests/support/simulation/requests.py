"""Validates requests to SQS, before any message is looked at."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.simulation.errors import refused
from tests.support.simulation.queue import LONGEST_SECONDS

PREFIX = "AWS.SimpleQueueService."
ENTRIES = 10
ATTRIBUTES = 10
WAIT_SECONDS = 20
# The characters of XML 1.0: SQS has kept this limit with its JSON protocol.
ALLOWED = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")


def check_message(body: str, attributes: Mapping[str, Any], limit: int) -> None:
    """Raise an error if a message is not allowed, or takes more bytes than the limit."""
    operation = "SendMessage"
    if not body:
        raise refused(operation, "MissingParameter", "The request must contain the MessageBody.")
    if len(attributes) > ATTRIBUTES:
        raise _invalid(operation, f"Number of message attributes [{len(attributes)}] exceeds 10.")
    texts = [attribute["StringValue"] for attribute in attributes.values()]
    if not all(texts):
        raise _invalid(operation, "A message attribute must contain a non-empty value.")
    if not all(ALLOWED.fullmatch(text) for text in [body, *texts]):
        raise refused(operation, "InvalidMessageContents", "Characters outside the allowed set.")
    parts = [body, *texts, *attributes, *(one["DataType"] for one in attributes.values())]
    if sum(len(part.encode()) for part in parts) > limit:
        raise _invalid(operation, f"Message must be shorter than {limit} bytes.")


def check_receive(limit: int, wait_seconds: int, visibility_seconds: int) -> None:
    """Raise an error if a receive's arguments are out of bounds."""
    for name, value, least, most in (
        ("MaxNumberOfMessages", limit, 1, ENTRIES),
        ("WaitTimeSeconds", wait_seconds, 0, WAIT_SECONDS),
        ("VisibilityTimeout", visibility_seconds, 0, LONGEST_SECONDS),
    ):
        if not least <= value <= most:
            raise _invalid("ReceiveMessage", f"{name} must be between {least} and {most}.")


def check_batch(operation: str, entries: Sequence[Mapping[str, Any]]) -> None:
    """Raise an error if a batch is invalid as a whole."""
    ids = [entry["Id"] for entry in entries]
    if not ids:
        raise refused(operation, PREFIX + "EmptyBatchRequest", "There are no entries.")
    if len(ids) > ENTRIES:
        raise refused(operation, PREFIX + "TooManyEntriesInBatchRequest", "At most 10 entries.")
    if not all(re.fullmatch(r"[\w-]{1,80}", name, re.ASCII) for name in ids):
        raise refused(operation, PREFIX + "InvalidBatchEntryId", "Not an entry's id.")
    if len(set(ids)) < len(ids):
        raise refused(operation, PREFIX + "BatchEntryIdsNotDistinct", "An id is repeated.")


def check_visibility(seconds: int, received_at: float, at: float) -> None:
    """Raise an error for an invalid timeout, or one ending over twelve hours after the receive."""
    operation = "ChangeMessageVisibility"
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise _invalid(operation, f"VisibilityTimeout must be between 0 and {LONGEST_SECONDS}.")
    if at + seconds > received_at + LONGEST_SECONDS:
        raise _invalid(
            operation,
            f"Total VisibilityTimeout for the message is beyond the limit [{LONGEST_SECONDS} s].",
        )


def _invalid(operation: str, message: str) -> Exception:
    return refused(operation, "InvalidParameterValue", message)
