"""The roles of a stage's functions, and what older versions left of them.

A role belongs to the whole account. Its name has the Region, so that a stage may be in several
Regions. Until version 0.2 the name had none: such a role may serve several Regions, and is kept
until no function uses it.
"""

from collections.abc import Collection, Iterator, Mapping

from botocore.exceptions import ClientError

from headroom.deploy.account import AwsSession, get_or_none
from headroom.deploy.stage import Stage


def roles_in_use(stage: Stage, session: AwsSession) -> dict[str, str]:
    """Return the roles of the stage's functions in the session's Region, by short names; that of
    the understudy, too."""
    return {
        name.removeprefix(stage.function("")): str(function["Role"]).rsplit("/", 1)[-1]
        for function in session.pages("lambda", "list_functions", "Functions")
        if stage.is_function(name := str(function["FunctionName"]))
    }


def without_region(stage: Stage, role: str) -> bool:
    """Tell whether a role is one that an older version made for the stage."""
    return stage.is_function(role) or role == stage.prefix


def replaced_roles(
    stage: Stage, session: AwsSession, in_use: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield each role without a Region whose function has one with the Region now, and who uses it.

    in_use: as `roles_in_use` returns it. The second text is "" for a role that nobody uses.
    """
    region, get = session.location.region, session.client("iam").get_role
    left = [
        stage.function(short)
        for short, role in sorted(in_use.items())
        if role == stage.role(short, region) and get_or_none(get, RoleName=stage.function(short))
    ]
    yield from users(stage, session, left).items()


def users(stage: Stage, session: AwsSession, roles: Collection[str]) -> dict[str, str]:
    """Return where each of these roles is in use, as a text; "" for nowhere.

    All Regions of the account are looked at, since a role without users is deleted. If one of them
    does not answer, every role counts as used.
    """
    if not roles:
        return {}
    regions: dict[str, list[str]] = {role: [] for role in roles}
    try:
        for found in session.client("ec2").describe_regions()["Regions"]:
            there = session.in_region(str(found["RegionName"]))
            for role in regions.keys() & set(roles_in_use(stage, there).values()):
                regions[role].append(str(found["RegionName"]))
    except ClientError as error:
        return dict.fromkeys(roles, f"perhaps another Region ({error.operation_name} failed)")
    return {role: ", ".join(sorted(names)) for role, names in regions.items()}
