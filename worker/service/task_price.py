"""Fargate's prices in us-east-1, in dollars; docs/costs.md names the page that each is from."""

X86_VCPU_HOUR, X86_GB_HOUR = 0.04048, 0.004445
ARM_VCPU_HOUR, ARM_GB_HOUR = 0.03238, 0.00356
SPOT_SHARE = 0.5  # of the prices above
LEAST_BILLED_SECONDS = 60.0


def compute_hour(vcpus: float, memory_gb: float, *, arm: bool, spot: bool) -> float:
    """Return dollars for a task an hour, without its public address."""
    processor, memory = (ARM_VCPU_HOUR, ARM_GB_HOUR) if arm else (X86_VCPU_HOUR, X86_GB_HOUR)
    return (vcpus * processor + memory_gb * memory) * (SPOT_SHARE if spot else 1)
