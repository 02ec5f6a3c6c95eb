"""The embedded region is embedded: an endpoint of the operator's own is never asked."""

import pytest

from headroom.region.region import Region


def test_an_endpoint_in_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with Region() as region:
        region.create_table("orders")
        assert region.client("dynamodb").list_tables()["TableNames"] == ["orders"]
