"""The workers: how the last one ended, and whether the next one takes its settings."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from tidegate.aws.errors import found
from tidegate.deploy.worker_settings import PARAMETER, validate
from tidegate.doctor.checks.queues import logs_of
from tidegate.doctor.facts import Facts
from tidegate.doctor.finding import Finding, broken, duration, ok
from worker.errors import SettingsError

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import TaskTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient

# How a task ends that neither the worker nor its start has failed.
GOOD_ENDS = {"SpotInterruption", "TerminationNotice", "UserInitiated", "ServiceSchedulerInitiated"}
LONGEST_LINE = 400  # characters of a log line


def workers(facts: Facts) -> Finding:
    """Count the running workers, and look at how the last stopped one ended (ECS keeps an hour)."""
    ecs: ECSClient = facts.client("ecs")
    cluster, name = facts.stack.outputs["Cluster"], facts.stack.name
    if facts.task_definition["status"] != "ACTIVE":
        return broken(
            f"{facts.task_definition['taskDefinitionArn']} is deregistered: no worker can start",
            "A changed parameter makes another revision:",
            f"tidegate deploy {name} --parameter IdleSeconds=SECONDS",
        )
    listed = found(lambda: _list(ecs, cluster, f"{name}-worker"), "ClusterNotFoundException")
    if listed is None:
        return broken(f"the cluster {cluster} is gone", "Make it anew:", *facts.anew)
    running = f"{len(listed['RUNNING']):,} running"
    if not listed["STOPPED"]:
        return ok(f"{running}; none has stopped in the last hour")
    tasks = ecs.describe_tasks(cluster=cluster, tasks=listed["STOPPED"][:100])["tasks"]
    newest = max(tasks, key=lambda task: task.get("stoppedAt", datetime.min.replace(tzinfo=UTC)))
    if reason := _bad_end(newest):
        return broken(
            f"{running}; the last one ended {_ago(newest)}: {reason}{_last_words(facts, newest)}",
            "Only the sweep starts one more every five minutes until one ends well. Its log:",
            logs_of(facts),
        )
    return ok(f"{running}; the last one ended well {_ago(newest)}")


def _list(ecs: "ECSClient", cluster: str, family: str) -> dict[str, list[str]]:
    """Return the ARNs of the running tasks, and of the stopped ones."""
    statuses: tuple[Literal["RUNNING"], Literal["STOPPED"]] = ("RUNNING", "STOPPED")
    return {
        status: ecs.list_tasks(cluster=cluster, family=family, desiredStatus=status)["taskArns"]
        for status in statuses
    }


def _bad_end(task: "TaskTypeDef") -> str:
    """Return why the task ended badly; empty if it ended well."""
    if task.get("stopCode") in GOOD_ENDS:
        return ""
    containers = task.get("containers", [])
    codes = [one["exitCode"] for one in containers if "exitCode" in one]
    if codes and not any(codes):
        return ""
    own = [one["reason"] for one in containers if one.get("reason")]
    said = [f"exit code {code}" for code in codes] + own + [task.get("stoppedReason", "")]
    return ", ".join(dict.fromkeys(filter(None, said)))


def _ago(task: "TaskTypeDef") -> str:
    stopped = task.get("stoppedAt")
    return f"{duration((datetime.now(UTC) - stopped).total_seconds())} ago" if stopped else ""


def _last_words(facts: Facts, task: "TaskTypeDef") -> str:
    """Return the last line that the worker logged; empty if it never started."""
    logs: CloudWatchLogsClient = facts.client("logs")
    answer = found(
        lambda: logs.get_log_events(
            logGroupName=facts.stack.outputs["WorkerLogGroup"],
            logStreamName=f"worker/worker/{task['taskArn'].rpartition('/')[2]}",
            limit=1,
            startFromHead=False,
        ),
        "ResourceNotFoundException",
    )
    lines = [event["message"].strip() for event in answer["events"]] if answer else []
    return f". Its last line: {lines[-1][:LONGEST_LINE]}" if lines else ""


def settings(facts: Facts) -> Finding:
    """Read the workers' settings as a worker reads them at its start."""
    try:
        validate(facts.stack.parameters)
    except SettingsError as error:
        return broken(
            f"a worker refuses to start: {error}",
            "Set each one right:",
            f"tidegate deploy {facts.stack.name} --set NAME=VALUE",
        )
    together = facts.stack.parameters.get(PARAMETER, "")
    return ok(f"a worker takes them{f': {together}' if together else ''}")
