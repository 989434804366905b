"""What SQS's answers say: messages that came whole, and what became of each entry of a batch."""

import hashlib
from typing import TYPE_CHECKING

import structlog

from worker.job import Message
from worker.queue import EntryResult

if TYPE_CHECKING:  # stubs of a development package
    from types_aiobotocore_sqs.type_defs import (
        ChangeMessageVisibilityBatchResultTypeDef,
        DeleteMessageBatchResultTypeDef,
        MessageTypeDef,
    )

log = structlog.get_logger()

HANDLE_REFUSED = frozenset(
    {"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"}
)


def message(found: "MessageTypeDef") -> Message:
    """Read one message of a receive's answer."""
    return Message(
        id=found["MessageId"],
        receipt_handle=found["ReceiptHandle"],
        body=found["Body"],
        receive_count=int(found.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
    )


def is_intact(found: "MessageTypeDef") -> bool:
    """Compare a body with the digest beside it: what was damaged on the way comes again."""
    digest = hashlib.md5(found["Body"].encode(), usedforsecurity=False).hexdigest()
    if found.get("MD5OfBody", digest) == digest:
        return True
    log.warning("message damaged on its way", message_id=found["MessageId"])
    return False


def results(
    count: int,
    answer: "DeleteMessageBatchResultTypeDef | ChangeMessageVisibilityBatchResultTypeDef",
) -> list[EntryResult]:
    """Tell for each entry of a batch what became of it."""
    # What the answer does not name has failed: the SDK takes a garbled answer for an empty one.
    results = [EntryResult.FAILED] * count
    for done in answer.get("Successful", []):
        results[int(done["Id"])] = EntryResult.OK
    for entry in answer.get("Failed", []):
        if entry["Code"].removeprefix("AWS.SimpleQueueService.") in HANDLE_REFUSED:
            results[int(entry["Id"])] = EntryResult.REFUSED
    return results
