"""ECS's metadata endpoint: tells each task its size, and since when it is billed.

Only `/task` is answered, with the fields that a worker reads.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_ecs.type_defs import TaskDefinitionTypeDef


class TaskMetadata:
    """The answers by task, and the address at which they are given."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._answers: dict[str, bytes] = {}

    def add(self, task_id: str, definition: "TaskDefinitionTypeDef") -> str:
        """Answer for a task whose image is pulled from now on; returns the task's own address."""
        path = f"/v4/{task_id}-1"
        answer: dict[str, object] = {
            "PullStartedAt": datetime.now(UTC).isoformat(),
            "LaunchType": "FARGATE",
        }
        if "cpu" in definition and "memory" in definition:
            cpu, memory = int(definition["cpu"]), int(definition["memory"])
            answer["Limits"] = {"CPU": cpu / 1024, "Memory": memory}
        self._answers[f"{path}/task"] = json.dumps(answer).encode()
        return f"http://127.0.0.1:{self._port}{path}"

    def answer(self, path: str) -> bytes | None:
        """Return the answer for a path; None if there is none."""
        return self._answers.get(path)


@contextmanager
def task_metadata() -> Iterator[TaskMetadata]:
    """Answer on a port of this machine for the length of the block."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = metadata.answer(self.path)
            self.send_response(HTTPStatus.NOT_FOUND if answer is None else HTTPStatus.OK)
            self.end_headers()
            self.wfile.write(answer or b"")

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        metadata = TaskMetadata(server.server_port)
        threading.Thread(target=server.serve_forever, name="task-metadata", daemon=True).start()
        try:
            yield metadata
        finally:
            server.shutdown()
