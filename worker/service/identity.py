"""Which worker this is, for those who look for its logs and its task."""

import re
import socket
from collections.abc import Mapping

# On Fargate the address of a container's metadata ends in the id of its task and a number.
METADATA_VARIABLE = "ECS_CONTAINER_METADATA_URI_V4"
_TASK = re.compile(r"/([0-9a-f-]{32,36})-\d+$")


def worker_name(environment: Mapping[str, str]) -> str:
    """Return the id of the ECS task, which names the log stream too; elsewhere the host's name."""
    task = _TASK.search(environment.get(METADATA_VARIABLE, ""))
    return task[1] if task else socket.gethostname()
