"""A backfill of files that were there before, on a running stack: submitted, mended, cancelled."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.screens import too_long
from tests.support.typed import Terminal
from tidegate.localcloud.system import System

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HEADER = b"id,sepal_length,sepal_width,petal_length,petal_width\n"
GOOD = HEADER + b"0150,5.9,3.0,5.1,1.8\n"
BAD = {"old/bad 1.csv": b"id,sepal_length\n0150,5.9\n", "old/bad 2.csv": b"PK\x03\x04" + bytes(99)}
FILES = {f"old/{number}.csv": GOOD for number in range(28)} | BAD


@contextmanager
def without_events(system: System) -> Iterator["S3Client"]:
    """Let files land that nobody is told of: as if they had been there before the stack."""
    s3: S3Client = system.cloud.client("s3")
    bucket = system.stack.input_bucket
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    own = {
        name: value
        for name, value in found.items()
        if name.endswith(("Configurations", "Configuration"))
    }
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    yield s3
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration=own,  # type: ignore[arg-type] # as it was read
    )


def test_old_files_are_predicted_mended_and_a_run_is_cancelled(
    system: System, operator: Terminal, tmp_path: Path
) -> None:
    terminal = operator
    bucket = system.stack.input_bucket
    source = f"s3://{bucket}/old/"
    with without_events(system) as s3:
        for key, content in FILES.items():
            s3.put_object(Bucket=bucket, Key=key, Body=content)

    assert terminal.read("submit", source, "--dry-run")["files"] == len(FILES)
    for columns in (40, 80):
        lines = terminal.screen(columns, "submit", source, "--dry-run")
        assert too_long(lines, columns) == []
        assert any("30 files" in line for line in lines)

    # What can be predicted is, and the two others are told as they fail.
    page = tmp_path / "report.html"
    first = terminal.run("submit", source, "--run", "first", "--wait", "--report", str(page))
    assert first.returncode == 3, first.stderr
    assert '<div class="verdict bad">' in page.read_text()
    assert "2 of 30 files failed" in page.read_text()
    assert "no log line" not in page.read_text()
    # Each of the 28 files has one row, and each line of the log the summary of its predictions.
    assert "<h2>Predictions</h2>" in page.read_text()
    assert "28 predictions" in page.read_text()
    assert "there is no summary" not in page.read_text()
    assert "2 of 30 files failed" in terminal.run("report", "first").stdout
    assert "28 of 30 files" in first.stdout
    assert all(f"{key}: " in first.stderr for key in BAD)
    summary = terminal.read("wait", "first")
    assert (summary["predicted"], summary["failed"]) == (28, 2)
    assert summary["dollars"] > 0
    again = terminal.run("submit", source)
    assert again.returncode == 0
    assert "nothing to do" in again.stderr

    # The two are mended, and nothing else goes.
    with without_events(system) as s3:
        for key in BAD:
            s3.put_object(Bucket=bucket, Key=key, Body=GOOD)
    mended = terminal.read("submit", source, "--wait")
    assert (mended["files"], mended["predicted"]) == (2, 2)

    # Cancelled before a worker starts.
    terminal.pause_now()
    assert terminal.run("submit", source, "--again", "--run", "last").returncode == 0
    status = terminal.run("status")
    assert f"last  {len(FILES)} files" in status.stdout
    assert terminal.run("cancel", "last", "--yes").returncode == 0
    assert terminal.run("resume").returncode == 0
    assert status.stderr.count("$ aws ") <= 14
    for columns in (40, 80):
        lines = terminal.screen(columns, "wait", "last")
        assert too_long(lines, columns) == []
        assert any("cancelled" in line for line in lines)
    assert terminal.read("wait", "last")["cancelled"] == len(FILES)
