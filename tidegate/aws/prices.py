"""AWS's prices in us-east-1, in dollars, and the pages that quote them.

AWS's own pages load their prices by script, so they could not be read. Each price is quoted by
another page, with that page's date. `verified` is false if no page was found that states the price.
"""

from dataclasses import dataclass


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
X86 = Price("Fargate, x86, processor", 0.04048, "vCPU-hour", VANTAGE, "undated")
X86_MEMORY = Price("Fargate, x86, memory", 0.004445, "GB-hour", VANTAGE, "undated")
ARM = Price("Fargate, ARM, processor", 0.03238, "vCPU-hour", VANTAGE, "undated")
ARM_MEMORY = Price("Fargate, ARM, memory", 0.00356, "GB-hour", VANTAGE, "undated")
SPOT = Price(
    "Fargate Spot, share of the price above (50 to 70 % less, it varies)",
    0.5,
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
    METRIC,
    EVENT,
)


def worker_hour(
    vcpus: float, memory_gb: float, *, arm: bool = False, spot: bool = False, address: bool = True
) -> float:
    """Return dollars for a worker an hour; Spot does not make its public address cheaper."""
    processor, memory = (ARM, ARM_MEMORY) if arm else (X86, X86_MEMORY)
    compute = vcpus * processor.dollars + memory_gb * memory.dollars
    return compute * (SPOT.dollars if spot else 1) + (ADDRESS.dollars if address else 0)
