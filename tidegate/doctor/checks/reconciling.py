"""The nightly reconcile: whether it is on, and whether its rule is."""

from typing import TYPE_CHECKING

from tidegate.aws.errors import found
from tidegate.aws.shown_calls import as_command
from tidegate.doctor.facts import Facts
from tidegate.doctor.finding import Finding, ok, warning

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_events import EventBridgeClient

WITHOUT = "nobody looks for files whose events were lost"


def reconcile(facts: Facts) -> Finding:
    """Look at the rule that begins each night's reconcile, if the stack has one."""
    if facts.stack.parameters.get("Reconcile") != "NIGHTLY":
        return ok("off: a file whose event is lost waits until somebody submits it")
    events: EventBridgeClient = facts.client("events")
    name = facts.resources.get("ReconcileDue", "ReconcileDue")
    described = found(lambda: events.describe_rule(Name=name), "ResourceNotFoundException")
    if described is None:
        return warning(f"the rule {name} is gone: {WITHOUT}", "Make it anew:", *facts.anew)
    if described["State"] != "ENABLED":
        enable = as_command("events", "EnableRule", {"Name": name})
        return warning(f"the rule {name} is disabled: {WITHOUT}", "To mend it:", enable)
    return ok(f"every night, by the rule {name}")
