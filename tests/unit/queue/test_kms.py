"""A queue whose messages are encrypted by a KMS key that cannot be used."""

import random
from typing import Any

import pytest

from tests.support.simulation.errors import refused
from tests.support.simulation.queue import DEFAULTS, SimulatedQueue
from tests.support.simulation.sqs import SimulatedSqs
from worker.errors import FatalError, TransientError
from worker.queue.sqs import SqsQueue

KEY = "alias/jobs"


class Encrypted(SimulatedSqs):
    """Answers every receive with one error."""

    code = ""

    async def receive_message(self, **_: object) -> dict[str, Any]:
        raise refused("ReceiveMessage", self.code, "the key cannot be used")


async def queue_with(code: str, **attributes: str) -> SqsQueue:
    sqs: Any = Encrypted(random.Random(0))  # noqa: S311 - a seed
    sqs.code = code
    sqs.queues["q"] = SimulatedQueue("q", DEFAULTS | attributes)
    queue = SqsQueue("q", sqs, sqs)
    await queue.read_attributes()
    return queue


CODES = ["AccessDenied", "Disabled", "InvalidKeyUsage", "InvalidState", "NotFound", "OptInRequired"]
OLDER = [f"KMS.{name}Exception" for name in CODES[:-1]] + ["KMS.OptInRequired"]
NEWER = [f"com.amazonaws.sqs#Kms{name}" for name in CODES]


@pytest.mark.parametrize("code", [*NEWER, *OLDER])
async def test_a_key_that_cannot_be_used_is_fatal_and_the_queues_key_is_named(code: str) -> None:
    queue = await queue_with(code, KmsMasterKeyId=KEY)
    with pytest.raises(FatalError, match=f"its KMS key cannot be used: .*{KEY}.* Next step: "):
        await queue.receive(10, 20)


async def test_what_the_role_lacks_is_named() -> None:
    queue = await queue_with("KmsAccessDenied", KmsMasterKeyId=KEY)
    with pytest.raises(FatalError, match="allow kms:Decrypt and kms:GenerateDataKey on the key"):
        await queue.receive(10, 20)


async def test_without_the_attribute_the_refusal_is_fatal_all_the_same() -> None:
    queue = await queue_with("KmsDisabled")
    with pytest.raises(FatalError, match="the KMS key of the queue or the bucket is disabled"):
        await queue.receive(10, 20)


@pytest.mark.parametrize("code", ["com.amazonaws.sqs#KmsThrottled", "KMS.ThrottlingException"])
async def test_a_throttle_of_kms_passes(code: str) -> None:
    queue = await queue_with(code, KmsMasterKeyId=KEY)
    with pytest.raises(TransientError):
        await queue.receive(10, 20)
