"""Each Region has roles of its own, and those that older versions shared are left to who uses
them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from chalice.app import Chalice
from chalice.config import Config
from chalice.deploy.appgraph import ApplicationGraphBuilder
from hypothesis import given
from hypothesis import strategies as st

from headroom.deploy import records, roles, setup
from headroom.deploy.account import AwsSession, Location
from headroom.deploy.chalice_command import build_with_regional_roles
from headroom.deploy.chalice_command import roles as roles_of_graph
from headroom.deploy.stage import MAX_ROLE_NAME, Stage
from tests.support.deployed import (
    FUNCTIONS,
    account,
    configured,
    dev,
    inventory,
    make_functions,
    set_up,
    shipped_rules,
    tear_down,
)
from tests.support.harms import refuse

#: Two functions are enough for what is about roles.
NAMES = ("follow_up", "sweep")
HERE, THERE = "us-east-1", "eu-west-1"


# names


@pytest.mark.slow
@given(st.text("abc-", min_size=1, max_size=60), st.sampled_from([HERE, "ap-southeast-1"]))
def test_a_roles_name_fits_and_belongs_to_its_stage_and_region_alone(
    name: str, region: str
) -> None:
    stage = Stage("headroom", name)
    names = {stage.role(function, region) for function in FUNCTIONS}
    assert len(names) == len(FUNCTIONS)
    assert max(map(len, names)) <= MAX_ROLE_NAME
    assert all(stage.is_role(role, region) for role in names)
    assert not any(stage.is_role(role, THERE) for role in names)
    assert not any(roles.without_region(stage, role) for role in names)
    assert not any(Stage("headroom", f"{name}x").is_role(role, region) for role in names)
    assert all(role.startswith(stage.role_pattern.removesuffix("*")) for role in names)


def test_chalice_makes_the_roles_under_these_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", THERE)
    app = Chalice("headroom")
    app.schedule("rate(5 minutes)", name="sweep")(lambda event: None)
    settings = {"app_name": "headroom", "autogen_policy": False, "project_dir": str(tmp_path)}
    config = Config("dev", user_provided_params={**settings, "chalice_app": app})
    graph = build_with_regional_roles(ApplicationGraphBuilder(), config, "dev")
    assert {role.role_name for role in roles_of_graph(graph.resources)} == {
        dev().role("sweep", THERE)
    }


# an older deployment


def as_before(session: AwsSession, names: tuple[str, ...] = NAMES) -> None:
    """Deploy a stage as version 0.2 did: roles without a Region, shared by all Regions."""
    make_functions(dev(), session, names, lambda stage, name, _: stage.function(name))


def steps(session: AwsSession) -> list[setup.ResourceResult]:
    before = setup.resources_before_functions(dev(), session)
    after = setup.resources_of_functions(dev(), session, NAMES, shipped_rules())
    return list(setup.setup([*before, *after], session))


@pytest.fixture
def session() -> Iterator[AwsSession]:
    """An account with two Regions. moto has twenty, each of which costs the test half a second."""
    with account(HERE) as session:
        regions = {"Regions": [{"RegionName": HERE}, {"RegionName": THERE}]}
        answer = SimpleNamespace(status_code=200), regions
        events = session.client("ec2").meta.events
        events.register("before-call.ec2.DescribeRegions", lambda **_: answer)
        yield session


def about_roles(results: list[setup.ResourceResult]) -> dict[str, str]:
    return {o.subject: o.result for o in results if o.subject.startswith("role ")}


def move(session: AwsSession) -> None:
    """Deploy the functions anew, each with its new role."""
    for name in NAMES:
        role = dev().role(name, session.location.region)
        arn = session.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument="{}")
        session.client("lambda").update_function_configuration(
            FunctionName=dev().function(name), Role=arn["Role"]["Arn"]
        )


OLD = [dev().function(name) for name in NAMES]


@pytest.mark.slow(traced=True)
def test_roles_of_an_older_version_are_kept_while_a_region_uses_them(
    session: AwsSession, tmp_path: Path
) -> None:
    other = session.in_region(THERE)
    list(setup.setup(setup.resources_before_functions(dev(), session), session))
    as_before(session)
    as_before(other, ("sweep",))
    assert about_roles(steps(session)) == {}
    assert all(configured(session, role) for role in OLD)
    move(session)
    kept = f"role headroom-dev-sweep (kept for {THERE})"
    assert about_roles(steps(session)) == {
        "role headroom-dev-follow_up": "applied",
        kept: "already correct",
    }
    assert about_roles(steps(session)) == {kept: "already correct"}
    assert about_roles(tear_down(dev(), session, tmp_path))[kept] == "kept"
    left = {one for one in inventory(session.client) if one.startswith("role")}
    assert left == {"role headroom-dev-sweep"}
    tear_down(dev(), other, tmp_path)
    assert inventory(session.client) == set()


@pytest.mark.slow(traced=True)
def test_where_a_region_does_not_answer_no_role_is_taken_away(session: AwsSession) -> None:
    list(setup.setup(setup.resources_before_functions(dev(), session), session))
    as_before(session)
    move(session)
    refuse(session.client("ec2"), "DescribeRegions", "UnauthorizedOperation")
    assert set(about_roles(steps(session)).values()) == {"already correct"}


@pytest.mark.slow
def test_one_stage_lives_in_two_regions_of_an_account_and_leaves_one_by_one(
    session: AwsSession, tmp_path: Path
) -> None:
    other = session.in_region(THERE)
    set_up(dev(), session)
    here = inventory(session.client)
    set_up(dev(), other)
    tear_down(dev(), other, tmp_path)
    assert inventory(session.client) == here


# Chalice's record


def test_chalice_finds_the_record_of_the_place_that_it_deploys_to(tmp_path: Path) -> None:
    folder = tmp_path / ".chalice" / "deployed"
    folder.mkdir(parents=True)
    here, there = Location("aws", HERE, "1"), Location("aws", THERE, "1")
    current = folder / "dev.json"
    current.write_text(record(here))
    records.choose(dev(), tmp_path, here)
    assert current.read_text() == record(here)
    records.choose(dev(), tmp_path, there)
    assert not current.exists()
    current.write_text(record(there))
    assert records.record_of(dev(), tmp_path, here).read_text() == record(here)
    assert records.record_of(dev(), tmp_path, there) == current
    for place in (here, there, replace(here, account="2")):
        records.choose(dev(), tmp_path, place)
    assert sorted(file.name for file in folder.iterdir()) == [
        f"dev.1.{THERE}.json",
        f"dev.1.{HERE}.json",
    ]


def record(location: Location) -> str:
    arn = location.arn("lambda", "function:headroom-dev-sweep")
    role = {"name": "sweep_role", "role_arn": "arn:aws:iam::1:role/x"}
    return json.dumps({"resources": [role, {"name": "sweep", "lambda_arn": arn}]})
