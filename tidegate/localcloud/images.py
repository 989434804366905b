"""Images of the local cloud: ECR's names for a Python and the settings that an image would bring.

There is no container engine here. What stands for an image is its manifest in ECR, with a Python
and variables as annotations. So each revision of a task definition runs what its own image's tag
names, and a task whose image is not there cannot start.
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from botocore.exceptions import ClientError

from worker.errors import TidegateError

MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
PYTHON, ENVIRONMENT = "tidegate.python", "tidegate.environment"
_IN_ECR = re.compile(r"\d{12}\.dkr\.ecr\.[^/]+/(?P<repository>[^:@]+):(?P<tag>.+)")


class CannotPullContainer(TidegateError):
    """The image is not in its repository, or may not be read."""


@dataclass(frozen=True, slots=True)
class Image:
    """What an image brings to `python -m worker`; the default is this checkout's own."""

    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def manifest(self) -> str:
        """Return the manifest that stands for the image."""
        annotations = {PYTHON: self.python, ENVIRONMENT: json.dumps(dict(self.environment))}
        manifest = {"schemaVersion": 2, "mediaType": MEDIA_TYPE, "annotations": annotations}
        return json.dumps(manifest, sort_keys=True)

    @classmethod
    def of(cls, manifest: str) -> Self:
        """Read a manifest; one without these annotations stands for this checkout's worker."""
        found = json.loads(manifest).get("annotations", {})
        return cls(found.get(PYTHON, sys.executable), json.loads(found.get(ENVIRONMENT, "{}")))


def push(ecr: Any, repository: str, tag: str, image: Image) -> None:  # noqa: ANN401 (its stubs are not among ours)
    """Put the image into a repository of the local cloud."""
    ecr.put_image(
        repositoryName=repository,
        imageTag=tag,
        imageManifest=image.manifest,
        imageManifestMediaType=MEDIA_TYPE,
    )


def pull(ecr: Any, name: str) -> Image:  # noqa: ANN401 (as above)
    """Return the image of that name; raises CannotPullContainer, in the words of Fargate.

    An image elsewhere than in ECR is out of reach: this checkout's worker stands for it.
    """
    known = _IN_ECR.fullmatch(name)
    if known is None:
        return Image()
    wanted = {"imageTag": known["tag"]}
    try:
        found = ecr.batch_get_image(repositoryName=known["repository"], imageIds=[wanted])
    except ClientError as error:
        raise CannotPullContainer(f"CannotPullContainerError: {error}") from None
    if not found["images"]:
        raise CannotPullContainer(
            "CannotPullContainerError: pull image manifest has been retried 1 time(s):"
            f" failed to resolve ref {name}: {name}: not found"
        )
    return Image.of(found["images"][0]["imageManifest"])
