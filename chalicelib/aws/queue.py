"""The adapter of the queue between the scheduled functions and the workers."""

from collections.abc import Sequence

from chalicelib.aws.client import Aws, batches

#: SendMessageBatch: messages in one call. Source: API_SendMessageBatch, read 2026-11.
MAX_MESSAGES = 10


def send(aws: Aws, bodies: Sequence[str], sender: str) -> list[int]:
    """Send messages to the queue of groups, and return the positions of those that it refused.

    sender: SQS delivers the messages of a sender with few before those of one that has a backlog.
    Source: SQS Developer Guide, "Amazon SQS fair queues", read 2026-11.
    """
    client = aws.client("sqs")
    if not aws.group_queue_url:
        aws.group_queue_url = client.get_queue_url(QueueName=aws.group_queue)["QueueUrl"]
    refused: list[int] = []
    for batch in batches(range(len(bodies)), MAX_MESSAGES):
        entries = [
            {"Id": str(at), "MessageBody": bodies[at], "MessageGroupId": sender} for at in batch
        ]
        answer = client.send_message_batch(QueueUrl=aws.group_queue_url, Entries=entries)
        refused += [int(entry["Id"]) for entry in answer.get("Failed", [])]
    return refused
