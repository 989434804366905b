"""The examination of a stack: all checks at once, and what becomes of a check that AWS refuses."""

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError

from tidegate.aws.account import Account
from tidegate.aws.errors import CredentialsError, explained
from tidegate.aws.stack import DeployedStack
from tidegate.doctor.checks import (
    buckets,
    dispatching,
    image,
    model,
    network,
    queues,
    quotas,
    reconciling,
    roles,
    stack_state,
    watching,
    workers,
)
from tidegate.doctor.facts import Facts
from tidegate.doctor.finding import Finding, Verdict, unknown
from worker.advice.answers import ACCESS_DENIED
from worker.aws.errors import error_code
from worker.errors import TidegateError

Check = Callable[[Facts], Finding]
AT_ONCE = 16
# In the order in which somebody on call asks: what is seen, then the way of a file, then the rest.
CHECKS: Mapping[str, Check] = {
    "alarms": watching.alarms,
    "queue": queues.jobs,
    "dead letters": queues.dead_letters,
    "undispatched": queues.undispatched,
    "workers": workers.workers,
    "input": buckets.input_bucket,
    "output": buckets.output_bucket,
    "dispatcher": dispatching.function,
    "sweep": dispatching.sweep,
    "task stopped": dispatching.task_stopped,
    "reconcile": reconciling.reconcile,
    "image": image.image,
    "model": model.model,
    "settings": workers.settings,
    "network": network.network,
    "quotas": quotas.quotas,
    "dispatcher role": roles.dispatcher,
    "task role": roles.task,
    "execution role": roles.execution,
    "logs": watching.logs,
}
SERVICES = (
    *("cloudformation", "cloudwatch", "ec2", "ecr", "ecs", "events", "iam", "lambda", "logs"),
    *("s3", "service-quotas", "sqs", "sts"),
)
# The permission of an operation, where AWS does not name it and it is not the operation's name.
_PERMISSIONS = {
    "GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
}
_NOT_AUTHORIZED = re.compile(r"is not authorized to perform: (?P<action>[\w-]+:\w+)")


def examine(account: Account, stack: DeployedStack) -> dict[str, Finding]:
    """Return what each check found, in the order of CHECKS after the stack's own state.

    A stack that is not made, or half, has nothing else to look at. Raises AwsError if the stack is
    not one of Tidegate, CredentialsError if AWS does not know the caller any more.
    """
    stack_state.require_ours(stack)
    state = stack_state.state(account, stack)
    if not stack_state.is_made(stack):
        return {"stack": state}
    for service in SERVICES:
        account.client(service)  # a session makes one client at a time
    with ThreadPoolExecutor(AT_ONCE) as pool:
        facts = Facts(account, stack, pool)
        asked = {name: pool.submit(_ask, check, facts) for name, check in CHECKS.items()}
        return {"stack": state} | {name: one.result() for name, one in asked.items()}


def _ask(check: Check, facts: Facts) -> Finding:
    """Return what the check finds, or that AWS could not be asked."""
    try:
        return check(facts)
    except TidegateError as error:
        return unknown(f"could not be compared: {error}", "Look at it in the AWS console")
    except (ClientError, BotoCoreError, OSError) as error:
        cause = explained(error)
        if isinstance(cause, CredentialsError):
            raise cause from error
        return could_not_ask(error)


def could_not_ask(error: Exception) -> Finding:
    """Return that AWS refused a question; that is never said of what the question was about."""
    if isinstance(error, ClientError) and error_code(error) in ACCESS_DENIED:
        action = _action(error)
        return unknown(f"could not ask: {action} is denied", f"Allow {action} to your own role")
    text = _words(error) if isinstance(error, ClientError) else str(error)
    return unknown(f"could not ask: {text}", "Nothing is known of it: try again")


def _words(error: ClientError) -> str:
    """Return the operation with the code and the message, of which an emulator may have none."""
    message = error.response.get("Error", {}).get("Message", "")
    return ": ".join(filter(None, (error.operation_name, error_code(error), message)))


def _action(error: ClientError) -> str:
    if named := _NOT_AUTHORIZED.search(str(error)):
        return named["action"]
    return _PERMISSIONS.get(error.operation_name, error.operation_name)


def worst(findings: Mapping[str, Finding]) -> Verdict:
    """Return the worst verdict."""
    order = (Verdict.OK, Verdict.UNKNOWN, Verdict.WARNING, Verdict.BROKEN)
    return max((finding.verdict for finding in findings.values()), key=order.index)
