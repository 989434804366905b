"""The caller's AWS account: clients whose calls can be shown."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ProfileNotFound
from botocore.model import OperationModel

from tidegate.aws.errors import CredentialsError
from tidegate.aws.shown_calls import as_command
from worker.errors import SettingsError

_CONFIG = Config(
    connect_timeout=10,
    read_timeout=60,
    max_pool_connections=16,  # as many as the threads of tidegate/aws/asking.py
    retries={"mode": "standard", "total_max_attempts": 5},
    user_agent_extra="tidegate",
)


class Account:
    """The account and region that the environment and the AWS configuration name.

    `show` is given each call in the AWS CLI's words. The same call is shown once while it is
    repeated, as by a wait. Raises SettingsError if no region is named, CredentialsError if the
    profile is unknown.
    """

    def __init__(self, show: Callable[[str], None] | None = None) -> None:
        try:
            # botocore itself reads AWS_DEFAULT_REGION alone.
            self._session = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
        except ProfileNotFound as error:
            raise CredentialsError(f"{error}: AWS_PROFILE names it") from None
        if self._session.region_name is None:
            raise SettingsError(
                "no AWS region is named: set AWS_REGION, or `region` in the AWS configuration"
            )
        self.region = self._session.region_name
        self._show = show
        self._shown_last = ""
        self._hides_calls = False
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:  # noqa: ANN401 (the caller names the client's type)
        """Return the service's client, which is made once."""
        if service not in self._clients:
            make: Any = self._session.client  # its stubs know each service by its literal name
            client = make(service, config=_CONFIG)
            client.meta.events.register("provide-client-params", self._show_call)
            self._clients[service] = client
        return self._clients[service]

    @contextmanager
    def shown_as(self, command: str) -> Iterator[None]:
        """Show this command in place of the calls of the block, such as the parts of an upload."""
        if self._show is not None:
            self._show(command)
        self._hides_calls = True
        try:
            yield
        finally:
            self._hides_calls = False

    def _show_call(self, params: Mapping[str, Any], model: OperationModel, **_: object) -> None:
        if self._show is None or self._hides_calls:
            return
        command = as_command(model.service_model.service_name, model.name, params)
        if command != self._shown_last:
            self._show(command)
        self._shown_last = command

    @cached_property
    def _identity(self) -> Mapping[str, str]:
        answer: Mapping[str, str] = self.client("sts").get_caller_identity()
        return answer

    @property
    def id(self) -> str:
        """Return the account's number: AWS is asked once."""
        return self._identity["Account"]

    @property
    def caller(self) -> str:
        """Return the caller's ARN."""
        return self._identity["Arn"]

    @property
    def partition(self) -> str:
        """Return `aws`, `aws-cn` or `aws-us-gov`."""
        return self._session.get_partition_for_region(self.region)
