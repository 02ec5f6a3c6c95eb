"""Notifications to Slack, whose URL is secret."""

import json
from typing import Any

import pytest

from headroom.region.context import Invocation
from headroom.region.region import Region
from tests.support.builders import READS
from tests.support.notifications import (
    URL,
    backup,
    posted,
    scene,
    slack,
    with_slack,
)
from tests.support.scenes import (
    alarm_message,
    failures,
    invoke,
    operations,
    pass_minutes,
    record_invocations,
    send,
    units,
)

pytestmark = pytest.mark.scene.with_args(scene)

SECRET = "XXXXXXXXXXXXXXXXXXXXXXXX"


@pytest.mark.parametrize("store", ["secretsmanager", "ssm"])
@pytest.mark.parametrize(
    "value", [URL, f"{URL}\n", json.dumps({"url": URL})], ids=["plain", "with a newline", "json"]
)
def test_slack_is_notified_through_the_url_that_either_store_keeps(store: str, value: str) -> None:
    with scene(slack(store)) as region:
        with_slack(region, store, value)
        pass_minutes(region, 5, {READS: 95.0})
        assert send(region, alarm_message(region)).error is None
        (request,) = region.http.requests
        assert (request.url, request.request.get_method(), request.seconds) == (URL, "POST", 5.0)
        assert request.headers["content-type"] == "application/json"
        assert posted(region)[0].startswith(
            "*Headroom raised orders*\norders:read 100 → 150 units: consumption is at or above"
        )


@pytest.mark.scene(scene, slack("ssm"))
def test_the_url_is_read_once_in_a_while(region: Region) -> None:
    with_slack(region, "ssm")
    for load in (95.0, 145.0):
        pass_minutes(region, 5, {READS: load})
        send(region, alarm_message(region))
    assert (len(region.http.requests), operations(region).count("GetParameter")) == (2, 1)
    pass_minutes(region, 15, {READS: 220.0})
    send(region, alarm_message(region))
    assert (len(region.http.requests), operations(region).count("GetParameter")) == (3, 2)


PAUSE = '\n[[pause]]\nname = "<!channel> & co"\njob = "backup"\ntables = ["orders"]\n'


@pytest.mark.scene(scene, slack("ssm", "paused") + PAUSE)
def test_what_slack_would_take_for_its_own_marks_is_escaped(region: Region) -> None:
    with_slack(region, "ssm")
    backup(region, "RUNNING")
    invoke(region, "sweep")
    assert "pause &lt;!channel&gt; &amp; co: AWS Backup is running" in posted(region)[0]


def everything_said(region: Region, seen: list[Invocation]) -> str:
    """Return all that the functions have logged and raised."""
    found = []
    for invocation in seen:
        found.append(json.dumps(invocation.logs, default=str))
        error = invocation.error
        while error is not None:
            found += [
                str(error),
                repr(error),
                *(str(one) for one in getattr(error, "exceptions", ())),
            ]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(found)


def refuse(_: Any) -> int:
    raise OSError(f"cannot connect to {URL}")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        pytest.param(200, "", id="taken"),
        pytest.param(404, "the webhook answered with status 404", id="refused"),
        pytest.param(301, "the webhook answered with status 301", id="sent elsewhere"),
        pytest.param(refuse, "no answer (OSError)", id="silent"),
    ],
)
@pytest.mark.scene(scene, slack("ssm"))
def test_the_url_is_in_no_log_line_and_in_no_error(region: Region, answer: Any, text: str) -> None:
    with_slack(region, "ssm")
    region.http.servers[URL] = answer
    invocations = record_invocations(region)
    pass_minutes(region, 5, {READS: 95.0})
    invocation = send(region, alarm_message(region))
    assert units(region)["orders:read"] == 150
    assert [text in failure for failure in failures(invocation)] == ([True] if text else [])
    assert SECRET not in everything_said(region, invocations)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(URL.replace("https", "http"), id="no https"),
        pytest.param(f"file:///{SECRET}", id="a file"),
        pytest.param(f"https://hooks.slack.com/{SECRET} x", id="with a space"),
        pytest.param(f"https://[{SECRET}/x", id="no host"),
        pytest.param(json.dumps({"uri": URL}), id="json without url"),
        pytest.param('{"url": ' + URL, id="broken json"),
        pytest.param(json.dumps([URL]), id="a list"),
    ],
)
@pytest.mark.scene(scene, slack("ssm"))
def test_a_value_that_is_no_https_url_is_reported_and_never_called(
    region: Region, value: str
) -> None:
    with_slack(region, "ssm", value)
    invocations = record_invocations(region)
    pass_minutes(region, 5, {READS: 95.0})
    (failure,) = failures(send(region, alarm_message(region)))
    assert failure.startswith(
        "ssm:/headroom/slack: sending 'Headroom raised orders' failed: ssm:/headroom/slack: "
        "holds no "
    )
    assert region.http.requests == []
    assert SECRET not in everything_said(region, invocations)
