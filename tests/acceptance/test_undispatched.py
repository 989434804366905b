"""An event that the dispatcher fails on is kept with its error in a queue of the template."""

import json
from collections.abc import Mapping

from tests.support.waiting import eventually
from tidegate.localcloud.system import System

UNREADABLE = {"source": "aws.ecs", "detail": {"lastStatus": "STOPPED", "clusterArn": 5}}


def test_an_event_that_the_dispatcher_fails_on_is_kept_with_its_error(system: System) -> None:
    sqs, functions = system.cloud.client("sqs"), system.cloud.client("lambda")
    queue = sqs.get_queue_url(QueueName="tidegate-undispatched")["QueueUrl"]

    def kept() -> list[Mapping[str, str]]:
        found = sqs.receive_message(QueueUrl=queue).get("Messages", [])
        return [message for message in found if "clusterArn" in message["Body"]]

    functions.invoke(
        FunctionName=system.stack.dispatcher_function,
        InvocationType="Event",
        Payload=json.dumps(UNREADABLE).encode(),
    )

    (message,) = eventually(kept)
    record = json.loads(message["Body"])
    assert record["requestPayload"] == UNREADABLE
    assert "has no attribute 'rpartition'" in record["responsePayload"]["errorMessage"]
