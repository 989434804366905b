"""MiniStack with three faults fixed, so that it does as AWS does.

GetObject of a version honours the Range header: MiniStack itself sends the whole version, which a
worker that reads a large file in ranges reports as an error. RunTask honours `clientToken`:
MiniStack itself starts a task at each call, so many files at once would start as many workers.
RunTask also honours `propagateTags`: MiniStack itself gives a task no tag of its definition.
This program runs in the emulator's virtual environment, so it imports nothing of ours.
"""

import json
import threading
from collections.abc import Mapping
from typing import Any

from ministack.app import main  # type: ignore[import-not-found]  # as it is not in this environment
from ministack.core.responses import (  # type: ignore[import-not-found]  # as above
    error_response_json,
)
from ministack.services import ecs, s3  # type: ignore[import-not-found]  # as above

Response = tuple[int, dict[str, str], bytes]
OK, PARTIAL_CONTENT, UNSATISFIABLE = 200, 206, 416

get_object = s3._get_object  # noqa: SLF001 - MiniStack has no public hook


def get_object_range(
    bucket: str, key: str, headers: Mapping[str, str], query: Mapping[str, Any] | None = None
) -> Response:
    """Answer GetObject as MiniStack does, but cut the body to the range that was asked for."""
    response: Response = get_object(bucket, key, headers, query)
    status, response_headers, body = response
    if status != OK or "range" not in headers:
        return response
    bounds = s3._parse_range(headers["range"], len(body))  # noqa: SLF001 - as above
    if bounds is None:
        error: bytes = s3._xml_body(s3._range_error_xml(bucket, key))  # noqa: SLF001 - as above
        return UNSATISFIABLE, {"Content-Type": "application/xml"}, error
    first, last = bounds
    # A checksum is that of the whole object, which a range does not match.
    sent = {
        name: value for name, value in response_headers.items() if "checksum" not in name.lower()
    }
    part = body[first : last + 1]
    sent["Content-Length"] = str(len(part))
    sent["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
    return PARTIAL_CONTENT, sent, part


run_task = ecs._run_task  # noqa: SLF001 - as above
run_task_lock = threading.Lock()
answers: dict[str, tuple[Mapping[str, Any], Response]] = {}  # by client token


def run_task_once(request: Mapping[str, Any]) -> Response:
    """Answer RunTask as MiniStack does, and a call with a known token as the first one."""
    token = request.get("clientToken")
    if token is None:
        return run_tagged_task(request)
    with run_task_lock:
        known, answer = answers.get(token) or (request, run_tagged_task(request))
        answers[token] = known, answer
    if known != request:
        message = "The client token was used with other parameters"
        return error_response_json("ConflictException", message)  # type: ignore[no-any-return]  # as above
    return answer


def run_tagged_task(request: Mapping[str, Any]) -> Response:
    """Answer RunTask as MiniStack does, after the tags that are to be propagated are added."""
    if request.get("propagateTags") == "TASK_DEFINITION":
        named = {"taskDefinition": request["taskDefinition"], "include": ["TAGS"]}
        status, _, body = ecs._describe_task_definition(named)  # noqa: SLF001 - as above
        if status == OK:
            propagated = json.loads(body).get("tags", [])
            request = {**request, "tags": [*propagated, *request.get("tags", [])]}
    return run_task(request)  # type: ignore[no-any-return]  # MiniStack has no types


if __name__ == "__main__":
    ecs._ACTION_MAP["RunTask"] = run_task_once  # noqa: SLF001 - as above
    s3._get_object = get_object_range  # noqa: SLF001 - as above
    main()
