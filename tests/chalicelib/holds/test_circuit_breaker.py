"""The circuit breaker: it is called only before a change, its answer is obeyed, and without an
answer increases go on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.request import Request

import pytest

from chalicelib import handlers
from chalicelib.aws import http
from chalicelib.aws.client import Aws
from chalicelib.config.loader import load
from chalicelib.holds import circuit_breaker
from chalicelib.holds.circuit_breaker import GIVEN_UP_AFTER, PARALLEL, Question
from chalicelib.model import BOTH, DOWN, Dimension, Reason, Target
from chalicelib.run import Run
from headroom.region.http import HttpRequest
from headroom.region.region import Region
from tests.support.builders import INDEX_READS, READS, WRITES, held, observation
from tests.support.scenes import (
    MIDDAY,
    decisions,
    failures,
    invoke,
    invoke_after,
    log_lines,
    orders,
    pass_minutes,
    reasons,
    rules,
    skips,
    thresholds,
    units,
    woken,
    woken_after,
)

URL = "https://breaker.example/allow"
GUARDED = rules(circuit_breaker_url=URL, circuit_breaker_seconds=3)
HANDLERS = ("on_alarm", "follow_up", "scale_down", "sweep")
HOT, IDLE = (
    {READS: 95.0, WRITES: 70.0},
    {
        READS: 70.0,
        WRITES: 5.0,
        INDEX_READS: 15.0,
        Target("orders", "by-date", Dimension.WRITE): 15.0,
    },
)
Server = int | Callable[[HttpRequest], int]


def silent(_: HttpRequest) -> int:
    raise TimeoutError("timed out")


@contextmanager
def guarded(server: Server | None, config: str = GUARDED) -> Iterator[Region]:
    """The table `orders` behind a breaker; None: nobody listens there."""
    with orders(config) as region:
        region.http.requests.clear()
        if server is not None:
            region.http.servers[URL] = server
        yield region


# what the answers mean


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        *[
            pytest.param(status, None, id=f"{status} lets it go on")
            for status in (200, 201, 204, 299)
        ],
        *[
            pytest.param(status, (Reason.CIRCUIT_OPEN, BOTH), id=f"{status} holds everything")
            for status in (100, 199, 300, 302, 304, 400, 401, 404, 423, 429, 500, 503)
        ],
        pytest.param(
            OSError("timed out"), (Reason.CIRCUIT_UNKNOWN, DOWN), id="no answer holds decreases"
        ),
    ],
)
def test_what_an_answer_holds(answer: circuit_breaker.Answer, expected: object) -> None:
    assert held(circuit_breaker.judge(Question(URL, "orders", "", 3), answer)) == expected


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, URL),
        (f"{URL}?token=secret", URL),
        (f"{URL}#secret", URL),
        ("https://user:secret@breaker.example:8443/allow", "https://breaker.example:8443/allow"),
        ("http://user@breaker.example?token=a@b", "http://breaker.example"),
    ],
)
def test_what_may_be_secret_in_a_url_is_not_shown(url: str, shown: str) -> None:
    assert Question(url, "orders", "", 3).place == shown


# before every change


@pytest.mark.parametrize("handler", HANDLERS)
def test_an_open_breaker_holds_an_increase_and_the_decision_says_so(handler: str) -> None:
    with guarded(503) as region:
        invocation = woken_after(region, handler, 65, HOT)
        assert (
            units(region)["orders:read"],
            reasons(invocation)["orders:read"],
            decisions(invocation)[READS]["numbers"]["held_by"],
            invocation.error,
            skips(invocation),
        ) == (100, "CircuitBreakerOpen", f"{URL} answered 503", None, [])


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_closed_breaker_lets_an_increase_go_on(handler: str) -> None:
    with guarded(204) as region:
        woken_after(region, handler, 65, HOT)
        assert units(region)["orders:read"] > 100


@pytest.mark.parametrize(("status", "lowered"), [(200, True), (503, False)])
@pytest.mark.parametrize("handler", ["scale_down", "sweep"])
def test_a_decrease_asks_first(handler: str, status: int, lowered: bool) -> None:
    with guarded(status) as region:
        invoke_after(region, handler, 65, IDLE)
        assert (units(region)["orders:write"] < 100) == lowered


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("server", [silent, None], ids=["silence", "nobody listens"])
def test_without_an_answer_an_increase_goes_on_with_a_warning_and_no_error(
    handler: str, server: Server | None
) -> None:
    with guarded(server) as region:
        invocation = woken_after(region, handler, 65, HOT)
        assert units(region)["orders:read"] > 100
        assert (f"circuit breaker {URL}", "CircuitBreakerUnknown") in skips(invocation)
        assert (invocation.error, failures(invocation)) == (None, [])


@pytest.mark.parametrize("handler", ["scale_down", "sweep"])
def test_without_an_answer_nothing_is_lowered(handler: str) -> None:
    with guarded(silent) as region:
        invocation = invoke_after(region, handler, 65, IDLE)
        assert (units(region)["orders:write"], reasons(invocation)["orders:write"]) == (
            100,
            "CircuitBreakerUnknown",
        )
        (warning,) = log_lines(invocation, "skip")
        assert warning["message"] == (
            f"circuit breaker {URL}: passed over: no answer about orders (timed out): "
            "decreases wait, increases go on "
            "(CircuitBreakerUnknown)"
        )


def test_no_request_is_made_where_nothing_would_change() -> None:
    with guarded(503) as region:
        pass_minutes(
            region, 65, {target: 70.0 if not target.index else 14.0 for target in region.targets()}
        )
        for handler in HANDLERS:
            woken(region, handler)
        assert region.http.requests == []


def test_no_request_is_made_about_what_something_else_holds() -> None:
    with guarded(
        200, GUARDED + '\nwindows = [{ rule = "hold", between = "00:00-23:00" }]'
    ) as region:
        invoke_after(region, "sweep", 65, HOT)
        assert region.http.requests == []


def test_a_table_and_an_index_are_one_get_request_each_with_their_names() -> None:
    with guarded(200) as region:
        invoke_after(region, "scale_down", 65)
        assert set(units(region).values()) == {1}
        names = {"x-table-name": "orders"}
        got = sorted((request.headers for request in region.http.requests), key=len)
        assert (
            got,
            {
                (request.request.get_method(), request.url, request.seconds)
                for request in region.http.requests
            },
            {request.request.data for request in region.http.requests},
        ) == (
            [
                {**names, "user-agent": "headroom"},
                {**names, "x-gsi-name": "by-date", "user-agent": "headroom"},
            ],
            {("GET", URL, 3)},
            {None},
        )


def test_it_holds_only_the_table_or_the_index_of_the_request() -> None:
    with guarded(lambda request: 503 if "x-gsi-name" in request.headers else 200) as region:
        invoke_after(region, "scale_down", 65)
        assert units(region) == {
            "orders:read": 1,
            "orders:write": 1,
            "orders/by-date:read": 20,
            "orders/by-date:write": 20,
        }


def test_a_held_increase_lets_the_decrease_go_on_that_waited_for_it() -> None:
    with guarded(lambda request: 200 if "x-gsi-name" in request.headers else 503) as region:
        invocation = invoke_after(region, "sweep", 65, HOT)
        assert (reasons(invocation)["orders:read"], units(region), len(region.http.requests)) == (
            "CircuitBreakerOpen",
            {
                "orders:read": 100,
                "orders:write": 100,
                "orders/by-date:read": 1,
                "orders/by-date:write": 1,
            },
            2,
        )


def test_reads_and_writes_may_have_breakers_of_their_own() -> None:
    other = "https://breaker.example/writes"
    config = rules() + (
        f'\n[tables.read]\ncircuit_breaker_url = "{URL}"\n[tables.write]\n'
        f'circuit_breaker_url = "{other}"\n'
    )
    with guarded(503, config) as region:
        region.http.servers[other] = 200
        invoke_after(region, "scale_down", 65)
        assert (units(region)["orders:read"], units(region)["orders:write"]) == (100, 1)


def test_alarms_are_mended_whatever_it_says() -> None:
    with guarded(503) as region:
        region.cloudwatch.alarms["headroom-orders:read"].fields["Threshold"] = 1.0
        invoke_after(region, "sweep", 65, {READS: 70.0, WRITES: 70.0})
        assert thresholds(region)["headroom-orders:read"] == 4800.0


def test_a_dry_run_asks_too_and_reports_the_truth() -> None:
    with guarded(503) as region:
        pass_minutes(region, 65, HOT)
        report = handlers.preview(
            Run(Aws("headroom-alarms", http=region.http), load(GUARDED), region.now, dry_run=True),
            "orders",
        )
        assert (
            report.decisions[2].reason,
            [action for action in report.planned if "Set" in type(action).__name__],
        ) == (Reason.CIRCUIT_OPEN, [])


def test_the_same_holds_for_a_rule_in_dry_run() -> None:
    with guarded(503, rules(circuit_breaker_url=URL, dry_run=True)) as region:
        assert (
            reasons(invoke_after(region, "sweep", 65, dict.fromkeys(region.targets(), 95.0)))[
                "orders:read"
            ]
            == "CircuitBreakerOpen"
        )


# many tables


@contextmanager
def fleet(server: Server, tables: int) -> Iterator[Region]:
    with Region(MIDDAY) as region:
        for number in range(tables):
            region.create_table(f"orders-{number:03}", 100, 100)
        region.deploy(GUARDED)
        region.http.servers[URL] = server
        pass_minutes(region, 65)
        region.http.requests.clear()
        yield region


@pytest.mark.slow
def test_many_questions_are_under_way_at_once() -> None:
    """Each waits until all the others have come: one after the other they would wait for ever."""
    together = threading.Barrier(PARALLEL, timeout=20)

    def server(_: HttpRequest) -> int:
        together.wait()
        return 200

    with fleet(server, PARALLEL) as region:
        invoke(region, "scale_down")
        assert set(units(region).values()) == {1}


@pytest.mark.slow(traced=True)
def test_a_silent_url_is_given_up_for_this_run_and_tried_again_in_the_next() -> None:
    with fleet(silent, 2 * PARALLEL + 20) as region:  # more than a group of tables
        invocation = invoke(region, "scale_down")
        assert GIVEN_UP_AFTER <= len(region.http.requests) <= GIVEN_UP_AFTER + PARALLEL
        assert (set(units(region).values()), {subject for subject, _ in skips(invocation)}) == (
            {100},
            {f"circuit breaker {URL}"},
        )
        assert " and 75 more (" in log_lines(invocation, "skip")[0]["message"]
        region.http.servers[URL] = 200
        invoke(region, "scale_down")
        assert set(units(region).values()) == {1}


def test_one_silence_is_not_taken_for_the_others() -> None:
    def server(request: HttpRequest) -> int:
        return silent(request) if request.headers["x-table-name"] == "orders-003" else 200

    with fleet(server, 6) as region:
        invoke(region, "scale_down")
        assert {name.split(":")[0] for name, value in units(region).items() if value == 100} == {
            "orders-003"
        }


# a real server


class Breaker(BaseHTTPRequestHandler):
    """Answers with the status that its path names; /302 leads to a file and to a place that would
    say yes."""

    def do_GET(self) -> None:
        status = int(self.path.strip("/"))
        self.server.heard.append(dict(self.headers))  # type: ignore[attr-defined]
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/200")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    found = HTTPServer(("127.0.0.1", 0), Breaker)
    found.heard = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=found.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def response_of(url: str, seconds: float = 5.0) -> tuple[Reason, str] | None:
    """Return what a real request to a breaker about the index's reads comes to."""
    config = load(rules(circuit_breaker_url=url, circuit_breaker_seconds=seconds))
    run = Run(Aws("headroom-alarms"), config, MIDDAY)
    guarded_reads = observation(INDEX_READS, settings=run.policy(INDEX_READS))
    question = circuit_breaker.question(guarded_reads)
    assert question is not None
    held = circuit_breaker.holds(run, {INDEX_READS: guarded_reads}, [question])
    return next(((hold.reason, hold.detail) for seen in held.values() for hold in seen.holds), None)


@pytest.mark.parametrize("status", [200, 204, 302, 404, 503])
def test_a_real_answer_is_taken_as_it_is_and_no_redirect_is_followed(
    server: HTTPServer, status: int
) -> None:
    found = response_of(f"http://127.0.0.1:{server.server_port}/{status}")
    where = f"http://127.0.0.1:{server.server_port}/{status}"
    assert found == (None if status < 300 else (Reason.CIRCUIT_OPEN, f"{where} answered {status}"))
    (headers,) = server.heard  # type: ignore[attr-defined]
    heard = {name.lower(): value for name, value in headers.items()}
    assert (heard["x-table-name"], heard["x-gsi-name"], heard["user-agent"]) == (
        "orders",
        "by-date",
        "headroom",
    )


def test_a_closed_port_is_no_answer(server: HTTPServer) -> None:
    url = f"http://127.0.0.1:{server.server_port}/200"
    server.shutdown()
    server.server_close()
    found = response_of(url)
    assert found[0] is Reason.CIRCUIT_UNKNOWN
    assert "Connection refused" in found[1]


def test_a_server_that_says_nothing_is_no_answer_when_the_time_is_over() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        found = response_of(f"http://127.0.0.1:{listening.getsockname()[1]}/200", 0.05)
    assert found[0] is Reason.CIRCUIT_UNKNOWN
    assert "timed out" in found[1]


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1/allow",
        "http://127.0.0.1:port/",
        "http://no such host/",
        f"http://{'a' * 70}.example/",
    ],
)
def test_a_url_that_leads_nowhere_is_no_answer(url: str) -> None:
    assert response_of(url)[0] is Reason.CIRCUIT_UNKNOWN


def test_nothing_but_the_web_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "yes"
    file.write_text("yes")
    with pytest.raises((OSError, ValueError)):
        http.send(Request(file.as_uri()), 1.0)
