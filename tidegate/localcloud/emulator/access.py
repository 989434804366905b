"""IAM as AWS evaluates it: policies are read in AWS's words, whoever deployed them.

- Each policy counts with the translation of `iam_translation`.
- Every request counts as sent over TLS, as the emulator speaks plain HTTP.
- A role of a service is assumed by the agent in the service's name: the call has the source that
  ECS would name.
"""

import json
from typing import Any

from ministack import app
from ministack.core import iam_evaluator

from tidegate.localcloud.iam_translation import translate

_parse = iam_evaluator.parse_policy_document
_trusts = iam_evaluator.evaluate_trust_policy
_pin_origin = iam_evaluator.pin_request_origin


def install() -> None:
    """Replace MiniStack's functions."""
    iam_evaluator.parse_policy_document = parse_policy_document
    iam_evaluator.evaluate_trust_policy = evaluate_trust_policy
    app.pin_request_origin = pin_request_origin


def parse_policy_document(document: str | dict[str, Any]) -> list[Any]:
    """Parse a policy and its translation."""
    statements: list[Any] = _parse(document)
    if not statements:
        return statements
    policy = json.loads(document) if isinstance(document, str) else document
    return [*statements, *_parse({"Statement": translate(policy)})]


def evaluate_trust_policy(
    document: str | dict[str, Any],
    caller: str,
    context: Any = None,  # noqa: ANN401 - MiniStack's
) -> bool:
    """Return whether a role may be assumed, by the root user also in ECS's name."""
    if context is not None:
        account = context.principal_account
        context.service_context |= {
            "aws:sourceaccount": account,
            "aws:sourcearn": f"arn:aws:ecs:{context.region}:{account}:task/local-fargate",
        }
    return bool(_trusts(document, caller, context))


def pin_request_origin(address: str, _over_tls: bool) -> None:
    """Remember the caller's address, and a connection by TLS."""
    _pin_origin(address, True)
