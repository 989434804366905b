"""What an error that AWS answered means, and what to do about it."""

import re

from botocore.exceptions import ClientError

from worker.advice.texts import Advice

KMS_REFUSALS = {
    "AccessDenied": Advice.KMS_DENIED,
    "Disabled": Advice.KMS_DISABLED,
    "InvalidKeyUsage": Advice.KMS_USAGE,
    "InvalidState": Advice.KMS_STATE,
    "NotFound": Advice.KMS_MISSING,
    "OptInRequired": Advice.KMS_POLICY,
}
# SQS writes KmsDisabled or KMS.DisabledException, by protocol. S3 writes KMS.DisabledException, and
# one name with another KMS in it.
_KMS_CODE = re.compile(r"(?:KMS\.(?:KMS)?|Kms)([A-Z]\w+?)(?:Exception)?")
_KMS_KEY = re.compile(r"arn:[\w-]+:kms:[\w-]*:\d*:(?:key|alias)/[\w/-]+")
# The name of an object is other people's text: a pattern is matched from the beginning of the
# message, and nothing that follows the resource is looked at.
_NOT_AUTHORIZED = re.compile(
    r"User: (?P<user>\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)"
    r"(?: on resource: \"?(?P<resource>[^\s\"]+))?"
)
_KEY_OUT_OF_REACH = "The ciphertext refers to a customer master key"
_PAGE = re.compile(r"(?i)\s*<(?:!doctype html|html|head|body)\b")
_LATE = ("Signature expired", "Signature not yet current")

ACCESS_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403", "Forbidden"})
_PERMISSIONS = {
    "GetObject": "s3:GetObject (of a version: s3:GetObjectVersion)",
    "HeadObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteMessageBatch": "sqs:DeleteMessage",
    "ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}
_READS = ("GetObject", "HeadObject")
_BY_CODE = {
    "InvalidAccessKeyId": Advice.KEY_UNKNOWN,
    "InvalidClientTokenId": Advice.KEY_UNKNOWN,
    "UnrecognizedClientException": Advice.KEY_UNKNOWN,
    "SignatureDoesNotMatch": Advice.SECRET_WRONG,
    "InvalidSignatureException": Advice.SECRET_WRONG,
    "ExpiredToken": Advice.TOKEN_EXPIRED,
    "ExpiredTokenException": Advice.TOKEN_EXPIRED,
    "NonExistentQueue": Advice.QUEUE_MISSING,
    "QueueDoesNotExist": Advice.QUEUE_MISSING,
    "InvalidAddress": Advice.QUEUE_MISSING,
    "InvalidObjectState": Advice.MODEL_ARCHIVED,
}
OTHER_REGION = frozenset(
    {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
)
_WRONG_CLOCK = frozenset({"RequestExpired", "RequestTimeTooSkewed"})


def explain(
    error: ClientError, code: str, *, resource: str = "it", kms_key: str | None = None
) -> str:
    """Return an error in AWS's own words, followed by its cause and the next step if known.

    `resource` is what the call was about, where AWS does not name it.
    """
    message = _message(error)
    if _PAGE.match(message):  # the SDK makes a body that is no JSON the message
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", code)
        answer = f"HTTP status {status} and a page instead of an answer to {error.operation_name}"
        return f"{answer}. {Advice.NOT_AWS.fill()}"
    advice = _advice(error, code, message, resource, kms_key)
    return f"{str(error).rstrip('. ')}{_times(error)}. {advice}" if advice else str(error)


def kms_refusal(error: ClientError, code: str) -> Advice | None:
    """Return why a KMS key cannot be used; None for a throttle and for all other errors."""
    message = _message(error)
    if found := _KMS_CODE.fullmatch(code):
        return KMS_REFUSALS.get(found[1])
    if code not in ACCESS_DENIED:
        return None
    refused = _NOT_AUTHORIZED.match(message)
    about_kms = refused is not None and refused["action"].startswith("kms:")
    return Advice.KMS_DENIED if about_kms or message.startswith(_KEY_OUT_OF_REACH) else None


def is_late(error: ClientError) -> bool:
    """Return whether a signature was refused for its age, and not for a wrong secret."""
    # Some services have no code for an old signature, only these words.
    return _message(error).startswith(_LATE)


def _advice(
    error: ClientError, code: str, message: str, resource: str, kms_key: str | None
) -> str | None:
    if kms := kms_refusal(error, code):
        return _kms_advice(kms, message, kms_key)
    if code in _WRONG_CLOCK or is_late(error):
        return Advice.CLOCK.fill()
    if code in ACCESS_DENIED:
        return _denied_advice(error, message, resource)
    if code in OTHER_REGION:
        return Advice.OTHER_REGION.fill(region=_region_of(error))
    if code in _BY_CODE:
        return _BY_CODE[code].fill()
    return None


def _kms_advice(kms: Advice, message: str, kms_key: str | None) -> str:
    refused = _NOT_AUTHORIZED.match(message)
    named = _KMS_KEY.search(message)
    key = kms_key or (named[0] if named else "of the queue or the bucket")
    actions = refused["action"] if refused else "kms:Decrypt and kms:GenerateDataKey"
    return kms.fill(key=key, actions=actions)


def _denied_advice(error: ClientError, message: str, called: str) -> str:
    operation = error.operation_name
    refused = _NOT_AUTHORIZED.match(message)
    if refused is None:
        action = permission_for(operation)
        if operation in _READS:
            return Advice.DENIED_OR_MISSING.fill(action=action)
        return Advice.DENIED.fill(action=action, resource=called)
    action, resource = refused["action"], refused["resource"] or called
    if operation in _READS and action == "s3:ListBucket":
        return Advice.MISSING_UNLISTED.fill()
    account, owner = _account(refused["user"]), _account(resource)
    if account and owner and account != owner:
        return Advice.OTHER_ACCOUNT.fill(
            resource=resource, owner=owner, account=account, action=action
        )
    return Advice.DENIED.fill(action=action, resource=resource)


def permission_for(operation: str) -> str:
    """Return the permission that an operation on S3 or SQS needs."""
    return _PERMISSIONS.get(operation, f"sqs:{operation}")


def _account(arn: str) -> str:
    """Return the account in an ARN; empty for a bucket, which has none there."""
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[0] == "arn" else ""  # noqa: PLR2004 - of an ARN


def _region_of(error: ClientError) -> str:
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    details = dict(error.response.get("Error", {}))
    region = headers.get("x-amz-bucket-region") or details.get("Region")
    return f"the region {region}" if region else "another region"


def _times(error: ClientError) -> str:
    """Return what both clocks said, if the error tells."""
    details = dict(error.response.get("Error", {}))
    ours, theirs = details.get("RequestTime"), details.get("ServerTime")
    return f" (here it was {ours}, there {theirs})" if ours and theirs else ""


def _message(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", ""))
