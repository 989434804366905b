"""AWS's prices in us-east-1, in dollars, and the pages that quote them.

AWS's own pages load their prices by script, so they could not be read. Each price is quoted by
another page, with that page's date. `verified` is false if no page was found that states the price.
"""

from dataclasses import dataclass

from worker.service import task_cost


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one unit."""

    what: str
    dollars: float
    unit: str
    source: str
    dated: str
    verified: bool = True


VANTAGE = "vantage.sh/blog/fargate-pricing"
CLOUDWATCH = "factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards"
SQS = Price(
    "SQS, standard queue", 0.40e-6, "request", "cloudburn.io/blog/amazon-sqs-pricing", "March 2026"
)
X86 = Price("Fargate, x86, processor", task_cost.X86_VCPU_HOUR, "vCPU-hour", VANTAGE, "undated")
X86_MEMORY = Price("Fargate, x86, memory", task_cost.X86_GB_HOUR, "GB-hour", VANTAGE, "undated")
ARM = Price("Fargate, ARM, processor", task_cost.ARM_VCPU_HOUR, "vCPU-hour", VANTAGE, "undated")
ARM_MEMORY = Price("Fargate, ARM, memory", task_cost.ARM_GB_HOUR, "GB-hour", VANTAGE, "undated")
SPOT = Price(
    "Fargate Spot, share of the price above (50 to 70 % less, it varies)",
    task_cost.SPOT_SHARE,
    "dollar",
    "fortem.dev/fargate-spot",
    "undated",
    verified=False,
)
ADDRESS = Price(
    "public IPv4 address",
    0.005,
    "hour",
    "nwobodo.me/notes/aws-extra-ipv4-cost-per-hour",
    "June 2024",
)
ENDPOINT = Price(
    "interface endpoint of a VPC",
    0.01,
    "hour and zone",
    "awsnegotiations.com/privatelink-cost-analysis.html",
    "May 2026",
)
LAMBDA = "cloudchipr.com/blog/aws-lambda-pricing"
INVOCATION = Price("Lambda, invocation", 0.20e-6, "invocation", LAMBDA, "2024", verified=False)
GB_SECOND = Price("Lambda, ARM, duration", 0.0000133334, "GB-second", LAMBDA, "2024")
S3 = "devnotes.tech/understanding-aws-s3-pricing-a-complete-cost-breakdown-with-examples"
PUT = Price("S3, PUT", 0.005e-3, "request", S3, "undated")
GET = Price("S3, GET", 0.0004e-3, "request", S3, "undated")
LOGS = Price("CloudWatch, logs", 0.50, "GB", CLOUDWATCH, "June 2026")
INSIGHTS = Price(
    "CloudWatch, queries of logs",
    0.005,
    "GB scanned",
    "factualminds.com/blog/aws-observability-finops-cardinality-cost-control",
    "May 2026",
)
METRIC = Price(
    "CloudWatch, custom metric (ten are free)",
    0.30 / 730,
    "hour in which it is sent",
    "signoz.io/guides/cloudwatch-pricing",
    "February 2026",
)
EVENT = Price(
    "EventBridge, custom event",
    1.00e-6,
    "event",
    "cloudburn.io/blog/amazon-eventbridge-pricing",
    "undated",
    verified=False,
)

PRICES = (
    X86,
    X86_MEMORY,
    ARM,
    ARM_MEMORY,
    SPOT,
    ADDRESS,
    ENDPOINT,
    INVOCATION,
    GB_SECOND,
    SQS,
    PUT,
    GET,
    LOGS,
    INSIGHTS,
    METRIC,
    EVENT,
)


def worker_hour(
    vcpus: float, memory_gb: float, *, arm: bool = False, spot: bool = False, address: bool = True
) -> float:
    """Return dollars for a worker an hour; Spot does not make its public address cheaper."""
    compute = task_cost.compute_hour(vcpus, memory_gb, arm=arm, spot=spot)
    return compute + (ADDRESS.dollars if address else 0)
