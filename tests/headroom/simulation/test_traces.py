"""Traces: what a file must look like, every way in which it does not, and the generated day."""

import gzip
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from headroom.simulation import traces
from headroom.simulation.traces import TraceError


def written(folder: Path, text: str, name: str = "trace.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "trace"),
    [
        pytest.param("minute,demand\n0,1.5\n1,0\n", [1.5, 0.0], id="plain"),
        pytest.param(
            "minute,demand\r\n0,1.5\r\n1,2\r\n", [1.5, 2.0], id="with a spreadsheet's line ends"
        ),
        pytest.param(
            "\ufeffminute,demand\n0,1.5\n", [1.5], id="with a spreadsheet's byte order mark"
        ),
        pytest.param("Minute, Demand\n0, 1e3\n", [1000.0], id="spaces and capitals"),
        pytest.param("minute,demand\n0,1,what else\n", [1.0], id="more columns"),
    ],
)
def test_a_trace_is_minutes_and_demand(text: str, trace: list[float], tmp_path: Path) -> None:
    assert traces.read(written(tmp_path, text)) == trace


def test_a_gzipped_trace_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(gzip.compress(b"minute,demand\n0,1.5\n"))
    assert traces.read(path) == [1.5]


STATISTICS = json.dumps(
    {
        "Label": "ConsumedReadCapacityUnits",
        "Datapoints": [
            {"Timestamp": "2026-11-02T00:05:00+00:00", "Sum": 600.0, "Unit": "Count"},
            {"Timestamp": "2026-11-02T00:00:00+00:00", "Sum": 300.0, "Unit": "Count"},
        ],
    }
)
METRIC_DATA = json.dumps(
    {
        "MetricDataResults": [
            {
                "Id": "m1",
                "Label": "ConsumedReadCapacityUnits",
                "Timestamps": ["2026-11-02T00:02:00Z", "2026-11-02T00:01:00Z"],
                "Values": [120.0, 60.0],
                "StatusCode": "Complete",
            }
        ]
    }
)


@pytest.mark.parametrize(
    ("text", "demand", "remark"),
    [
        pytest.param(
            "timestamp,value\n2026-11-02T00:01:00Z,5\n2026-11-02T00:03:00Z,7\n",
            [5.0, 5.0, 5.0, 7.0, 7.0],
            "read as units per second, from 2026-11-02 00:00 UTC on; "
            "1 minute without a value, filled with the one before",
            id="every second minute is a period of two",
        ),
        pytest.param(
            "Time,Reads\n1793577600,5\n1793577660,6\n1793577780,8\n",
            [5.0, 6.0, 6.0, 8.0],
            "1 minute without a value, filled with the one before",
            id="seconds since 1970, with a gap",
        ),
        pytest.param(
            "Label,Reads\nStatistic,Sum\n\n2026/11/02 00:00:00,60\n2026/11/02 00:01:00,120\n\n",
            [1.0, 2.0],
            "read as sums of 1 minute, from 2026-11-02 00:00 UTC on",
            id="headings that name the sum",
        ),
        pytest.param(
            STATISTICS, [1.0] * 5 + [2.0] * 5, "sums of 5 minutes", id="get-metric-statistics"
        ),
        pytest.param(
            METRIC_DATA, [1.0, 1.0, 2.0], "1 minute without a value", id="get-metric-data"
        ),
    ],
)
def test_an_export_has_a_start_and_says_how_it_was_read(
    text: str, demand: list[float], remark: str, tmp_path: Path
) -> None:
    trace = traces.load(written(tmp_path, text))
    assert trace.demand == demand
    assert f"{trace.start:%Y-%m-%d %H:%M}" == "2026-11-02 00:00"
    assert remark in trace.remark


def test_sums_can_be_said_to_be_sums_and_days_cut(tmp_path: Path) -> None:
    begin = datetime(2026, 11, 2, tzinfo=timezone(timedelta(hours=1)))
    times = (begin + timedelta(minutes=minute) for minute in range(3000))
    lines = "".join(f"{at.isoformat()},60\n" for at in times)
    trace = traces.load(written(tmp_path, lines), sums=True)
    assert set(trace.demand) == {1.0}
    assert f"{trace.start:%Y-%m-%d}" == "2026-11-01"  # 00:00 at +01:00 is 23:00 UTC
    assert len(trace.cut(1).demand) == 1440
    assert trace.cut(None) == trace


HEAD = "minute,demand\n"
MINUTES = "minutes count up from 0 without a gap"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", ": no minute in it", id="empty"),
        pytest.param(
            "time,value\n2026-11-02 00:00,1\nmuch,2\n",
            ":3: expected a time and a number, got 'much,2'",
            id="a row without a time",
        ),
        pytest.param(
            "2026-11-02 00:00,1,2\n",
            ":1: expected rows of a time and a value, got '2026-11-02 00:00,1,2'",
            id="two values",
        ),
        pytest.param(
            "title\n" * 21 + "2026-11-02 00:00,1\n",
            ":21: expected a time and one value, got 'title'",
            id="no end of the headings",
        ),
        pytest.param(
            "2026-11-02,1\n9999-11-02,2\n",
            ": from 2026-11-02 to 9999-11-02 are 2,912,078 days; at most 1,830 are read",
            id="a wrong year",
        ),
        pytest.param(
            "2026-11-02,1\n2026-11-02,2\n", ": two values at 2026-11-02 00:00", id="a time twice"
        ),
        pytest.param(
            "2026-11-02T00:00:00,1\n2026-11-02T00:00:30,2\n",
            ": values every 30 seconds: export each minute",
            id="half minutes of time",
        ),
        pytest.param(
            "2026-11-02,-1\n", ": demand must be 0 or more, got -1.0 at 2026-11-02 00:00", id="<0"
        ),
        pytest.param("{", ": not JSON: Expecting", id="no JSON"),
        pytest.param(
            '{"Metrics": []}',
            ": expected the answer of get-metric-data or of get-metric-statistics",
            id="another answer",
        ),
        pytest.param(
            '{"Datapoints": [{"Timestamp": "2026-11-02T00:00:00Z", "Average": 1, "Unit": ""}]}',
            ": its statistic is Average: export the statistic Sum",
            id="an average",
        ),
        pytest.param(
            '{"MetricDataResults": [{"Label": "a"}, {"Label": "b"}]}',
            ": expected one metric, got 2: a, b",
            id="two metrics",
        ),
        pytest.param(
            '{"MetricDataResults": [{"Timestamps": ["x"], "Values": [1]}]}',
            ": a datapoint is not as CloudWatch writes it: ",
            id="a bad datapoint",
        ),
        pytest.param('{"Datapoints": []}', ": no value in it", id="no datapoint"),
        pytest.param(HEAD, ": no minute in it", id="a header alone"),
        pytest.param(
            "0,1\n1,2\n", ":1: expected rows of a time and a value, got '0,1,1,2'", id="no header"
        ),
        pytest.param(
            "time,units\n0,1\n",
            ":1: expected rows of a time and a value, got 'time,units,0,1'",
            id="other columns",
        ),
        pytest.param(
            HEAD + "0,1\nx,2\n", ":3: expected a minute and a number, got 'x,2'", id="no minute"
        ),
        pytest.param(
            HEAD + "0,much\n", ":2: expected a minute and a number, got '0,much'", id="no number"
        ),
        pytest.param(HEAD + "0\n", ":2: expected a minute and a number, got '0'", id="one column"),
        pytest.param(
            HEAD + "0,1\n\n1,2\n", ":3: expected a minute and a number, got ''", id="an empty line"
        ),
        pytest.param(
            HEAD + "0.0,1\n", ":2: expected a minute and a number, got '0.0,1'", id="half minutes"
        ),
        pytest.param(HEAD + "0,1\n2,1\n", f":3: expected minute 1, got 2; {MINUTES}", id="a gap"),
        pytest.param(HEAD + "1,1\n", f":2: expected minute 0, got 1; {MINUTES}", id="begins late"),
        pytest.param(
            HEAD + "0,1\n0,1\n", f":3: expected minute 1, got 0; {MINUTES}", id="a minute twice"
        ),
        pytest.param(HEAD + "0,-1\n", ":2: demand must be 0 or more, got -1", id="negative"),
        pytest.param(HEAD + "0,nan\n", ":2: demand must be 0 or more, got nan", id="not a number"),
        pytest.param(HEAD + "0,inf\n", ":2: demand must be 0 or more, got inf", id="infinite"),
    ],
)
def test_a_bad_trace_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(TraceError) as caught:
        traces.read(path)
    assert str(caught.value).startswith(f"{path}{message}")


GOOD = gzip.compress(
    b"minute,demand\n"
    + b"".join(b"%d,%d\n" % (minute, minute * 7919 % 977) for minute in range(3000))
)


@pytest.mark.parametrize(
    ("name", "content", "detail"),
    [
        pytest.param("a.csv.gz", b"minute,demand\n0,1\n", "Not a gzipped file", id="not gzipped"),
        pytest.param("a.csv.gz", GOOD[:-300], "ended before", id="cut off"),
        pytest.param("a.csv.gz", GOOD[:600] + b"\0" * 40 + GOOD[640:], "Error -3", id="damaged"),
        pytest.param(
            "a.csv", b"minute,demand\n0,\xff\xfe\n", "can't decode byte 0xff", id="no text"
        ),
        pytest.param(
            "a.csv",
            b'minute,demand\n0,"' + b"1" * 200_000,
            "field larger than field limit",
            id="one endless field",
        ),
    ],
)
def test_another_file_than_csv_is_refused_in_a_sentence(
    name: str, content: bytes, detail: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TraceError) as caught:
        traces.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: no trace (")
    assert detail in message
    assert message.endswith(f"; expected {traces.EXPECTED}")


def test_the_generated_trace_is_the_same_every_time_and_has_a_night_an_evening_and_a_crowd() -> (
    None
):
    day = traces.generated()
    assert day == traces.generated(seed=7) != traces.generated(seed=8)
    assert len(traces.generated(3)) == 3 * len(day) == 3 * 1440
    night, evening = sum(day[3 * 60 : 5 * 60]) / 120, sum(day[18 * 60 : 20 * 60]) / 120
    assert evening > 3 * night
    assert 15 * 60 <= day.index(max(day)) <= 16 * 60
    assert min(day) >= 0


def test_an_outage_of_the_callers_comes_once_a_day_for_5_to_60_minutes() -> None:
    demand = traces.with_outages([10.0] * 1440 * 5)
    idle = [demand[day * 1440 : (day + 1) * 1440].count(0.0) for day in range(5)]
    assert len(demand) == 1440 * 5
    assert min(idle) >= 5
    assert max(idle) <= 60
