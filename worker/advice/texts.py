"""Every cause that the worker recognises, with its next step: see docs/troubleshooting.md."""

from enum import Enum


def _said(cause: str, step: str) -> tuple[str, str]:
    return cause, step


class Advice(Enum):
    """The cause of a refusal, and what to do about it. Words in braces are filled in."""

    # ------------------------------------------------------------------ permissions and keys
    KMS_DENIED = _said(
        "the role may not use the KMS key {key}",
        "allow {actions} on the key to the role, in the policy of the role and in that of the key",
    )
    KMS_DISABLED = _said(
        "the KMS key {key} is disabled",
        "enable the key, or encrypt the queue or the bucket with another one",
    )
    KMS_STATE = _said(
        "the KMS key {key} waits for its deletion or for its key material",
        "cancel the deletion or import the key material, or encrypt with another key",
    )
    KMS_MISSING = _said(
        "the KMS key {key} does not exist in this region",
        "encrypt the queue or the bucket with a key that exists",
    )
    KMS_POLICY = _said(
        "the policy of the KMS key {key} is not valid, or the account may not use KMS",
        "correct the policy of the key",
    )
    KMS_USAGE = _said(
        "the KMS key {key} is not a key for encryption",
        "choose a symmetric key with the usage ENCRYPT_DECRYPT",
    )
    DENIED = _said(
        "the role has no permission {action} on {resource}",
        "allow {action} in the policy of the role; a policy of the resource, of its VPC endpoint "
        "or of the organization may deny it too",
    )
    OTHER_ACCOUNT = _said(
        "{resource} belongs to the account {owner}, and the role to the account {account}",
        "check the name; if the account is right, allow {action} in the policy of the resource too",
    )
    DENIED_OR_MISSING = _said(
        "the role has no permission {action} on the object, or the object does not exist: S3 says "
        "so only to a role with s3:ListBucket",
        "check the key, and allow {action} on the object and s3:ListBucket on the bucket",
    )
    MISSING_UNLISTED = _said(
        "the object does not exist, but S3 says so only to a role with s3:ListBucket",
        "check the key, and allow s3:ListBucket on the bucket",
    )
    KEY_UNKNOWN = _said(
        "AWS does not know the access key",
        "check the credentials with `aws sts get-caller-identity`; the key may be deleted, or may "
        "belong to another partition of AWS",
    )
    SECRET_WRONG = _said(
        "the secret key does not belong to the access key, or the region is wrong",
        "set AWS_SECRET_ACCESS_KEY anew, without a line end, and check AWS_REGION",
    )
    TOKEN_EXPIRED = _said(
        "the temporary credentials have expired",
        "get new ones (`aws sso login`), or remove those in the environment so that the role of "
        "the task is used",
    )
    NO_CREDENTIALS = _said(
        "there are no credentials",
        "give the task a role (TaskRoleArn); elsewhere set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY",
    )
    CLOCK = _said(
        "the clock of this machine is wrong, or the request waited too long to be sent",
        "set the clock (NTP); if the clock is right, give the worker more CPU",
    )

    # ------------------------------------------------------------- queue, bucket and model
    QUEUE_MISSING = _said(
        "this account has no such queue in this region",
        "check WORKER_QUEUE and AWS_REGION; for a queue of another account give its URL or ARN",
    )
    QUEUE_REGION = _said(
        "the queue is in the region {queue_region}, and the worker works in {region}",
        "set AWS_REGION={queue_region}, or name a queue of {region}",
    )
    QUEUE_ENDPOINT = _said(
        "the queue is at {host}, but requests go to AWS ({endpoint})",
        "set AWS_ENDPOINT_URL to the server at {host}, or give the name of a queue on AWS",
    )
    OTHER_REGION = _said(
        "the bucket is in {region}, and the redirect was not followed",
        "check the region of the bucket, and AWS_ENDPOINT_URL if it is set",
    )
    BUCKET_MISSING = _said(
        "there is no such bucket",
        "check the name of the bucket in WORKER_MODEL",
    )
    MODEL_MISSING = _said(
        "the bucket has no object of this key, or it was deleted",
        "compare WORKER_MODEL with `aws s3 ls --recursive s3://{bucket}`; capital letters count",
    )
    VERSION_MISSING = _said(
        "the version was deleted, or its id is wrong",
        "choose one of `aws s3api list-object-versions --bucket {bucket} --prefix {key}`, or leave "
        "?versionId= out",
    )
    MODEL_ARCHIVED = _said(
        "the object is archived",
        "restore it, or copy the model to another storage class",
    )

    # ------------------------------------------------------------------ the way to AWS
    NO_ROUTE = _said(
        "no connection to {host} comes about",
        "a task in a private subnet needs a NAT gateway, or VPC endpoints for SQS and S3; a task "
        "in a public subnet needs a public IP address; its security group must let port 443 out",
    )
    NO_NAME = _said(
        "the name {host} is not known",
        "check AWS_REGION and AWS_ENDPOINT_URL, and that the VPC resolves names",
    )
    NOBODY_LISTENS = _said(
        "nothing listens at {host}",
        "check AWS_ENDPOINT_URL, and start the server",
    )
    CLOSED = _said(
        "{host} closed the connection without an answer",
        "if it speaks TLS, write https:// in AWS_ENDPOINT_URL",
    )
    NO_TLS = _said(
        "{host} does not speak TLS",
        "if it speaks plain HTTP, write http:// in AWS_ENDPOINT_URL; else look for a proxy between",
    )
    CERTIFICATE = _said(
        "the certificate of {host} is not trusted",
        "set AWS_CA_BUNDLE to a PEM file with the certificate of the authority that signed it; a "
        "proxy may have put its own in place",
    )
    PROXY = _said(
        "the proxy {proxy} refused the connection or cannot be reached",
        "check HTTPS_PROXY, and name in NO_PROXY what needs no proxy",
    )
    NOT_AWS = _said(
        "what answered is not AWS: a proxy, a login page or another server",
        "check AWS_ENDPOINT_URL and HTTPS_PROXY",
    )

    # --------------------------------------------------------------------- the machine
    CA_BUNDLE = _said(
        "{path} cannot be used as a bundle of certificates: {why}",
        "name a PEM file that exists, or unset the variable",
    )
    CONTROL_CHARACTER = _said(
        "the value holds a line end or another control character",
        "remove it; a value read from a file or a secret often ends with a line end",
    )
    FOLDER_UNUSABLE = _said(
        "{folder} {why}",
        "name a folder that exists and can be written, or unset the variable",
    )
    FOLDER_MISSING = _said(
        "no folder for temporary files can be written",
        "mount a volume at /tmp, or set TMPDIR to a folder that can be written",
    )
    FOLDER_TOO_LONG = _said(
        "the path {folder} has {length} bytes, too many for the sockets in it",
        "name a folder whose path has at most {limit} bytes",
    )
    PROCESS_LIMIT = _said(
        "the limit on processes and threads is reached",
        "raise it (`ulimit -u`, the limit on pids of the container), or lower "
        "WORKER_PREDICT_PROCESSES",
    )
    FORK_FAILED = _said(
        "the process that starts the others has ended: the memory or the limit on processes is too "
        "small",
        "give the task more memory (TaskMemory), or raise the limit (`ulimit -u`); the lines above "
        "may say which",
    )
    FILE_LIMIT = _said(
        "the limit on open files is reached",
        "raise it (`ulimit -n`), or lower WORKER_CONCURRENCY",
    )
    DISK_FULL = _said(
        "no space is left for temporary files in {folder}",
        "set TMPDIR to a folder on a larger disk, or give the task more ephemeral storage",
    )
    DISK_READ_ONLY = _said(
        "temporary files cannot be written in {folder}",
        "mount a volume there, or set TMPDIR to a folder that can be written",
    )
    NO_MEMORY = _said(
        "the memory is used up",
        "give the task more memory (TaskMemory), or lower WORKER_PREDICT_PROCESSES",
    )
    MODEL_MEMORY = _said(
        "most likely {memory} of memory are too little for {processes} processes, each of which "
        "loads the model (a file of {size})",
        "give the task more memory (TaskMemory), or lower WORKER_PREDICT_PROCESSES",
    )

    def fill(self, **known: object) -> str:
        """Return cause and next step, to follow what was said; what is known is filled in."""
        return f"Cause: {self.fill_setting(**known)}"

    def fill_setting(self, **known: object) -> str:
        """Return cause and next step, to follow the name of a variable."""
        cause, step = (text.format(**known) for text in self.value)
        return f"{cause}. Next step: {step}"
