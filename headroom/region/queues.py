"""The embedded region's SQS, as far as functions read queues: it keeps messages and hands them out.

moto keeps queues too, but reads none for Lambda. Queues that no function reads are left to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from headroom.deploy.blueprint import GROUP_KEPT_SECONDS, GROUP_RECEIVES, GROUP_SECONDS
from headroom.region.context import ACCOUNT, Context


@dataclass
class Message:
    """One message. sender: its MessageGroupId. receives: how often it was handed out."""

    queue: str
    number: int
    body: str
    sender: str
    sent_at: datetime
    visible_at: datetime
    receives: int = 0


class Queues:
    """The queues that functions read, with the settings of the queue of groups."""

    def __init__(self, region: Context) -> None:
        self._region = region
        self.readers: dict[str, str] = {}
        self.messages: list[Message] = []
        self._sent = 0

    def answer(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the response to a call about a queue that a function reads; None for others."""
        name = str(params.get("QueueName") or params.get("QueueUrl", "").rpartition("/")[2])
        if name not in self.readers:
            return None
        match operation:
            case "GetQueueUrl":
                host = f"https://sqs.{self._region.name}.amazonaws.com"
                return {"QueueUrl": f"{host}/{ACCOUNT}/{name}"}
            case "SendMessageBatch":
                sent = [self._send(name, entry) for entry in params["Entries"]]
                return {"Successful": sent, "Failed": []}
        return None

    def _send(self, queue: str, entry: Mapping[str, Any]) -> dict[str, str]:
        self.put(queue, entry["MessageBody"], entry.get("MessageGroupId", ""))
        return {"Id": entry["Id"], "MessageId": str(self._sent), "MD5OfMessageBody": ""}

    def put(self, queue: str, body: str, sender: str = "") -> None:
        """Put a message into a queue."""
        now = self._region.now
        self._sent += 1
        self.messages.append(Message(queue, self._sent, body, sender, now, now))

    def receive(self) -> Message | None:
        """Hand out the next message, and hide it: the sender with the fewest comes first.

        What is older than the queue keeps messages is dropped.
        """
        now = self._region.now
        kept = timedelta(seconds=GROUP_KEPT_SECONDS)
        self.messages = [one for one in self.messages if now - one.sent_at < kept]
        waiting = [one for one in self.messages if one.visible_at <= now]
        if not waiting:
            return None
        senders = [one.sender for one in waiting]
        message = min(waiting, key=lambda one: (senders.count(one.sender), one.number))
        message.visible_at = now + timedelta(seconds=GROUP_SECONDS)
        message.receives += 1
        return message

    def done(self, message: Message, failed: bool) -> bool:
        """Delete a message that succeeded, or was received too often; tell whether it is dead."""
        is_dead = failed and message.receives >= GROUP_RECEIVES
        if not failed or is_dead:
            self.messages.remove(message)
        return is_dead
