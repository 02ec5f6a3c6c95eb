"""Checks of the account: credentials, clock and quotas."""

from collections import Counter
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from botocore.exceptions import ClientError

from chalicelib.aws.client import AwsError
from chalicelib.config.policy import TABLE_QUOTA_UNITS
from chalicelib.model import Dimension
from headroom.deploy.account import describe_error, error_code
from headroom.deploy.checks.deployment import Deployment, Finding

#: AWS refuses a signature that is five minutes off. A minute already makes the count of the day's
#: decreases wrong.
MAX_SKEW_SECONDS = 60
QUOTA_PERCENT = 80
#: The error codes for a signature with the wrong time.
SKEWED = frozenset(
    {"InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}
)


def credentials(deployment: Deployment) -> Iterator[Finding]:
    try:
        _ = deployment.session.location
    except ClientError as error:
        check, remedy = (
            ("clock", "Set this computer's clock (NTP), then run this command again.")
            if error_code(error) in SKEWED
            else ("credentials", "Sign in again, or set AWS_PROFILE.")
        )
        yield Finding(check, f"AWS does not accept the credentials: {error}", remedy)
    except AwsError as error:
        problem, _, remedy = describe_error(error).partition(". ")
        yield Finding(
            "credentials",
            problem,
            remedy
            or "Sign in, or set AWS_PROFILE. If the profile has no Region, set AWS_DEFAULT_REGION.",
        )


def clock(deployment: Deployment) -> Iterator[Finding]:
    response = deployment.session.client("sts").get_caller_identity()
    date = response["ResponseMetadata"]["HTTPHeaders"].get("date")
    skew = abs((parsedate_to_datetime(date) - deployment.now).total_seconds()) if date else 0
    if skew > MAX_SKEW_SECONDS:
        yield Finding(
            "clock",
            f"this computer's clock is {skew:.0f} seconds off AWS's",
            "Set the clock (NTP).",
        )


def quota(deployment: Deployment) -> Iterator[Finding]:
    """Compare the provisioned units, and the largest allowed ones, with the quotas."""
    limits = deployment.session.client("dynamodb").describe_limits()
    for dimension in Dimension:
        name = f"{dimension.title()}CapacityUnits"
        yield from _account_quota(deployment, dimension, int(limits[f"AccountMax{name}"]))
        yield from _table_quota(deployment, dimension, int(limits[f"TableMax{name}"]))


def _account_quota(deployment: Deployment, dimension: Dimension, limit: int) -> Iterator[Finding]:
    by_table = Counter(
        {
            name: sum(part.units[dimension] for part in table.throughputs.values())
            for name, table in (deployment.tables | deployment.other_tables).items()
        }
    )
    total = by_table.total()
    if total * 100 >= limit * QUOTA_PERCENT:
        yield Finding(
            "quota",
            f"{total} of the account's {limit} {dimension} units are provisioned, "
            f"most of them by {by_table.most_common(1)[0][0]}",
            "Ask AWS for a higher quota (Service Quotas, DynamoDB, account-level units).",
        )


def _table_quota(deployment: Deployment, dimension: Dimension, limit: int) -> Iterator[Finding]:
    """Compare max_units of each target with the quota of a table.

    The default of max_units may be above a lower quota: the operator did not choose it.
    """
    for target in deployment.targets:
        policy = deployment.rules.policy_for(target)
        if target.dimension is not dimension or not policy:
            continue
        if limit < policy.max_units != TABLE_QUOTA_UNITS:
            yield Finding(
                "quota",
                f"{target} has max_units = {policy.max_units}, but the quota of a table is {limit}",
                "Lower max_units, or ask AWS for a higher quota.",
            )
