"""Lines of workers as metrics, as CloudWatch makes them of its embedded format."""

import io
import json

from tidegate.localcloud.task_logs import embedded_metrics
from worker.job import Done, S3Uri
from worker.metrics import Metrics


async def test_the_metrics_of_a_workers_line_are_those_that_it_names() -> None:
    written = io.StringIO()
    metrics = Metrics("tide", written)
    metrics.done(
        Done("predicted", S3Uri("out", "a"), rows=7, seconds=1.5), sent=None, settle_seconds=0
    )
    metrics.lease_lost()
    metrics.flush()

    ((namespace, (found,)),) = embedded_metrics(written.getvalue())

    assert namespace == "Tidegate"
    assert found == {
        "MetricName": "LeasesLost",
        "Unit": "Count",
        "Dimensions": [{"Name": "Stack", "Value": "tide"}],
        "Value": 1.0,
    }


def test_other_lines_have_none() -> None:
    for line in ("text", json.dumps({"event": "job done"}), ""):
        assert list(embedded_metrics(line)) == []
