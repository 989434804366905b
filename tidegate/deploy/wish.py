"""What the user asks of a deployment, and what follows for the template's parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.aws.stack import DeployedStack
from tidegate.deploy.cloudformation.template import Template
from tidegate.deploy.images import is_plain
from tidegate.deploy.names import check_name
from tidegate.deploy.worker_settings import PARAMETER, merge
from tidegate.image.source import ImageSource
from worker.errors import SettingsError

S3 = "s3://"


@dataclass(frozen=True, slots=True)
class Wish:
    """The options of `tidegate deploy`."""

    stack: str
    model: str | None = None  # a file or s3://bucket/key
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    image: ImageSource = field(default_factory=ImageSource)
    build: bool = False  # in place of an image of the user's own too
    artifact_bucket: str | None = None
    review: bool = False
    smoke: Path | None = None
    no_smoke: bool = False

    @property
    def model_file(self) -> Path | None:
        """Return the model if it is a file."""
        return Path(self.model) if self.model and not self.model.startswith(S3) else None

    def check(self, template: Template) -> None:
        """Raise SettingsError for whatever is wrong without a look at the account."""
        check_name(self.stack)
        template.check(self.parameters)
        merge(self.parameters.get(PARAMETER, ""), self.settings, self.unset)
        if self.model_file and not self.model_file.is_file():
            raise SettingsError(f"there is no file {self.model_file}: --model FILE or s3://…")
        if self.model and (twice := {"Model", "ModelSha256"} & self.parameters.keys()):
            raise SettingsError(f"--model sets the parameter {min(twice)}: give one of them")
        is_built = self.build or not is_plain(self.image)
        if is_built and (self.parameters.get("Image") or "ImageTag" in self.parameters):
            raise SettingsError("an image that you name is not built: name it, or have one built")

    def given(self, stack: DeployedStack | None) -> dict[str, str]:
        """Return the parameters that are set, those of a model and a built image not included."""
        current = stack.parameters if stack else {}
        given = dict(self.parameters)
        if self.settings or self.unset:
            text = given.get(PARAMETER, current.get(PARAMETER, ""))
            given[PARAMETER] = merge(text, self.settings, self.unset)
        return given
