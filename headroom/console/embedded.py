"""The console of the embedded region: there time can be played, and anything may be done."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from msgspec import structs

from chalicelib import events
from chalicelib.core.table_alarms import name_of
from chalicelib.run import Report, Run
from chalicelib.telemetry import RunLog
from headroom.commands.invoke import handle
from headroom.console.server import Answer, RefusedError
from headroom.console.site import Site, answer_of, target_of, text_of
from headroom.demo import four_tables, staging
from headroom.region.region import Region
from headroom.simulation.clock import DAY

#: The target that is shown first: the alarm of its table catches a campaign.
FIRST = "sessions:read"
#: So many minutes one request may play at most.
MOST_MINUTES = 6 * 60
MOST_FACTOR = 100


@dataclass
class EmbeddedSite(Site):
    """The console of a region in this process."""

    region: Region

    kind = "embedded"

    def reads(self) -> dict[str, Answer]:
        return {**super().reads(), "api/sample": self.sample}

    def acts(self) -> dict[str, Answer]:
        return {**super().acts(), "api/play": self.play, "api/load": self.load}

    def overview(self) -> dict[str, object]:
        time = {"minute": self.region.minute, "day": DAY}
        return {**super().overview(), **time, "first": FIRST}

    def target(self, given: Mapping[str, object]) -> dict[str, object]:
        return self.account.target(target_of(given), self.region.start, timedelta(minutes=DAY))

    def play(self, given: Mapping[str, object]) -> dict[str, object]:
        """Let time pass."""
        self.region.run(_number(given, "minutes", MOST_MINUTES))
        return {"minute": self.region.minute}

    def load(self, given: Mapping[str, object]) -> dict[str, object]:
        """Multiply a target's load for some minutes."""
        minutes, factor = _number(given, "minutes", DAY), _number(given, "factor", MOST_FACTOR)
        four_tables.raise_load(self.region, target_of(given), factor, minutes)
        return {}

    def sample(self, given: Mapping[str, object]) -> dict[str, object]:
        """Return the message that a target's alarm sends when it fires, to be sent by hand."""
        target = target_of(given)
        alarm = self.region.cloudwatch.alarms.get(name_of(target))
        if alarm is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"{target} has no alarm of Headroom's own")
        message = self.region.cloudwatch.message(alarm, "OK")
        return {"message": {**message, "NewStateValue": "ALARM"}}

    def message(self, given: Mapping[str, object]) -> dict[str, object]:
        """Pass a message to the handler, as `headroom invoke` does. A table that is not there is
        made with its load."""
        text, dry_run, staged, report = text_of(given), bool(given.get("dry_run")), [], Report()
        for message in staging.messages(text):
            event, words = self._staged(events.from_text(message), message)
            staged += [words] if words else []
            self._handle(event, dry_run, report)
        return answer_of(report, dry_run, staged)

    def _staged(self, event: events.Event, message: str) -> tuple[events.Event, str]:
        """Return an event as the region's own, and what was made for it."""
        if isinstance(event, events.AlarmEvent) and event.target in self.region.targets():
            return structs.replace(event, region="", account=""), ""
        tables = self.account.tables
        return staging.stage(self.region, tables.aws, tables.config, event, message)

    def _handle(self, event: events.Event, dry_run: bool, report: Report) -> None:
        tables = self.account.tables
        run = Run(tables.aws, tables.config, self.region.now, dry_run, report=report)

        def work() -> Any:
            handle(run, event)
            if not dry_run:
                RunLog("on_alarm").write(report)

        self.region.functions.record("on_alarm", {}, work)


def _number(given: Mapping[str, object], name: str, most: int) -> int:
    value = given.get(name)
    if not isinstance(value, int) or not 1 <= value <= most:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"{name} must be a number from 1 to {most:,}")
    return value
