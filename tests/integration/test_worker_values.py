"""WORKER_REPORT_VALUES through a worker process: report, dead letter and log of a bad file."""

from pathlib import Path

import pytest

from tests.support.scenario import Endpoint

PREDICTOR = """
import logging
import warnings

import pandas as pd


class Talkative:
    def predict(self, frame):
        cells = frame.iloc[:, 0].tolist()
        if cells:
            warnings.warn(f"unknown {cells}")
            logging.getLogger("library").warning("never seen: %s", cells)
            try:
                {}[cells[0]]
            except KeyError as error:
                raise ValueError(f"could not convert {cells}") from error
        return pd.DataFrame({"prediction": range(len(frame))})


def factory(path):
    return Talkative()
"""
VALUE = "Zq17"


async def said_of_a_bad_file(endpoint: Endpoint, folder: Path, **settings: str) -> list[str]:
    """Return the report, the attributes of the dead letter, and the log."""
    (folder / "talkative.py").write_text(PREDICTOR)
    (folder / "model.bin").write_bytes(b"\0")
    endpoint.submit("a.csv", f"id,x\n1,{VALUE}\n2,{VALUE}\n".encode())
    ended = await endpoint.worker(
        PYTHONPATH=str(folder),
        WORKER_MODEL=str(folder / "model.bin"),
        WORKER_PREDICTOR="talkative:factory",
        **settings,
    )
    assert ended.status == 0, ended.stderr
    (dead,) = endpoint.sqs.receive_message(
        QueueUrl=endpoint.dead, MessageAttributeNames=["All"], MaxNumberOfMessages=10
    )["Messages"]
    report = endpoint.get("p/_failed/a.csv.json").decode()
    return [report, str(dead["MessageAttributes"]), ended.stderr]


async def test_values_are_shown_by_default(endpoint: Endpoint, tmp_path: Path) -> None:
    for text in await said_of_a_bad_file(endpoint, tmp_path):
        assert VALUE in text


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_no_value_is_reported_or_logged_where_values_are_masked(
    endpoint: Endpoint, tmp_path: Path, log_format: str
) -> None:
    report, attributes, log = await said_of_a_bad_file(
        endpoint, tmp_path, WORKER_REPORT_VALUES="mask", WORKER_LOG_FORMAT=log_format
    )
    for text in (report, attributes, log):
        assert VALUE not in text
    assert "the model raised ValueError" in report
    assert "the model raised ValueError" in attributes
    assert "library: ***" in log
    assert "py.warnings: ***" in log
