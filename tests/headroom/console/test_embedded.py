"""The console of the embedded region, over HTTP: what it shows, and what one can do there."""

import json
from collections.abc import Iterator

import pytest

from headroom.commands.web_console import embedded
from headroom.console.embedded import EmbeddedSite
from headroom.project import ROOT
from tests.support.console import Client, served
from tests.support.untraced import untraced

READS = {"table": "archive", "index": "", "dimension": "read"}
SESSIONS = {"table": "sessions", "index": "", "dimension": "read"}


@pytest.fixture(scope="module")
def site() -> Iterator[EmbeddedSite]:
    """Four tables at 01:05: `archive` and `sessions` were lowered at 00:50."""
    with embedded() as site:
        with untraced():
            site.region.run(65)
        yield site


@pytest.fixture(scope="module")
def client(site: EmbeddedSite) -> Iterator[Client]:
    with served(site) as client:
        yield client


@pytest.mark.slow
def test_the_page_and_its_files_are_there_and_name_no_other_server(client: Client) -> None:
    for name in ("", "chart.js", "console.js", "style.css", "icon.svg"):
        answer = client.get(name)
        text = answer.text.replace("http://www.w3.org/2000/svg", "")
        assert (answer.status, "http" in text) == (200, False)
    assert client.get("other.js").status == 404


@pytest.mark.slow(traced=True)
def test_the_overview_has_the_data_of_status_and_the_plan_in_words(client: Client) -> None:
    data = client.get("api/overview").data
    assert (data["kind"], data["writes"], data["minute"]) == ("embedded", True, 65)
    status = data["status"]
    assert (status["account"], status["at"]) == ("123456789012", "2026-11-02T01:05:00+00:00")
    decisions = {f"{d['table']}:{d['dimension']}": d for d in status["decisions"] if not d["index"]}
    assert decisions["archive:read"]["current"] == 3
    assert decisions["archive:read"]["usd_a_month"] == 0.28
    assert decisions["reports:read"]["dry_run"]
    assert 60 < status["used"]["archive:read"] < 70
    texts = [change["text"] for change in data["plan"]["changes"]]
    assert any(
        text.startswith("Would lower reports reads 150 → 2 units, but dry_run") for text in texts
    )
    assert data["plan"]["sum"].startswith("0 raised, 0 lowered, 2 only logged (dry_run), ")


def test_a_target_has_its_demand_capacity_level_and_decisions(client: Client) -> None:
    data = client.get("api/target", **SESSIONS).data
    chart, (event,) = data["chart"], data["events"]
    assert (chart["start"], chart["span"]) == ("2026-11-02T00:00:00+00:00", 1_440)
    assert len(chart["demand"]) == 64  # the newest minute is not there yet
    level, capacity = chart["series"]
    assert (capacity["name"], capacity["units"]) == ("capacity", [40, 17])
    assert capacity["at"][1] == 51
    assert (level["name"], level["units"]) == ("alarm level", [38.0, 16.15])
    assert chart["reasons"] == {"UtilizationLow": "the coming hour needs less"}
    assert chart["changes"] == [[50, 40, 17, "UtilizationLow", "sweep"]]
    assert (event["at"], event["why"]) == (
        "2026-11-02T00:50:00+00:00",
        "the coming hour needs less",
    )


def test_what_a_dry_run_decides_is_listed_and_no_mark_of_the_chart(client: Client) -> None:
    data = client.get("api/target", table="reports", dimension="read").data
    assert [event["dry_run"] for event in data["events"]] == [True]
    assert data["chart"]["changes"] == []


@pytest.mark.slow(traced=True)
def test_a_message_raises_the_table_and_the_decision_is_in_its_history(client: Client) -> None:
    message = client.get("api/sample", **READS).data["message"]
    assert message["Trigger"]["Dimensions"] == [{"value": "archive", "name": "TableName"}]
    hot = {**READS, "factor": 20, "minutes": 10}
    assert client.post("api/load", **hot).status == 200
    assert client.post("api/play", minutes=2).data == {"minute": 67}
    would = client.post("api/message", text=json.dumps(message), dry_run=True).data
    assert any(line.startswith("Would set archive:read") for line in would["lines"])
    assert not would["changed"]
    done = client.post("api/message", text=json.dumps(message)).data
    assert (done["staged"], done["changed"]) == ([], True)
    assert any(line.startswith("archive:read 3 → ") for line in done["lines"])
    newest = client.get("api/target", **READS).data["events"][0]
    assert (newest["function"], newest["current"]) == ("on_alarm", 3)


@pytest.mark.slow
def test_a_message_of_another_account_brings_its_table(client: Client) -> None:
    text = (ROOT / "examples" / "messages" / "sns-event.json").read_text()
    text = text.replace("orders", "carts")
    answer = client.post("api/message", text=text, dry_run=True).data
    (staged,) = answer["staged"]
    assert staged.startswith("Embedded region: carts with ")
    assert any(line.startswith("carts:read ") for line in answer["lines"])
    decisions = client.get("api/overview").data["status"]["decisions"]
    assert "carts" in {decision["table"] for decision in decisions}


def test_what_is_no_message_is_answered_with_the_reason(client: Client) -> None:
    answer = client.post("api/message", text="hello").data
    assert ["MalformedMessage" in line for line in answer["lines"]] == [True]
    assert client.post("api/message", text=" ").data == {"error": "there is no message"}


@pytest.mark.slow
def test_the_plan_is_applied_once(client: Client, site: EmbeddedSite) -> None:
    units = {"ReadCapacityUnits": 500, "WriteCapacityUnits": 1}
    with untraced():
        site.region.run(20)  # the update of the message's table is over
        site.region.client("dynamodb").update_table(
            TableName="archive", ProvisionedThroughput=units
        )
        site.region.dynamodb.complete_updates()
        site.region.run(2)
    number = client.get("api/overview").data["plan_number"]
    done = client.post("api/apply", plan_number=number).data
    assert done["left"] == []
    assert any("alarm headroom-archive:read" in line for line in done["done"])
    old = client.post("api/apply", plan_number=number - 1)
    assert (old.status, old.data["error"]) == (409, "this is not the newest plan; read it again")


@pytest.mark.parametrize(
    ("name", "given", "error"),
    [
        ("api/play", {"minutes": 0}, "minutes must be a number from 1 to 360"),
        ("api/play", {"minutes": "5"}, "minutes must be a number from 1 to 360"),
        (
            "api/load",
            {**READS, "minutes": 5, "factor": 101},
            "factor must be a number from 1 to 100",
        ),
        ("api/load", {"minutes": 5, "factor": 2}, "table and dimension must name a target"),
    ],
)
def test_a_request_without_sense_is_refused(
    client: Client, name: str, given: dict[str, object], error: str
) -> None:
    answer = client.post(name, **given)
    assert (answer.status, answer.data) == (400, {"error": error})


def test_a_target_without_an_alarm_has_no_sample(client: Client) -> None:
    answer = client.get("api/sample", table="reports", dimension="read")
    assert (answer.status, answer.data["error"]) == (
        404,
        "reports:read has no alarm of Headroom's own",
    )
