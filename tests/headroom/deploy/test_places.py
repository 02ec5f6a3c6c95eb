"""Several accounts and Regions are read side by side, and none of them stops the others."""

from threading import Event

import boto3
import pytest
from moto.sts.models import sts_backends

from headroom.deploy.places import Answer, AwsPlace, ask_all, places
from tests.support.deployed import account

HERE, THERE = AwsPlace("us-east-1"), AwsPlace("eu-west-1")
READER = "arn:aws:iam::210987654321:role/reader"


def test_every_region_of_every_profile_or_role_is_a_place() -> None:
    assert [str(place) for place in places(["eu-west-1", "us-east-1"], ["shop", "pay"])] == [
        "shop eu-west-1",
        "shop us-east-1",
        "pay eu-west-1",
        "pay us-east-1",
    ]
    assert [str(place) for place in places(["eu-west-1"], [], [READER])] == [
        "210987654321 eu-west-1"
    ]
    assert [str(place) for place in places([])] == ["here"]


def region_of(session: boto3.Session) -> str:
    return str(session.client("sts").meta.region_name)


@pytest.mark.slow
def test_the_answers_come_in_the_order_of_the_places() -> None:
    places = [HERE, AwsPlace("eu-west-1", profile="nobody"), THERE]
    first, second, third = ask_all(places, region_of, 60)
    assert (first, third) == (Answer("us-east-1", "us-east-1"), Answer("eu-west-1", "eu-west-1"))
    assert (second.value, second.place) == (None, "nobody eu-west-1")
    assert "The config profile (nobody) could not be found" in second.problem


@pytest.mark.slow(traced=True)
def test_a_silent_region_is_reported_beside_the_others() -> None:
    silent = Event()

    def ask(session: boto3.Session) -> str:
        if session.region_name == "eu-west-1":
            silent.wait()
        return region_of(session)

    # the start, then before each answer: the third never comes
    clock = iter([0.0, 0.0, 0.0, 90.0])
    places = [HERE, THERE, AwsPlace("us-west-2")]
    try:
        answers = ask_all(places, ask, 90, lambda: next(clock))
    finally:
        silent.set()
    assert [answer.value for answer in answers] == ["us-east-1", None, "us-west-2"]
    assert answers[1].problem == "no answer within 90 seconds"


def test_a_question_that_fails_is_the_answer_of_its_place() -> None:
    def ask(session: boto3.Session) -> None:
        raise KeyError(session.region_name)

    assert [answer.problem for answer in ask_all([HERE, THERE], ask, 60)] == [
        "'us-east-1'",
        "'eu-west-1'",
    ]


@pytest.mark.parametrize("external_id", ["", "secret"])
def test_a_role_is_assumed_with_its_external_id(external_id: str) -> None:
    def account_of(session: boto3.Session) -> str:
        return str(session.client("sts").get_caller_identity()["Account"])

    with account():
        (answer,) = ask_all(places(["eu-west-1"], [], [READER], external_id), account_of, 60)
        (assumed,) = sts_backends["210987654321"]["aws"].assumed_roles
    assert answer == Answer("210987654321 eu-west-1", "210987654321")
    assert (assumed.external_id or "", assumed.session_name) == (external_id, "headroom")
