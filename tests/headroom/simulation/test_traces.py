"""Traces: what a file must look like, every way in which it does not, and the generated day."""

import gzip
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


HEAD = "minute,demand\n"
MINUTES = "minutes count up from 0 without a gap"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", ": no minute in it", id="empty"),
        pytest.param(HEAD, ": no minute in it", id="a header alone"),
        pytest.param(
            "0,1\n1,2\n", ":1: expected the header minute,demand, got '0,1'", id="no header"
        ),
        pytest.param(
            "time,units\n0,1\n",
            ":1: expected the header minute,demand, got 'time,units'",
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
    assert str(caught.value) == f"{path}{message}"


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
    assert message.startswith(f"{path}: not a CSV file (")
    assert detail in message
    assert message.endswith("; expected the columns minute,demand")


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
