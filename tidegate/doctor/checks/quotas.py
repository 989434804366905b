"""What the account may run at the same time, against what the stack may ask for."""

from typing import TYPE_CHECKING, Any

from tidegate.aws.errors import found
from tidegate.aws.shown_calls import as_command
from tidegate.doctor.facts import Facts
from tidegate.doctor.finding import Finding, broken, ok, warning

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_lambda import LambdaClient

FARGATE, LAMBDA = "fargate", "lambda"
EXECUTIONS = "L-B99A9384"  # concurrent executions of Lambda
VCPUS = {"FARGATE": "L-3032A538", "FARGATE_SPOT": "L-36FBB829"}  # on-demand and Spot vCPUs
UNITS = 1024  # CPU units of one vCPU


def quotas(facts: Facts) -> Finding:
    """Compare Fargate's vCPUs with MaxTasks, and look for executions left to Lambda."""
    functions: LambdaClient = facts.client("lambda")
    limits = functions.get_account_settings()["AccountLimit"]
    left = limits.get("UnreservedConcurrentExecutions", 1)
    if not left and not facts.stack.parameters.get("DispatcherConcurrency"):
        return broken(
            "other functions have reserved all concurrent executions of Lambda",
            "Reserve less for them, or ask for more:",
            _ask_for(LAMBDA, EXECUTIONS, 1000),
        )
    most = int(facts.stack.parameters["MaxTasks"])
    each = int(facts.stack.parameters["TaskCpu"]) / UNITS
    code = VCPUS[facts.stack.parameters["Capacity"]]
    allowed = _vcpus(facts, code)
    if allowed < most * each:
        return warning(
            f"{most:,} workers (MaxTasks) need {most * each:g} vCPUs of Fargate, and the account"
            f" may have {allowed:g}: {int(allowed // each):,} workers",
            "Files wait longer. To ask for more:",
            _ask_for(FARGATE, code, most * each),
        )
    return ok(f"{most:,} workers need {most * each:g} of {allowed:g} vCPUs of Fargate")


def _ask_for(service: str, code: str, value: float) -> str:
    """Return the command that asks AWS for a larger quota."""
    ask = {"ServiceCode": service, "QuotaCode": code, "DesiredValue": value}
    return as_command("service-quotas", "RequestServiceQuotaIncrease", ask)


def _vcpus(facts: Facts, code: str) -> float:
    """Return the account's quota, or AWS's default if the account has none of its own."""
    client: Any = facts.client("service-quotas")
    quota = {"ServiceCode": FARGATE, "QuotaCode": code}
    own = found(lambda: client.get_service_quota(**quota), "NoSuchResourceException")
    answer = own or client.get_aws_default_service_quota(**quota)
    return float(answer["Quota"]["Value"])
