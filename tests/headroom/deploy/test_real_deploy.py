"""An operator's commands deploy a stage to a server, and remove it."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headroom.project import ROOT
from tests.support.deployed import (
    ALL_FUNCTIONS,
    ALL_SOURCES,
    inventory,
    make_table,
)
from tests.support.foreign import publish_load
from tests.support.real_deploy import CONFIG, Site, configure, site


def wait_for(what: Callable[[], bool]) -> None:
    """Look until it is so; a message is handled in a thread of the server."""
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "it did not come to pass"


def documented_actions() -> set[str]:
    """Return the actions that docs/operations.md says an operator needs."""
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page.partition("\n### What you need yourself\n")[2].partition("\n### ")[0]
    return {
        f"{service}:{action}"
        for service, actions in re.findall(r"([a-z-]+): ((?:`\w+`(?:, )?)+)", section)
        for action in re.findall(r"\w+", actions)
    }


def run_sweep(there: Site) -> None:
    event = dict.fromkeys(
        ("version", "account", "region", "detail-type", "source", "time", "id"), ""
    )
    payload = json.dumps({**event, "detail": {}, "resources": []})
    answer = there.client("lambda").invoke(FunctionName="headroom-dev-sweep", Payload=payload)
    assert "FunctionError" not in answer


def units(there: Site) -> int:
    response = there.client("dynamodb").describe_table(TableName="orders")["Table"][
        "ProvisionedThroughput"
    ]
    return int(response["ReadCapacityUnits"])


def threshold(there: Site) -> float:
    response = there.client("cloudwatch").describe_alarms(AlarmNames=["headroom-orders:read"])[
        "MetricAlarms"
    ]
    return float(response[0]["Threshold"])


def set_alarm(there: Site, value: str) -> None:
    there.client("cloudwatch").set_alarm_state(
        AlarmName="headroom-orders:read", StateValue=value, StateReason="test"
    )


def hearers(there: Site) -> set[str]:
    """Return the functions that took a decision so far."""
    return set(
        re.findall(
            r'"kind":"decision".*"function":"(\w+)"', (there.folder / "server.log").read_text()
        )
    )


@pytest.mark.foreign
@pytest.mark.slow
def test_a_stage_lives_from_make_deploy_to_teardown(tmp_path: Path) -> None:
    """With every source of alarms; docs/operations.md is followed with the default one."""
    with site(tmp_path, **ALL_SOURCES) as there:
        make_table(there.client)
        before = inventory(there.client)

        configure(tmp_path, CONFIG.replace("strategy", "stratgey"))
        response = there.make("deploy", "STAGE=dev", status=2)
        assert "tables[0].stratgey: unknown key; did you mean strategy?" in response
        assert "Traceback" not in response
        assert inventory(there.client) == before

        configure(tmp_path, CONFIG)
        there.make("deploy", "STAGE=dev")
        deployed = inventory(there.client)
        assert {f"headroom-dev-{name}" for name in ALL_FUNCTIONS} <= deployed
        assert {
            "alarm headroom-dev-errors",
            "alarm headroom-dev-dead-letters",
            "alarm headroom-dev-silence",
        } <= deployed

        run_sweep(there)
        assert threshold(there) == 100 * 60 * 0.8
        publish_load(there.client, 95.0)
        set_alarm(there, "OK")
        set_alarm(there, "ALARM")
        wait_for(lambda: units(there) == 150)
        wait_for(lambda: threshold(there) == 150 * 60 * 0.8)
        wait_for(lambda: hearers(there) == {"sweep", "on_alarm", "on_queue"})
        there.run("headroom", "doctor", "--stage", "dev")

        again = there.make("deploy", "STAGE=dev")
        assert "applied" not in again
        assert "already correct" in again
        with_tables = {"alarm headroom-orders:read", "alarm headroom-orders:write"}
        assert inventory(there.client) == deployed | with_tables

        there.run("headroom", "teardown", "--stage", "dev", answer="y\n")
        assert inventory(there.client) == before
        assert units(there) == 150
        assert "removed" not in there.run("headroom", "teardown", "--stage", "dev", "--yes")
        assert there.called() - documented_actions() == set()
