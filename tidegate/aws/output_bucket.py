"""An existing output bucket, and what the prefixes of input and output must not be."""

from collections.abc import Mapping

from tidegate.aws.account import Account
from tidegate.aws.buckets import look_at
from tidegate.aws.other_accounts import to_write
from worker.errors import SettingsError
from worker.settings_help import TOGETHER, spread

TEMPLATES = ("WORKER_OUTPUT_TEMPLATE", "WORKER_FAILURE_TEMPLATE")
BELOW = "{output_key}/"


def policy_for_output(account: Account, bucket: str, output_key: str, *, stack: str) -> str:
    """Return what the owner of a bucket in another account allows, to paste; else an empty text.

    Raises SettingsError if there is no such bucket.
    """
    if look_at(account, bucket).owned:
        return ""
    return to_write(account, stack, bucket, output_key)


def check_prefixes(parameters: Mapping[str, str]) -> None:
    """Raise SettingsError if input and output overlap, or keys of outputs leave the output's part.

    The parameters are the template's, with its defaults.
    """
    source, target = parameters["InputBucket"], parameters["OutputBucket"]
    prefix, output = parameters["InputPrefix"], f"{parameters['OutputKey']}/".lstrip("/")
    if source and source == target and (prefix.startswith(output) or output.startswith(prefix)):
        raise SettingsError(
            f"InputPrefix ({prefix or 'empty'}) and OutputKey ({output or 'empty'}) overlap in "
            f"the bucket {source}, so that predictions would be predicted again: give both, "
            "neither within the other"
        )
    if target and output:
        _check_templates(parameters["WorkerSettings"], target, output)


def _check_templates(settings: str, bucket: str, output: str) -> None:
    variables = {TOGETHER: settings}
    spread(variables)
    for name in TEMPLATES:
        if not variables.get(name, BELOW).startswith(BELOW):
            raise SettingsError(
                f"{name} must begin with {BELOW}: in {bucket}, which is not the stack's, the "
                f"workers may write below {output} alone. Or leave OutputKey empty"
            )
