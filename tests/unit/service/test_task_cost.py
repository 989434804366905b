"""What a task costs: by what ECS says of it, and else unknown."""

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import StreamRequestHandler, TCPServer
from threading import Thread

import pytest

from worker.service.identity import METADATA_VARIABLE
from worker.service.task_cost import CAPACITY_VARIABLE, FargateTask, cost_fields

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
# As the documentation of the endpoint has it, with nanoseconds.
ANSWER = {
    "Cluster": "tide",
    "Limits": {"CPU": 1, "Memory": 4096},
    "PullStartedAt": "2026-11-28T11:00:00.123456789Z",
    "LaunchType": "FARGATE",
}


@contextmanager
def answering(body: str, status: HTTPStatus = HTTPStatus.OK) -> Iterator[dict[str, str]]:
    """Answer one request as ECS would; yields the environment of a task."""
    asked: list[str] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        yield {METADATA_VARIABLE: f"http://127.0.0.1:{server.server_port}/v4/0-1"}
        thread.join()
    assert asked == ["/v4/0-1/task"]


def task(*, arm: bool = False, capacity: str = "FARGATE") -> FargateTask:
    return FargateTask(1, 4, NOW - timedelta(hours=1), arm, capacity)


@pytest.mark.parametrize(
    ("found", "dollars"),
    [
        (task(), 0.04048 + 4 * 0.004445),
        (task(arm=True), 0.03238 + 4 * 0.00356),
        (task(capacity="FARGATE_SPOT"), (0.04048 + 4 * 0.004445) / 2),
        (task(capacity=""), 0.04048 + 4 * 0.004445),
    ],
    ids=["x86", "ARM", "Spot", "not known"],
)
def test_an_hour_costs_its_processor_and_its_memory(found: FargateTask, dollars: float) -> None:
    fields = found.cost_fields(NOW)

    assert fields["dollars"] == pytest.approx(dollars)
    assert (fields["billed_seconds"], fields["vcpus"], fields["memory_gb"]) == (3600, 1, 4)
    assert fields["capacity"] == found.capacity or found.capacity == ""


def test_a_minute_is_billed_at_least() -> None:
    short = FargateTask(1, 4, NOW - timedelta(seconds=5), arm=False, capacity="FARGATE")

    assert short.cost_fields(NOW)["billed_seconds"] == 60


def test_a_task_is_billed_from_the_pull_of_its_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    found = FargateTask.parse(json.dumps(ANSWER).encode(), "FARGATE_SPOT")

    assert found == FargateTask(
        1,
        4,
        datetime(2026, 11, 28, 11, 0, 0, 123456, tzinfo=UTC),
        arm=True,
        capacity="FARGATE_SPOT",
    )


def test_ecs_is_asked_for_the_task_and_the_template_for_its_capacity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # which nobody serves
    since = datetime.now(UTC) - timedelta(hours=2)
    with answering(json.dumps(ANSWER | {"PullStartedAt": since.isoformat()})) as environment:
        fields = cost_fields(environment | {CAPACITY_VARIABLE: "FARGATE_SPOT"})

    assert fields["capacity"] == "FARGATE_SPOT"
    assert fields["billed_seconds"] == pytest.approx(7200, abs=600)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", HTTPStatus.NOT_FOUND),
        ("no JSON", HTTPStatus.OK),
        ("[]", HTTPStatus.OK),
        ("{}", HTTPStatus.OK),
        (json.dumps(ANSWER | {"Limits": None}), HTTPStatus.OK),
        (json.dumps(ANSWER | {"PullStartedAt": "yesterday"}), HTTPStatus.OK),
    ],
)
def test_without_an_answer_of_use_the_cost_is_unknown(body: str, status: HTTPStatus) -> None:
    with answering(body, status) as environment:
        assert cost_fields(environment) == {"dollars": "unknown"}


def test_what_is_no_http_leaves_the_cost_unknown() -> None:
    class Talk(StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(b"no HTTP\r\n\r\n")

    with TCPServer(("127.0.0.1", 0), Talk) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}/v4/0-1"
        assert cost_fields({METADATA_VARIABLE: address}) == {"dollars": "unknown"}
        thread.join()


def test_a_time_without_a_zone_is_a_time() -> None:
    answer = json.dumps(ANSWER | {"PullStartedAt": "2026-11-28T11:00:00"}).encode()

    assert FargateTask.parse(answer, "").cost_fields(NOW)["dollars"]


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:9/v4/0-1", "nonsense"])
def test_off_ecs_the_cost_is_unknown(address: str) -> None:
    assert cost_fields({METADATA_VARIABLE: address}) == {"dollars": "unknown"}
    assert cost_fields({}) == {"dollars": "unknown"}
