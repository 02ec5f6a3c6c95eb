"""Lines into messages: one for each kind, table and destination; many are merged. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from chalicelib.config.types import NotificationKind
from chalicelib.core.notices import Notice, NotificationLine

#: Up to so many messages of a run go to one destination separately. More are merged.
AT_ONCE = 5
#: The most notices that one merged message holds.
TOGETHER = 50
#: Characters. SNS takes 262,144 bytes, attributes included, and no character has more than four.
#: Source: API_Publish, 2026-11. Slack cuts a text off after 40,000 characters. Source: Slack's
#: changelog, "Truncating really long messages", 2018-04.
MAX_TEXT = 30_000
SUBJECTS: Mapping[NotificationKind, str] = {
    "scaled_up": "Headroom raised {}",
    "scaled_down": "Headroom lowered {}",
    "hot_key": "A hot key: {}",
    "at_max": "At its maximum and throttled: {}",
    "budget_used_up": "No decrease left for now: {}",
    "high_throughput": "High throughput: {}",
    "low_throughput": "Low throughput: {}",
    "alarm_off": "Its alarm cannot call: {}",
    "failing": "Sweeps keep failing: {}",
    "not_reached": "Sweeps have no time: {}",
    "fleet": "Following its fleet: {}",
    "paused": "Paused: {}",
    "money": "Budget: {}",
    "mode": "Billing mode: {}",
}


def notices(lines: Iterable[NotificationLine]) -> list[tuple[Notice, list[NotificationLine]]]:
    """Return a message for each kind, table and destination, with its lines."""
    found: dict[tuple[NotificationKind, str, str, str], list[NotificationLine]] = {}
    for line in lines:
        found.setdefault((line.kind, line.table, line.topic, line.slack), []).append(line)
    return [
        (
            Notice(
                SUBJECTS[kind].format(table),
                _joined([line.text for line in of]),
                {"kind": (kind,), "table": (table,)},
                topic,
                slack,
            ),
            of,
        )
        for (kind, table, topic, slack), of in found.items()
    ]


def _joined(texts: Sequence[str], between: str = "\n") -> str:
    text = between.join(texts)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} … (the log has the rest)"


def batches(found: Sequence[Notice]) -> list[Sequence[Notice]]:
    """Return the notices in batches, each of which is sent as one message.

    A few notices to one destination are batches of their own. Many are merged.
    """
    of_destinations: dict[tuple[str, str], list[Notice]] = {}
    for notice in found:
        of_destinations.setdefault((notice.topic, notice.slack), []).append(notice)
    batched: list[Sequence[Notice]] = []
    for batch in of_destinations.values():
        size = 1 if len(batch) <= AT_ONCE else TOGETHER
        batched += [batch[i : i + size] for i in range(0, len(batch), size)]
    return batched


def merged(batch: Sequence[Notice]) -> Notice:
    """Return a batch of notices to one destination as one notice."""
    first = batch[0]
    if len(batch) == 1:
        return first
    kinds = Counter(chain(*(notice.facts.get("kind", ()) for notice in batch)))
    counted = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    facts = {
        key: tuple(dict.fromkeys(chain(*(notice.facts.get(key, ()) for notice in batch))))
        for key in sorted(set(chain(*(notice.facts for notice in batch))))
    }
    text = _joined([f"{notice.subject}\n{notice.text}" for notice in batch], "\n\n")
    return Notice(
        f"Headroom: {len(batch)} notices ({counted})", text, facts, first.topic, first.slack
    )
