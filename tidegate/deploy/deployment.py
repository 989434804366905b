"""One deployment, from the first check to the first prediction."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

import dispatcher
import notifier
import reconciler
from tidegate.aws import input_bucket
from tidegate.aws.account import Account
from tidegate.aws.errors import AwsError, found
from tidegate.aws.stack import DeployedStack, describe
from tidegate.deploy import images
from tidegate.deploy.cloudformation.change_set import ChangeSet, ChangeSets
from tidegate.deploy.cloudformation.deletion import delete_stack
from tidegate.deploy.cloudformation.events import Pause
from tidegate.deploy.cloudformation.states import States
from tidegate.deploy.cloudformation.template import Template
from tidegate.deploy.function_code import zip_sources
from tidegate.deploy.plan import MakeBuilder, Plan, Planner, becomes_job
from tidegate.deploy.proof.model import CheckHere, ModelCheck, check_here, download
from tidegate.deploy.proof.smoke import Smoke, SmokeTest
from tidegate.deploy.screen import Screen
from tidegate.deploy.wish import Wish
from tidegate.deploy.worker_settings import PARAMETER, parse
from tidegate.offline.baseline import SUFFIX, NoBaseline, read_baseline
from worker.advice.answers import ACCESS_DENIED

# Each is a resource of the template under its own name.
FUNCTIONS = (dispatcher, notifier, reconciler)


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
    check: CheckHere = check_here

    def run(self, wish: Wish) -> Deployed:
        """Check, build, push, change the stack, and put a file through it.

        An update pushes first, so that its workers find their image. A first deployment pushes
        afterwards, because the stack brings the repository. Raises TidegateError with the next
        step.
        """
        wish.check(self.template)
        states = States(self.account, self.screen, self.pause)
        stack, remains = states.for_update(wish.stack)
        with tempfile.TemporaryDirectory(prefix="tidegate-") as name:
            folder = Path(name)
            context = folder / "context"
            context.mkdir()
            planner = Planner(self.template, self.account, self.screen, context, self.make_builder)
            plan = planner.plan(wish, stack)
            file = self._check_model(wish, plan, folder)
            is_pushed = self._push_before(plan)
            if remains:
                delete_stack(self.account, remains, screen=self.screen, pause=self.pause)
            changed = self._change(wish, plan)
            if not is_pushed:
                self._push_after(wish.stack, plan)
            self._wire(plan)
            done = self._described(wish.stack)
            self.screen.say(f"{wish.stack} is {'deployed' if changed else 'as it was: no changes'}")
            return Deployed(done, self._smoke(done, file) if file else None)

    def _described(self, name: str) -> DeployedStack:
        stack = describe(self.account, name)
        assert stack is not None
        return stack

    def _check_model(self, wish: Wish, plan: Plan, folder: Path) -> Path | None:
        """Check the model, and return the file that is to go through the stack, if one is.

        Builds the image first, so that the model is checked by the versions that will predict.
        """
        wants_file = not wish.no_smoke and (plan.changes_model_or_image or wish.smoke is not None)
        model = wish.model_file
        if model is None and (wants_file or {"Model", "ModelSha256"} & plan.parameters.keys()):
            model = download(self.account, plan.values["Model"], folder, self.screen)
        if model is None:
            self._build(plan, to_check=False)
            return wish.smoke
        check = ModelCheck(model, parse(plan.values[PARAMETER]), self.screen, self.check)
        is_built = self._build(plan, to_check=True)
        if is_built and plan.builder:
            check.in_image(plan.builder)
        must_load = plan.builder is not None and not is_built
        found = check.by_this_machine(wish.smoke, must_load=must_load)
        if not wants_file:
            return None
        made_up = folder / "rows.csv"
        known = found if becomes_job(made_up.name, plan.values) else None
        return wish.smoke or check.made_up_file(known, made_up)

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
        assert plan.builder is not None
        plan.builder.push(self._described(name).outputs["RepositoryUri"])

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
            self._upload_baseline(wish.model_file, plan)
        if plan.source and plan.builder:
            artifacts.put(images.record_key(plan.builder.tag), images.record(plan.source))
        keys = {}
        for function in FUNCTIONS:
            name = function.__name__
            digest, code = zip_sources(Path(function.__path__[0]))
            keys[name.capitalize()] = f"{name}/{digest}.zip"
            artifacts.put(f"{name}/{digest}.zip", code)
        text = self.template.with_code(artifacts.bucket, keys).encode()
        template_key = f"template/{hashlib.sha256(text).hexdigest()}.json"
        artifacts.put(template_key, text)
        return artifacts.url(template_key)

    def _upload_baseline(self, model: Path, plan: Plan) -> None:
        """Upload the baseline beside the model; a deployment does not fail for want of one."""
        try:
            content = read_baseline(model, plan.values["ModelSha256"])
        except (NoBaseline, OSError) as error:
            self.screen.say(f"the baseline is left out: {error}")
            return
        if content is not None:
            plan.artifacts.put(plan.model_key + SUFFIX, content)
            self.screen.say(f"the baseline of {model.name} is taken along")

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
        test = SmokeTest(self.account, stack, self.screen, self.pause)
        try:
            return test.run(file.name, file.read_bytes())
        except ClientError as error:  # the stack stands all the same
            return Smoke(None, str(error))
