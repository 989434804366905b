"""ECS as AWS documents it: a task's start, its end, and the event that its end sends.

- RunTask with a known `clientToken` returns the task that the first call started.
- CloudFormation gives a task definition the stack's tags. RunTask with `propagateTags` gives a task
  the tags of its definition.
- StopTask asks for the end, and the task is stopped once its container has exited.
- SubmitTaskStateChange, with which the agent reports the end, keeps exit codes and reason, and
  sends the `ECS Task State Change` event through the rules of EventBridge.
"""

import json
import threading
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import error_response_json, json_response, new_uuid, now_iso
from ministack.services import ecs, eventbridge
from ministack.services.cloudformation import provisioners

Request = Mapping[str, Any]
Response = tuple[int, dict[str, str], bytes]
EXITED = "Essential container in task exited"

_run_task = ecs._run_task  # noqa: SLF001 - MiniStack has no public hooks
_lock = threading.Lock()
_answers: dict[str, tuple[Request, Response]] = {}  # by client token


def install() -> None:
    """Replace MiniStack's actions."""
    provisioners._STACK_TAG_PROPERTY["AWS::ECS::TaskDefinition"] = ("Tags", "list")  # noqa: SLF001 - as above
    ecs._ACTION_MAP |= {  # noqa: SLF001 - as above
        "RunTask": run_task,
        "StopTask": stop_task,
        "SubmitTaskStateChange": submit_task_state_change,
    }


def run_task(request: Request) -> Response:
    """Start a task; a call with a known token gets the answer of the first one."""
    family = request["taskDefinition"].rpartition("/")[2].partition(":")[0]
    grouped = {"group": f"family:{family}", **request}
    if request.get("propagateTags") == "TASK_DEFINITION":
        grouped["tags"] = [*_tags_of(request["taskDefinition"]), *request.get("tags", [])]
    token = request.get("clientToken")
    if token is None:
        return _run_task(grouped)  # type: ignore[no-any-return]  # MiniStack has no types
    with _lock:
        known, answer = _answers.get(token) or (request, _run_task(grouped))
        _answers[token] = known, answer
    if known != request:
        return _refusal("ConflictException", "The client token was used with other parameters")
    return answer


def _tags_of(task_definition: str) -> list[dict[str, str]]:
    key = ecs._resolve_td_key(task_definition)  # noqa: SLF001 - as above
    arn = ecs._task_defs.get(key, {}).get("taskDefinitionArn")  # noqa: SLF001 - as above
    return ecs._tags.get(arn, [])  # type: ignore[no-any-return]  # noqa: SLF001 - as above


def stop_task(request: Request) -> Response:
    """Ask for a task's end: the agent sees that the task shall stop, and reports when it has."""
    task = _find(request)
    if task is None:
        return _refusal("InvalidParameterException", "The referenced task was not found.")
    with _lock:
        if task["desiredStatus"] != "STOPPED":
            task["desiredStatus"], task["lastStatus"] = "STOPPED", "STOPPING"
            task["stopCode"] = "UserInitiated"
            task["stoppedReason"] = request.get("reason", "Task stopped by user")
            task["stoppingAt"] = now_iso()
    return json_response({"task": ecs._sanitize(task)})  # type: ignore[no-any-return]  # noqa: SLF001 - as above


def submit_task_state_change(request: Request) -> Response:
    """Take the agent's report that a task has ended, once, and send the event."""
    task = _find(request)
    if task is not None and request.get("status") == "STOPPED":
        with _lock:
            ended = task["lastStatus"] != "STOPPED" and _end(task, request)
        if ended:
            _send_event(task)
    return json_response({"acknowledgment": "ACCEPT"})  # type: ignore[no-any-return]  # as above


def _end(task: dict[str, Any], report: Request) -> bool:
    """Mark the task as stopped: by its user, by its container's exit, or as one never started."""
    changes = {change["containerName"]: change for change in report.get("containers", [])}
    for container in task["containers"]:
        change = changes.get(container["name"], {})
        container |= {name: change[name] for name in ("exitCode", "reason") if name in change}
    code, reason = task["stopCode"], task["stoppedReason"]
    if not code:
        exited = any("exitCode" in change for change in changes.values())
        code = "EssentialContainerExited" if exited else "TaskFailedToStart"
        reason = report.get("reason") or EXITED
    task["desiredStatus"] = "RUNNING"  # MiniStack ends no task twice, and judges by this
    ended: bool = ecs._mark_task_stopped(task["taskArn"], task, reason, code)  # noqa: SLF001 - as above
    return ended


def _send_event(task: Mapping[str, Any]) -> None:
    """Send the event past PutEvents, which takes no events in the name of AWS."""
    _, _, _, region, account, _ = task["taskArn"].split(":", 5)
    event = {
        "EventId": new_uuid(),
        "Source": "aws.ecs",
        "DetailType": "ECS Task State Change",
        "Detail": json.dumps(ecs._sanitize(task)),  # noqa: SLF001 - as above
        "EventBusName": "default",
        "Time": task["stoppedAt"],
        "Resources": [task["taskArn"]],
        "Account": account,
        "Region": region,
    }
    eventbridge._dispatch_event(event)  # noqa: SLF001 - as above


def _find(request: Request) -> dict[str, Any] | None:
    cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))  # noqa: SLF001 - as above
    return ecs._resolve_task(request.get("task", ""), cluster)  # type: ignore[no-any-return]  # noqa: SLF001 - as above


def _refusal(code: str, message: str) -> Response:
    return error_response_json(code, message)  # type: ignore[no-any-return]  # as above
