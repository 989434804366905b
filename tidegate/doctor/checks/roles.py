"""The deployed roles against the stack's own template, statement by statement."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from tidegate.aws.errors import found
from tidegate.aws.shown_calls import as_command
from tidegate.doctor.facts import Facts
from tidegate.doctor.finding import Finding, broken, ok, warning


def role(facts: Facts, logical: str) -> Finding:
    """Compare a role's policies with those of the template."""
    iam: Any = facts.client("iam")
    name = facts.resources.get(logical, logical)
    listed = found(lambda: iam.list_role_policies(RoleName=name), "NoSuchEntity")
    if listed is None:
        return broken(f"the role {name} is gone", "Make the stack anew:", *facts.anew)
    should = {
        policy["PolicyName"]: policy["PolicyDocument"]
        for policy in facts.template.properties(logical)["Policies"]
    }
    has = {
        policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in listed["PolicyNames"]
    }
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return (
        _less(name, should, has)
        or _more(name, should, has, {one["PolicyArn"] for one in attached})
        or ok(f"{name} is as in the template")
    )


dispatcher = partial(role, logical="DispatcherRole")
task = partial(role, logical="TaskRole")
execution = partial(role, logical="ExecutionRole")


def _less(name: str, should: Mapping[str, Any], has: Mapping[str, Any]) -> Finding | None:
    """Return the statements that the role lacks or has changed; None if it has all."""
    lacking: list[str] = []
    commands: list[str] = []
    for policy, document in should.items():
        here = _statements(has.get(policy, {"Statement": []}))
        other = [sid for sid, one in _statements(document).items() if here.get(sid) != one]
        if other:
            lacking += other
            put = {"RoleName": name, "PolicyName": policy, "PolicyDocument": json.dumps(document)}
            commands.append(as_command("iam", "PutRolePolicy", put))
    if not lacking:
        return None
    return broken(
        f"{name} lacks the statements {', '.join(lacking)} of the template, or has changed them",
        "docs/roles.md says what each is for. To give them back:",
        *commands,
    )


def _more(
    name: str, should: Mapping[str, Any], has: Mapping[str, Any], attached: set[str]
) -> Finding | None:
    """Return what the role may do beyond the template; None if nothing."""
    found_more = dict(_added(name, should, has))
    for arn in sorted(attached):
        detach = {"RoleName": name, "PolicyArn": arn}
        found_more[arn] = as_command("iam", "DetachRolePolicy", detach)
    if not found_more:
        return None
    return warning(
        f"{name} has more than the template gives: {', '.join(found_more)}",
        "If nobody needs it, take it away:",
        *dict.fromkeys(found_more.values()),
    )


def _added(
    name: str, should: Mapping[str, Any], has: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield each policy and statement that the template does not have, with the command."""
    for policy, document in has.items():
        put = {"RoleName": name, "PolicyName": policy}
        if policy not in should:
            yield f"the policy {policy}", as_command("iam", "DeleteRolePolicy", put)
            continue
        restore = put | {"PolicyDocument": json.dumps(should[policy])}
        for sid in _statements(document).keys() - _statements(should[policy]).keys():
            yield f"the statement {sid}", as_command("iam", "PutRolePolicy", restore)


def _statements(document: Mapping[str, Any]) -> dict[str, object]:
    """Return a policy's statements by their Sid, in a form that can be compared."""
    statements = document["Statement"]
    listed = [statements] if isinstance(statements, Mapping) else statements
    return {str(one.get("Sid", f"number {n}")): _plain(one) for n, one in enumerate(listed, 1)}


def _plain(value: object) -> object:
    """Return a part of a policy without what means the same: order, and lists of one."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return sorted(map(str, value))
    return [str(value)]
