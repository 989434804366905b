"""Starts that are refused, as a person sees them: one readable line, and no traceback."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.support.scenario import REGION, ROOT, Ended, Endpoint

# Nothing listens on the first port of a machine.
NOWHERE = "http://127.0.0.1:1"
HEAVY = {"aioboto3", "botocore", "pandas", "pyarrow", "sklearn", "joblib"}

# Stands in for the first of the libraries: the forkserver waits there for its end.
FORKSERVER_WAITS = """
import signal
import sys

if sys.argv[0] == "-c":
    signal.pause()
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"never loaded")
    return path


def environment(model: Path, **changes: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": NOWHERE,
        "WORKER_QUEUE": "jobs",
        "WORKER_MODEL": str(model),
        "WORKER_PREDICT_PROCESSES": "1",
        "WORKER_LOG_FORMAT": "json",
        **changes,
    }


def start(variables: dict[str, str], *options: str) -> Ended:
    ended = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, *options, "-m", "worker"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(ended.returncode, ended.stderr)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"AWS_REGION": f"{REGION}\n"}, "AWS_REGION: the value holds a line end"),
        ({"AWS_REGION": "no region"}, "AWS_REGION: "),
        ({"AWS_ENDPOINT_URL": "localhost:4566"}, "AWS_ENDPOINT_URL: "),
        ({"AWS_CA_BUNDLE": "/no/such.pem"}, "AWS_CA_BUNDLE: /no/such.pem cannot be used"),
        ({"AWS_CA_BUNDLE": __file__}, "the file holds no certificate in PEM"),
        ({"AWS_PROFILE": "nobody"}, "AWS_PROFILE: "),
        ({"AWS_CONFIG_FILE": __file__}, "the AWS settings: Unable to parse config file"),
        ({"TMPDIR": "/no/such/folder"}, "TMPDIR: /no/such/folder is no folder"),
        (
            {"WORKER_QUEUE": "arn:aws:sqs:us-west-2:123456789012:jobs"},
            "WORKER_QUEUE: the queue is in the region us-west-2",
        ),
        (
            {"WORKER_QUEUE": "http://localhost:4566/000000000000/jobs", "AWS_ENDPOINT_URL": ""},
            "WORKER_QUEUE: the queue is at localhost, but requests go to AWS",
        ),
        ({"WORKER_MODEL": "m.pkl\n"}, "WORKER_MODEL: the value holds a line end"),
        ({"WORKER_MODEL": "", "WORKER_MODLE": "m.pkl"}, "WORKER_MODEL is required"),
    ],
    ids=str,
)
def test_a_wrong_setting_ends_the_start_with_status_2_and_one_line(
    model: Path, changes: dict[str, str], words: str
) -> None:
    ended = start({k: v for k, v in environment(model, **changes).items() if v})
    assert ended.status == 2, ended.stderr
    error, *_, advice = ended.stderr.splitlines()
    assert error.startswith("error: ")
    assert words in error
    assert advice.startswith("help: ")
    assert ended.stderr.count("error: ") == 1
    assert "Traceback" not in ended.stderr


def test_a_misspelt_variable_is_named_where_the_right_one_is_missing(model: Path) -> None:
    variables = environment(model)
    variables["WORKER_MODLE"] = variables.pop("WORKER_MODEL")
    ended = start(variables)
    assert "WORKER_MODLE is set, which is no setting: did you mean WORKER_MODEL?" in ended.stderr


@contextmanager
def answering(status: int, page: bytes) -> Iterator[str]:
    """Serve one page for every request, at the URL that is the value."""

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def refusal(ended: Ended) -> str:
    """Return the error of a worker that has logged nothing but its failure."""
    assert ended.status == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    (line,) = ended.events
    assert line["event"] == "worker failed"
    assert "exception" not in line
    return str(line["error"])


@pytest.mark.parametrize("status", [200, 403])
def test_an_endpoint_that_answers_with_a_page_is_no_aws(model: Path, status: int) -> None:
    with answering(status, b"<!DOCTYPE html><html><body>Please log in</body></html>") as url:
        error = refusal(start(environment(model, AWS_ENDPOINT_URL=url)))
    assert "what answered is not AWS" in error
    assert "Next step: check AWS_ENDPOINT_URL and HTTPS_PROXY" in error
    assert "<html>" not in error


def test_an_endpoint_that_speaks_plain_http_is_said_to_speak_no_tls(model: Path) -> None:
    with answering(400, b"no") as url:
        secure = url.replace("http://", "https://")
        error = refusal(start(environment(model, AWS_ENDPOINT_URL=secure)))
    assert "does not speak TLS" in error
    assert "Next step: if it speaks plain HTTP, write http:// in AWS_ENDPOINT_URL" in error


def test_an_endpoint_at_which_nothing_listens_is_named(model: Path) -> None:
    error = refusal(start(environment(model)))
    assert "Cause: nothing listens at 127.0.0.1:1. Next step: check AWS_ENDPOINT_URL" in error


def test_a_proxy_that_refuses_is_named(model: Path) -> None:
    variables = environment(model, AWS_ENDPOINT_URL="", HTTPS_PROXY=NOWHERE)
    error = refusal(start({name: value for name, value in variables.items() if value}))
    assert f"Cause: the proxy {NOWHERE} refused" in error
    assert "Next step: check HTTPS_PROXY" in error


def test_without_credentials_the_next_step_is_named(model: Path) -> None:
    variables = environment(model)
    del variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]
    error = refusal(start(variables))
    assert "no usable AWS credentials" in error
    assert "Next step: give the task a role" in error


def test_at_the_limit_of_processes_the_start_says_so(model: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import _posixsubprocess, errno\n"
        "def refuse(*_):\n"
        "    raise BlockingIOError(errno.EAGAIN, 'Resource temporarily unavailable')\n"
        "_posixsubprocess.fork_exec = refuse\n"
    )
    error = refusal(start(environment(model, PYTHONPATH=str(tmp_path))))
    assert "Cause: the limit on processes and threads is reached" in error


async def test_a_process_that_dies_while_it_loads_the_model_is_said_to_lack_memory(
    endpoint: Endpoint, model: Path
) -> None:
    (model.parent / "dying.py").write_text(
        "import os, signal\n\ndef factory(path):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = await endpoint.worker(
        PYTHONPATH=str(model.parent),
        WORKER_MODEL=str(model),
        WORKER_PREDICTOR="dying:factory",
    )
    assert ended.status == 1
    assert "Traceback" not in ended.stderr
    (line,) = ended.said("worker failed")
    assert "of memory are too little for 1 processes" in str(line["error"])
    assert "Next step: give the task more memory" in str(line["error"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"WORKER_MODEL": "nothing.pkl"}, "the model nothing.pkl does not exist"),
        ({"WORKER_MODEL": "{folder}"}, "is a folder"),
        ({"WORKER_MODEL": "{folder}/model.h5"}, "the suffix must be one of"),
        ({"WORKER_MODEL": "s3://models/model.h5"}, "the suffix must be one of"),
        ({"WORKER_PREDICTOR": "nowhere:factory"}, "there is no module nowhere"),
        ({"WORKER_PREDICTOR": "no colon"}, "must be package.module:factory"),
    ],
    ids=str,
)
def test_a_bad_model_or_factory_is_refused_before_the_worker_imports_anything_large(
    model: Path, changes: dict[str, str], words: str
) -> None:
    """The forkserver, which is importing already, ends with the worker: it holds standard error."""
    model.with_suffix(".h5").touch()
    for library in ("numpy", "pyarrow"):
        (model.parent / f"{library}.py").write_text(FORKSERVER_WAITS)
    filled = {name: value.format(folder=model.parent) for name, value in changes.items()}
    ended = start(environment(model, **filled, PYTHONPATH=str(model.parent)), "-X", "importtime")
    assert ended.status in (1, 2)
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    timed = [line for line in ended.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip() for line in timed}
    assert "worker.settings" in imported
    assert imported & HEAVY == set()
