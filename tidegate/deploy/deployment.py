"""One deployment, from the first check to the first prediction."""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dispatcher
from tidegate.aws import input_bucket
from tidegate.aws.account import Account
from tidegate.aws.errors import AwsError, found
from tidegate.aws.stack import DeployedStack, describe
from tidegate.deploy import images
from tidegate.deploy.change_set import ChangeSet, ChangeSets
from tidegate.deploy.dispatcher_code import zip_sources
from tidegate.deploy.events import Pause
from tidegate.deploy.model import check_here, download
from tidegate.deploy.plan import MakeBuilder, Plan, Planner
from tidegate.deploy.sample import sample_csv
from tidegate.deploy.screen import Screen
from tidegate.deploy.smoke import Smoke, SmokeTest
from tidegate.deploy.states import States
from tidegate.deploy.template import Template
from tidegate.deploy.wish import Wish
from tidegate.deploy.worker_settings import PARAMETER, parse
from worker.advice.answers import ACCESS_DENIED
from worker.errors import ModelError


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack as it stands after a deployment, and what became of the first file."""

    stack: DeployedStack
    smoke: Smoke | None


@dataclass(frozen=True, slots=True)
class Deployment:
    """Makes or updates one stack."""

    template: Template
    account: Account
    screen: Screen
    pause: Pause
    make_builder: MakeBuilder = images.DockerBuilder

    def run(self, wish: Wish) -> Deployed:
        """Check, build, push, change the stack, and put a file through it.

        An update pushes first, so that its workers find their image. A first deployment pushes
        afterwards, because the stack brings the repository. Raises TidegateError with the next
        step.
        """
        wish.check(self.template)
        stack = States(self.account, self.screen, self.pause).updatable(wish.stack)
        with tempfile.TemporaryDirectory(prefix="tidegate-") as name:
            folder = Path(name)
            context = folder / "context"
            context.mkdir()
            planner = Planner(self.template, self.account, self.screen, context, self.make_builder)
            plan = planner.plan(wish, stack)
            file = self._check_model(wish, plan, folder)
            is_pushed = self._push_before(plan)
            changed = self._change(wish, plan)
            if not is_pushed:
                self._push_after(wish.stack, plan)
            self._wire(plan)
            stack = describe(self.account, wish.stack)
            assert stack is not None
            self.screen.say(f"{wish.stack} is {'deployed' if changed else 'as it was: no changes'}")
            return Deployed(stack, self._smoke(stack, file) if file else None)

    # The model, and the file that goes through at the end

    def _check_model(self, wish: Wish, plan: Plan, folder: Path) -> Path | None:
        """Check the model, and return the file that is to go through the stack, if one is.

        Builds the image first, so that the model is checked by the versions that will predict.
        """
        wants_smoke = not wish.no_smoke and (plan.changes_model_or_image or wish.smoke is not None)
        if not (wants_smoke or wish.model):
            self._build(plan, to_check=False)
            return None
        model = wish.model_file or download(self.account, plan.values["Model"], folder)
        settings = parse(plan.values[PARAMETER])
        in_image = self._build(plan, to_check=True)
        if in_image and plan.builder:
            plan.builder.check_model(model, settings)
            self.screen.say("the model was checked in the image: it can be loaded")
        described = self._check_here(model, settings, wish.smoke, must_work=not in_image, plan=plan)
        if not wants_smoke:
            return None
        if wish.smoke:
            return wish.smoke
        return self._sample(model, settings, described, folder) if described else None

    def _check_here(
        self,
        model: Path,
        settings: Mapping[str, str],
        file: Path | None,
        *,
        must_work: bool,
        plan: Plan,
    ) -> Mapping[str, Any] | None:
        """Check the model by this machine's versions; they decide unless an image did or will."""
        try:
            found = check_here(model, settings, file)
        except ModelError as error:
            if must_work and plan.builder:
                raise
            self.screen.say(f"this machine's versions cannot load the model: {error}")
            return None
        self.screen.say(f"the model was checked by this machine's versions: {_words(found)}")
        return found

    def _sample(
        self, model: Path, settings: Mapping[str, str], found: Mapping[str, Any], folder: Path
    ) -> Path | None:
        """Return a file made from the model's columns, if the model predicts it here."""
        columns = found["model"]["columns"]
        path = folder / "rows.csv"
        if columns:
            path.write_text(sample_csv(columns))
            try:
                trial = check_here(model, settings, path)
            except ModelError:
                trial = {"files": [{"status": "failed"}]}
            if all(file["status"] == "predicted" for file in trial["files"]):
                return path
        self.screen.say("no rows could be made up for this model: --smoke FILE puts a file through")
        return None

    # The image

    def _build(self, plan: Plan, *, to_check: bool) -> bool:
        """Build the image where it is needed; return whether it is on this machine."""
        builder = plan.builder
        if builder is None or (plan.is_pushed and not (to_check and builder.works)):
            return False
        builder.build()
        return True

    def _push_before(self, plan: Plan) -> bool:
        """Push the image where there is a repository already; return whether nothing is left."""
        if plan.builder is None or plan.is_pushed:
            return True
        if plan.repository is None:
            return False
        plan.builder.push(plan.repository)
        return True

    def _push_after(self, name: str, plan: Plan) -> None:
        stack = describe(self.account, name)
        assert stack is not None
        assert plan.builder is not None
        plan.builder.push(stack.outputs["RepositoryUri"])

    # The stack

    def _change(self, wish: Wish, plan: Plan) -> bool:
        """Upload what the stack is made of, and make the change; return whether there was one."""
        url = self._upload(wish, plan)
        if plan.stack is None:
            self._make_service_role()
        sets = ChangeSets(self.account, self.screen, self.pause)
        known = plan.stack.parameters if plan.stack else {}
        kept = known.keys() & self.template.parameters.keys() - plan.parameters.keys()
        change_set = sets.make(
            wish.stack,
            plan.stack,
            url,
            parameters=plan.parameters,
            kept=frozenset(kept),
            tags=plan.tags,
        )
        if change_set is None:
            return False
        if wish.review:
            self._review(sets, change_set)
        ended = sets.execute(change_set)
        if not ended.good:
            raise AwsError(
                f"{wish.stack} is in the state {ended.status}: {ended.first_failure}\n"
                f"Remove the cause, then `tidegate deploy {wish.stack}` again"
                f"{' with the same options' if plan.stack is None else ''}"
            )
        return True

    def _upload(self, wish: Wish, plan: Plan) -> str:
        artifacts = plan.artifacts
        artifacts.require(own=plan.own_artifacts)
        if wish.model_file:
            artifacts.upload(wish.model_file, plan.model_key)
        if plan.source and plan.builder:
            artifacts.put(images.record_key(plan.builder.tag), images.record(plan.source))
        digest, code = zip_sources(Path(dispatcher.__path__[0]))
        code_key = f"dispatcher/{digest}.zip"
        artifacts.put(code_key, code)
        text = self.template.with_code(artifacts.bucket, code_key).encode()
        template_key = f"template/{hashlib.sha256(text).hexdigest()}.json"
        artifacts.put(template_key, text)
        return artifacts.url(template_key)

    def _make_service_role(self) -> None:
        """Make the role of ECS; with an account's first cluster ECS makes it too late for that."""
        client = self.account.client("iam")
        # Who may not make it needs it only if nobody has ever used ECS here: the cluster will tell.
        there = ("InvalidInput", "EntityAlreadyExists", *ACCESS_DENIED)
        found(lambda: client.create_service_linked_role(AWSServiceName="ecs.amazonaws.com"), *there)

    def _review(self, sets: ChangeSets, change_set: ChangeSet) -> None:
        self.screen.show_changes(change_set.changes)
        try:
            self.screen.ask("Make these changes?", "the stack is as it was")
        except BaseException:
            sets.drop(change_set)
            raise

    def _wire(self, plan: Plan) -> None:
        if plan.wiring:
            input_bucket.apply(self.account, plan.wiring)

    def _smoke(self, stack: DeployedStack, file: Path) -> Smoke:
        return SmokeTest(self.account, stack, self.screen, self.pause).run(
            file.name, file.read_bytes()
        )


def _words(found: Mapping[str, Any]) -> str:
    model = found["model"]
    outputs = ", ".join(model["outputs"]) or "its predictions"
    return f"{model['kind']}, {len(model['columns'])} columns in, {outputs} out"
