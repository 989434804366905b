"""Policies in the emulator's words, where its IAM differs from AWS.

- On AWS, `sqs:SendMessage` allows batches too. The emulator wants a separate action for each batch
  call.
- On AWS, a message move task is checked against its dead-letter queue. The emulator does not see
  which queue it is.
- On AWS, the condition `ecs:cluster` limits ECS calls to a cluster. The emulator takes the cluster
  as the resource of every ECS call.
- On AWS, the ARN of a rule on the default event bus does not name the bus. In the emulator it does.

The emulator adds the translation when it evaluates a policy; the deployed policies stay as they
are. Each grant that is added here follows from a grant of the template. A grant that the template
lacks is missing here too.
"""

from collections.abc import Iterator, Mapping
from typing import Any

RULE = ":rule/"
BATCHED = ("sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
MOVES = ("sqs:StartMessageMoveTask", "sqs:ListMessageMoveTasks")


def translate(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the statements that the emulator needs in addition to those of a policy."""
    named = policy.get("Statement", [])
    statements = [named] if isinstance(named, Mapping) else named
    return [added for statement in statements for added in _translate(statement)]


def _translate(statement: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    named = statement.get("Action", [])
    actions = [named] if isinstance(named, str) else named
    if batches := [f"{action}Batch" for action in actions if action in BATCHED]:
        yield {**statement, "Action": batches}
    if moves := [action for action in actions if action in MOVES]:
        yield {**statement, "Action": moves, "Resource": "*"}
    if cluster := statement.get("Condition", {}).get("ArnEquals", {}).get("ecs:cluster"):
        yield {"Effect": statement["Effect"], "Action": actions, "Resource": cluster}
    resource = statement.get("Resource", [])
    resources = [resource] if isinstance(resource, str) else resource
    if rules := [one.replace(RULE, f"{RULE}default/") for one in resources if RULE in one]:
        yield {**statement, "Resource": rules}
