from tidegate.localcloud.iam_translation import translate

QUEUE = "arn:aws:sqs:us-east-1:000000000000:jobs"
CLUSTER = "arn:aws:ecs:us-east-1:000000000000:cluster/tidegate"


def policy(**statement: object) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


def test_a_grant_to_send_becomes_a_grant_to_send_batches_to_the_same_queue() -> None:
    grants = translate(policy(Action="sqs:SendMessage", Resource=QUEUE))
    assert grants == [{"Effect": "Allow", "Action": ["sqs:SendMessageBatch"], "Resource": QUEUE}]


def test_an_action_that_the_template_does_not_grant_is_not_granted_in_batches() -> None:
    grants = translate(policy(Action=["sqs:ReceiveMessage", "sqs:DeleteMessage"], Resource=QUEUE))
    assert [grant["Action"] for grant in grants] == [["sqs:DeleteMessageBatch"]]


def test_a_condition_on_the_cluster_becomes_a_grant_on_the_cluster() -> None:
    condition = {"ArnEquals": {"ecs:cluster": CLUSTER}}
    grants = translate(policy(Action="ecs:RunTask", Resource="*", Condition=condition))
    assert grants == [{"Effect": "Allow", "Action": ["ecs:RunTask"], "Resource": CLUSTER}]


def test_a_grant_on_a_rule_becomes_one_on_the_rule_of_the_default_bus() -> None:
    arn = "arn:aws:events:us-east-1:000000000000:rule"
    grants = translate(policy(Action="events:PutRule", Resource=[f"{arn}/tidegate-*", QUEUE]))
    assert [grant["Resource"] for grant in grants] == [[f"{arn}/default/tidegate-*"]]


def test_a_grant_that_the_emulator_understands_is_not_repeated() -> None:
    assert translate(policy(Action="s3:GetObject", Resource="*")) == []


def test_a_condition_on_a_grant_to_send_holds_for_batches_too() -> None:
    condition = {"Bool": {"aws:SecureTransport": "true"}}
    granted = policy(Action="sqs:SendMessage", Resource=QUEUE, Condition=condition)
    assert [grant["Condition"] for grant in translate(granted)] == [condition]


def test_a_grant_to_move_dead_letters_becomes_one_without_the_queue() -> None:
    moves = ["sqs:StartMessageMoveTask", "sqs:ListMessageMoveTasks"]
    grants = translate(policy(Action=["sqs:GetQueueAttributes", *moves], Resource=QUEUE))
    assert grants == [{"Effect": "Allow", "Action": moves, "Resource": "*"}]
