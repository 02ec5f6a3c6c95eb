"""Files that an operator hands over, broken in every way: each is read, or refused in words.

The corpus has one file of every form. A reader may raise what it promises, and nothing else.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config import loader
from chalicelib.config.loader import ConfigError
from chalicelib.model import Dimension, Target
from headroom import remarks
from headroom.migrate import dynamic_dynamodb
from headroom.simulation import traces
from headroom.simulation.traces import TraceError
from tests.support.mutations import mutated

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

CORPUS = Path(__file__).parent / "corpus"
#: What stands where something else should.
ODD = (
    "-1",
    "1e400",
    "nan",
    "-inf",
    "9" * 40,
    "0x10",
    '"',
    "[",
    "{}",
    "(a+)+$",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "\udfff",
    "😀",
    "%(x)s",
    "true",
    "0000-00-00T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "a" * 300,
    "\n[tables]\n",
    "",
)


def broken(text: str) -> st.SearchStrategy[str]:
    """Return a text with one to four parts replaced, repeated or left out."""
    spots = st.tuples(
        st.integers(0, len(text)),
        st.sampled_from((0, 1, 2, 5, 20, 200)),
        st.sampled_from(ODD) | st.text(max_size=4) | st.just("again"),
    )
    return st.lists(spots, min_size=1, max_size=4).map(lambda found: _replaced(text, found))


def _replaced(text: str, spots: list[tuple[int, int, str]]) -> str:
    for start, length, new in spots:
        part = text[start : start + length]
        text = text[:start] + (part * 2 if new == "again" else new) + text[start + length :]
    return text


def files(*folders: Path) -> st.SearchStrategy[str]:
    """Return broken texts of the files of some folders."""
    paths = sorted(path for folder in folders for path in folder.iterdir() if path.is_file())
    return st.sampled_from([path.read_text() for path in paths]).flatmap(broken)


def read_trace(text: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace"
        path.write_bytes(text.encode(errors="surrogatepass"))
        demand = traces.load(path).demand
    assert all(rate >= 0 for rate in demand)


def read_configuration(text: str) -> None:
    config = loader.load(text)
    remarks.remarks(config)
    for table in ("orders-eu", "cart-1", "a" * 255):
        for dimension in Dimension:
            config.policy_for(Target(table, "by-date", dimension))


def import_dynamic_dynamodb(text: str) -> None:
    imported = dynamic_dynamodb.translate(text)
    assert loader.load(imported.toml)


@pytest.mark.fuzz
@pytest.mark.slow
@given(files(CORPUS / "configuration"))
def test_a_configuration_is_read_or_every_mistake_is_named(text: str) -> None:
    with suppress(ConfigError):
        read_configuration(text)


@pytest.mark.fuzz
@pytest.mark.slow
@given(files(CORPUS / "trace"))
def test_a_trace_is_read_or_its_line_is_named(text: str) -> None:
    with suppress(TraceError):
        read_trace(text)


EXPORTS = [json.loads(path.read_text()) for path in sorted((CORPUS / "trace").glob("*.json"))]


@pytest.mark.fuzz
@pytest.mark.slow
@given(st.sampled_from(EXPORTS).flatmap(mutated))
def test_an_export_with_anything_in_it_is_read_or_refused(export: object) -> None:
    with suppress(TraceError):
        read_trace(json.dumps(export))


@pytest.mark.fuzz
@pytest.mark.slow
@given(files(CORPUS / "dynamic-dynamodb"))
def test_whatever_is_imported_is_a_configuration_that_works(text: str) -> None:
    import_dynamic_dynamodb(text)


@pytest.mark.parametrize(
    ("folder", "read"),
    [
        ("configuration", read_configuration),
        ("trace", read_trace),
        ("dynamic-dynamodb", import_dynamic_dynamodb),
    ],
)
def test_every_file_of_the_corpus_is_right(folder: str, read: Callable[[str], None]) -> None:
    for path in (CORPUS / folder).iterdir():
        read(path.read_text())
