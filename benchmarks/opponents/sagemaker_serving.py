"""The serving stack of SageMaker's scikit-learn container, fed as Batch Transform feeds it.

In the container gunicorn runs gevent workers, one for each core, and a Flask application answers
/ping and /invocations with the user's functions. Those parts are on PyPI and run here. nginx, which
stands before gunicorn there, is not. The agent that moves objects between S3 and the container is
AWS's own program: threads with boto3 stand for it here, and their CPU time is counted too.
"""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from typing import Any

from benchmarks.opponent_helpers import ThreadedDrain, load_model, predict

SHARE = 0.2  # of the files: others are clearly faster
TRANSFORMS = 2 * (os.cpu_count() or 1)  # MaxConcurrentTransforms
START_SECONDS = 120
CSV = {"Content-Type": "text/csv", "Accept": "text/csv"}


def make_app() -> Any:  # noqa: ANN401 - Flask is imported in gunicorn's processes only
    """Make the application of one gunicorn worker, with the model loaded."""
    import flask  # noqa: PLC0415 - as above

    app, model = flask.Flask(__name__), load_model()

    @app.get("/ping")
    def ping() -> str:
        return "\n"

    @app.post("/invocations")
    def invocations() -> Any:  # noqa: ANN401 - as above
        return flask.Response(predict(model, flask.request.data), mimetype="text/csv")

    return app


class Container:
    """The container's server, called by the threads of the agent."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._local = threading.local()

    def transform(self, body: bytes) -> bytes:
        """Send an object's content, and return the answer."""
        return self.call("POST", "/invocations", body)

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Call the server on this thread's connection; raises RuntimeError if it refuses."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port)
            self._local.connection = connection
        connection.request(method, path, body, CSV)
        answer = connection.getresponse()
        content: bytes = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"the container answered {answer.status}: {content[:1000]!r}")
        return content

    def wait(self, server: subprocess.Popen[bytes]) -> None:
        """Ping the server until it answers; raises OSError if it has ended or after two minutes."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.call("GET", "/ping")
            except OSError:
                self._local = threading.local()
                if server.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return


def main() -> int:
    """Start the container's server, and drain the queue through it."""
    port = _free_port()
    with subprocess.Popen(_gunicorn(port)) as server:  # noqa: S603 - our own arguments
        try:
            container = Container(port)
            container.wait(server)
            ThreadedDrain(container.transform, TRANSFORMS).run()
        finally:
            server.terminate()
    return 0


def _gunicorn(port: int) -> list[str]:
    workers = str(os.cpu_count() or 1)
    return [
        *(sys.executable, "-m", "gunicorn", "-k", "gevent", "-w", workers),
        *("--bind", f"127.0.0.1:{port}", "--timeout", "60", "--log-level", "warning"),
        f"{__spec__.name}:make_app()",
    ]


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
