"""The workers' image: there, and built for the processor that the task has."""

import json
import re
import urllib.request
from collections.abc import Mapping
from typing import Any

from tidegate.aws.errors import found
from tidegate.doctor.facts import Facts
from tidegate.doctor.finding import Finding, broken, ok, unknown

_IN_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>\S+))?"
)
LISTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}  # ECS's names, and those of images
SECONDS = 10


def image(facts: Facts) -> Finding:
    """Look for the image that the task definition names, and for its architecture."""
    name = facts.container["image"]
    named = _IN_ECR.fullmatch(name)
    if named is None:
        return unknown(
            f"{name} is in no registry of AWS, and is not looked at",
            "Pull it from another machine; a worker that cannot pull it is shown under `workers`",
        )
    if named["region"] != facts.account.region:
        return unknown(f"{name} is in {named['region']}", f"Ask with AWS_REGION={named['region']}")
    answer = _batch_get(facts, named)
    if answer is None:
        return _missing(facts, f"{name}: the repository is gone")
    if not answer["images"]:
        return _missing(facts, f"{name} is not there")
    return _architecture(facts, name, named, json.loads(answer["images"][0]["imageManifest"]))


def _missing(facts: Facts, what: str) -> Finding:
    return broken(
        f"{what}: no worker can start",
        "Build it, push it and name it:",
        f"tidegate deploy {facts.stack.name}",
    )


def _batch_get(facts: Facts, named: re.Match[str]) -> Mapping[str, Any] | None:
    ecr: Any = facts.client("ecr")
    wanted: Any = (
        {"imageDigest": named["digest"]}
        if named["digest"]
        else {"imageTag": named["tag"] or "latest"}
    )
    answer: Mapping[str, Any] | None = found(
        lambda: ecr.batch_get_image(
            registryId=named["account"],
            repositoryName=named["repository"],
            imageIds=[wanted],
            acceptedMediaTypes=[*LISTS, *MANIFESTS],
        ),
        "RepositoryNotFoundException",
    )
    return answer


def _architecture(
    facts: Facts, name: str, named: re.Match[str], manifest: Mapping[str, Any]
) -> Finding:
    platform = facts.task_definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
    has = _architectures(facts, named, manifest)
    if not has:
        return ok(f"{name} is there; its manifest does not say for which processor")
    if ARCHITECTURES[platform] not in has:
        return broken(
            f"{name} is for {' and '.join(sorted(has))}, and the tasks are {platform}",
            "Every worker ends with `exec format error`. Build it for the tasks:",
            f"tidegate deploy {facts.stack.name} --architecture {platform}",
        )
    return ok(f"{name} is there, for {platform}")


def _architectures(facts: Facts, named: re.Match[str], manifest: Mapping[str, Any]) -> set[str]:
    """Return the architectures of a list of images, or that of one image by its configuration."""
    if "manifests" in manifest:
        platforms = [one.get("platform", {}) for one in manifest["manifests"]]
        return {one["architecture"] for one in platforms if one.get("os") == "linux"}
    if "config" not in manifest:
        return set()
    ecr: Any = facts.client("ecr")
    url = ecr.get_download_url_for_layer(
        registryId=named["account"],
        repositoryName=named["repository"],
        layerDigest=manifest["config"]["digest"],
    )["downloadUrl"]
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 - ECR's own address
        return {json.load(answer)["architecture"]}
