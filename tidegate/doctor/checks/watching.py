"""What tells of a stack while nobody looks: its logs and its alarms."""

from typing import TYPE_CHECKING, Any

from tidegate.aws.shown_calls import as_command
from tidegate.doctor.facts import Facts
from tidegate.doctor.finding import Finding, broken, ok, warning

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_logs import CloudWatchLogsClient


def logs(facts: Facts) -> Finding:
    """Look for both log groups: ECS starts no task whose log group is not there."""
    client: CloudWatchLogsClient = facts.client("logs")
    names = [facts.stack.outputs[f"{one}LogGroup"] for one in ("Dispatcher", "Worker")]
    missing = [
        name
        for name in names
        if name
        not in {
            group.get("logGroupName")
            for group in client.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        }
    ]
    if missing:
        commands = [as_command("logs", "CreateLogGroup", {"logGroupName": one}) for one in missing]
        gone = " and ".join(missing)
        return broken(f"gone: {gone}; no worker starts without its log", "Make it:", *commands)
    return ok(" and ".join(names))


def alarms(facts: Facts) -> Finding:
    """Look for alarms of the stack that are in alarm."""
    cloudwatch: Any = facts.client("cloudwatch")
    own = [alarm for alarm in _alarm_names(facts) if alarm]
    if not own:
        return ok("the stack has none: AlarmEmail or AlarmTopicArn makes them")
    described = cloudwatch.describe_alarms(AlarmNames=own)["MetricAlarms"]
    raised: list[Any] = [one for one in described if one.get("StateValue") == "ALARM"]
    if raised:
        texts = "; ".join(f"{one['AlarmName']}: {one.get('AlarmDescription')}" for one in raised)
        return warning(texts, "The lines below say more")
    return ok(f"none of {len(own)} is raised")


def _alarm_names(facts: Facts) -> list[str]:
    resources = facts.template.body["Resources"]
    return [
        physical
        for logical, physical in facts.resources.items()
        if resources.get(logical, {}).get("Type") == "AWS::CloudWatch::Alarm"
    ]
