"""Lines of workers as metrics, as CloudWatch makes them of its embedded format."""

import io
import json

from tidegate.localcloud.task_logs import embedded_metrics
from worker.job import Done, S3Uri
from worker.metrics import Metrics


def test_a_workers_line_has_each_of_its_metrics() -> None:
    written = io.StringIO()
    metrics = Metrics("tide-jobs", written)
    metrics.done(Done("predicted", S3Uri("out", "a"), rows=7, seconds=1.5))
    metrics.done(Done("predicted", S3Uri("out", "b"), rows=3, seconds=2))
    metrics.flush()

    ((namespace, found),) = embedded_metrics(written.getvalue())

    assert namespace == "Tidegate"
    assert all(one["Dimensions"] == [{"Name": "Queue", "Value": "tide-jobs"}] for one in found)
    values = [(one["MetricName"], one["Value"]) for one in found]
    assert sorted(values) == [
        ("JobSeconds", 1.5),
        ("JobSeconds", 2.0),
        ("Jobs", 2.0),
        ("Rows", 10.0),
        ("RowsRejected", 0.0),
    ]


def test_other_lines_have_none() -> None:
    for line in ("text", json.dumps({"event": "job done"}), ""):
        assert list(embedded_metrics(line)) == []
