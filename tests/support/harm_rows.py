"""What the doctor reports about each harm."""

from tests.support.deployed import dev
from tests.support.harms import (
    CAPACITY,
    CONFIG,
    Harm,
    add_a_floor,
    ask_for_jobs_without_permission,
    break_the_network,
    change_a_role,
    change_capacity_by_hand,
    change_what_is_configured,
    come_near_the_quota,
    configure,
    delete_the_table_behind_a_rule,
    delete_the_topic,
    deny,
    fix_times,
    follow,
    follow_without_permission,
    give_an_unknown_field,
    hold,
    hold_a_table_of_nobody,
    leave_a_function,
    let_a_group_wait,
    let_a_table_follow_no_fleet,
    let_a_table_of_nobody_follow,
    let_the_clock_be_off,
    let_too_few_work,
    lose_a_message,
    make_an_index_too_small,
    miss_a_goal,
    open_the_topic,
    put_on_demand,
    reach_too_few,
    reject,
    replicate,
    set_up_with_another_version,
    silence,
    take_actions_away,
    tell,
    tell_a_topic_that_nobody_hears,
    tell_a_webhook_that_is_no_url,
    throttle,
    unsubscribe,
    use_an_open_topic_of_ones_own,
    write_nonsense,
)

ROWS: dict[str, tuple[Harm, str, str, str]] = {
    "give a small budget": (
        lambda deployment: configure(
            deployment.project, CONFIG.replace("5000", "5000\nmax_usd_month = 0.0001")
        ),
        "budgets",
        "of max_usd_month 0.0001; forecast to its end",
        "Raise max_usd_month",
    ),
    "put a table on demand by hand": (
        put_on_demand,
        "billing modes",
        "its mode stays: somebody else has given it its billing mode",
        "Key=headroom-mode,Value=cheapest",
    ),
    "lose credentials": (
        lambda deployment: reject(deployment, "InvalidClientTokenId"),
        "credentials",
        "AWS does not accept the credentials",
        "Sign in again",
    ),
    "let the clock be far off": (
        lambda deployment: reject(deployment, "SignatureDoesNotMatch"),
        "clock",
        "AWS does not accept the credentials",
        "Set this computer's clock",
    ),
    "let the clock be off": (let_the_clock_be_off, "clock", "seconds off AWS's", "Set the clock"),
    "take a permission": (
        lambda deployment: deny(deployment, "dynamodb", "DescribeLimits", "AccessDeniedException"),
        "quota",
        "not allowed to call DescribeLimits",
        "the permission for DescribeLimits",
    ),
    "fix the times of a function": (
        fix_times,
        "schedule",
        "sweeps lower capacity at other times too",
        'write lower_at = [{ at = "cron(0 10 * * ? *)" }] below [defaults]',
    ),
    "break the network": (break_the_network, "quota", "https://nowhere", "Check the network"),
    "lose a function": (
        lambda deployment: deployment.session.client("lambda").delete_function(
            FunctionName="headroom-dev-sweep"
        ),
        "functions",
        "headroom-dev-sweep does not exist",
        "make deploy STAGE=dev",
    ),
    "leave a function": (
        leave_a_function,
        "functions",
        "headroom-dev-on_alarm is not a function of the stage",
        "make deploy STAGE=dev",
    ),
    "change a role": (
        change_a_role,
        "permissions",
        "not that of policy-sweep.json",
        "make deploy STAGE=dev",
    ),
    "change what is configured": (
        change_what_is_configured,
        "setup",
        "policy headroom-configured of role headroom-dev-sweep-us-east-1: "
        "it is not what the configuration calls for",
        "headroom setup --stage dev",
    ),
    "name more tables than fit": (
        lambda deployment: configure(
            deployment.project,
            "".join(f'[[tables]]\nname = "orders-{number:04}"\n' for number in range(1_000)),
        ),
        "permissions",
        "1,000 names of tables do not fit",
        "fewer patterns in chalicelib/headroom.toml",
    ),
    "unsubscribe": (
        unsubscribe,
        "setup",
        "subscription of headroom-dev-on_alarm: it is not subscribed",
        "headroom setup --stage dev",
    ),
    "delete the topic": (
        delete_the_topic,
        "setup",
        "topic headroom-alarms-dev: it does not exist",
        "headroom setup --stage dev",
    ),
    "open the topic": (
        open_the_topic,
        "topic",
        "every principal with sns:Publish may publish on arn:aws:sns:us-east-1:",
        "headroom setup --stage dev",
    ),
    "use an open topic of one's own": (
        use_an_open_topic_of_ones_own,
        "topic",
        ":pages, not only alarms",
        "Add the statement NobodyElsePublishes to its policy (SECURITY.md)",
    ),
    "use a topic of one's own that is gone": (
        lambda deployment: setattr(
            deployment, "stage", dev(ALARM_TOPIC=deployment.session.location.arn("sns", "gone"))
        ),
        "topic",
        ":gone does not exist",
        "correct ALARM_TOPIC",
    ),
    "set up with another version": (
        set_up_with_another_version,
        "version",
        "it is 0.0.1, this is",
        "make deploy STAGE=dev",
    ),
    "silence": (
        silence,
        "own alarms",
        "headroom-dev-silence is in ALARM",
        "docs/operations.md, Silence",
    ),
    "reach too few": (
        reach_too_few,
        "time",
        "a run of the last day had no time for 12 table(s)",
        "docs/scale.md",
    ),
    "let a group wait": (
        let_a_group_wait,
        "workers",
        "a group of tables waited 10 minutes for a worker",
        "Raise fan_out.workers",
    ),
    "let too few work": (
        let_too_few_work,
        "setup",
        "not 9 messages may be handled side by side",
        "headroom setup --stage dev",
    ),
    "lose a message": (
        lose_a_message,
        "dead letters",
        "1 message(s) wait in headroom-dev-dead-letters",
        "headroom redrive --stage dev",
    ),
    "misspell a table": (
        lambda deployment: configure(deployment.project, CONFIG + '[[tables]]\nname = "odrers"\n'),
        "tables",
        "no table is named odrers",
        "Correct or remove the rule",
    ),
    "write a rule for nothing": (
        lambda deployment: configure(deployment.project, CONFIG + '[[tables]]\nname = "users-*"\n'),
        "tables",
        "the rule users-* matches no table",
        "Correct or remove the rule",
    ),
    "write no rule": (
        lambda deployment: configure(deployment.project, ""),
        "tables",
        "names no table",
        "Write a rule into chalicelib/headroom.toml",
    ),
    "write nonsense": (write_nonsense, "configuration", "max_unit", "`headroom check`"),
    "heal a group that is gone": (
        lambda deployment: configure(
            deployment.project, '[[tables]]\nname = "orders"\n[[healing]]\ngroup = "web"\n'
        ),
        "healing",
        "no Auto Scaling group is named web",
        "check the Region",
    ),
    "follow a fleet of none": (
        follow,
        "fleet",
        "fleet workers: no instance with its tags is running",
        "check the Region",
    ),
    "follow a group that is gone": (
        lambda deployment: follow(deployment, 'auto_scaling_group = "web"'),
        "fleet",
        "fleet workers: there is no Auto Scaling group web",
        "are not lowered",
    ),
    "follow without permission": (
        follow_without_permission,
        "fleet",
        "not allowed to call DescribeInstances",
        "permission for DescribeInstances",
    ),
    "let no table follow": (
        lambda deployment: follow(deployment, table="odrers-*"),
        "fleet",
        "fleet workers: no table is named odrers-*",
        "correct its [[fleet.tables]]",
    ),
    "let a table of nobody follow": (
        let_a_table_of_nobody_follow,
        "fleet",
        "no rule manages a table named users-*",
        "add a rule to chalicelib/headroom.toml",
    ),
    "let a table follow no fleet": (
        let_a_table_follow_no_fleet,
        "fleet",
        "jobs-1:write has the strategy fleet",
        "choose another strategy",
    ),
    "configure a fleet and deploy nothing": (
        follow,
        "functions",
        "headroom-dev-on_fleet does not exist",
        "make deploy STAGE=dev",
    ),
    "ask for jobs without permission": (
        ask_for_jobs_without_permission,
        "pause",
        "the jobs of pause nightly: not allowed to call ListClusters",
        "permission for ListClusters",
    ),
    "hold a table that is gone": (
        lambda deployment: hold(deployment, "odrers-*"),
        "pause",
        "pause nightly: no table is named odrers-*",
        "correct the pause's tables",
    ),
    "hold a table of nobody": (
        hold_a_table_of_nobody,
        "pause",
        "pause nightly: no rule manages a table named users-*",
        "add a rule to",
    ),
    "tell a topic that is gone": (
        lambda deployment: tell(deployment, CAPACITY),
        "notifications",
        f"notify_topic {CAPACITY} does not exist",
        "Create it",
    ),
    "tell a topic that nobody hears": (
        tell_a_topic_that_nobody_hears,
        "notifications",
        f"nobody has subscribed to notify_topic {CAPACITY}",
        "confirm it",
    ),
    "tell the topic of the alarms": (
        lambda deployment: tell(deployment, dev().topic_arn(deployment.session.location)),
        "notifications",
        "Headroom would read its own messages",
        "Name another topic",
    ),
    "tell a webhook that is not kept": (
        lambda deployment: tell(deployment, slack="ssm:/slack"),
        "notifications",
        "notify_slack ssm:/slack does not exist",
        "docs/notifications.md",
    ),
    "tell a webhook that is no url": (
        tell_a_webhook_that_is_no_url,
        "notifications",
        "notify_slack secretsmanager:slack: holds no https:// URL",
        "webhook's URL",
    ),
    "replicate a table": (
        replicate,
        "global tables",
        "orders is a global table, and nothing scales its writes",
        "docs/global-tables.md",
    ),
    "switch an alarm off": (
        lambda deployment: deployment.session.client("cloudwatch").disable_alarm_actions(
            AlarmNames=["headroom-orders:read"]
        ),
        "alarms",
        "alarm headroom-orders:read cannot call: its actions are switched off",
        "aws cloudwatch enable-alarm-actions --alarm-names headroom-orders:read",
    ),
    "write a floor above the warm throughput": (
        add_a_floor,
        "windows",
        "orders:read has a floor of 900 units, above its warm throughput of 800",
        "begins 30 minutes earlier",
    ),
    "give an alarm a field of the future": (
        give_an_unknown_field,
        "alarms",
        "alarm headroom-orders:read has QuietHours, which this version of boto3 cannot send back",
        "Deploy with a newer boto3",
    ),
    "take an alarm's actions away": (
        take_actions_away,
        "alarms",
        "alarm headroom-orders:read has lost its actions",
        "The next sweep corrects it",
    ),
    "have a hot key": (
        lambda deployment: throttle(deployment, "WriteKeyRangeThroughputThrottleEvents"),
        "throttling",
        "orders:write has a hot key",
        "headroom hot-keys orders",
    ),
    "throttle without a cause": (
        throttle,
        "throttling",
        "CloudWatch does not say why requests on orders:write are throttled",
        "docs/policy.md",
    ),
    "miss a goal": (
        miss_a_goal,
        "goals",
        "orders:write throttled 500,000 ppm in the last 14 days, above goal_throttled_ppm = 100",
        "headroom tune --table orders",
    ),
    "make an index too small": (
        make_an_index_too_small,
        "throttling",
        "orders:write is throttled, because its index by-date was throttled",
        "raise the max_units of its writes",
    ),
    "delete an alarm": (
        lambda deployment: deployment.session.client("cloudwatch").delete_alarms(
            AlarmNames=["headroom-orders:read"]
        ),
        "alarms",
        "orders:read has no alarm",
        "/aws/lambda/headroom-dev-sweep",
    ),
    "change capacity by hand": (
        change_capacity_by_hand,
        "alarms",
        "headroom-orders:read does not match",
        "The next sweep corrects it",
    ),
    "delete the table behind a rule": (
        delete_the_table_behind_a_rule,
        "alarms",
        "nothing exists for headroom-orders:read",
        "The next sweep corrects it",
    ),
    "register with application auto scaling": (
        lambda deployment: deployment.session.client(
            "application-autoscaling"
        ).register_scalable_target(
            ServiceNamespace="dynamodb",
            ResourceId="table/orders",
            ScalableDimension="dynamodb:table:ReadCapacityUnits",
            MinCapacity=1,
            MaxCapacity=10,
        ),
        "Application Auto Scaling",
        "orders is registered",
        "headroom import autoscaling --apply",
    ),
    "do not sweep since the understudy is configured": (
        lambda deployment: configure(deployment.project, CONFIG + "[understudy]\n"),
        "understudy",
        "orders:read has no scalable target yet",
        "The next sweep without a failure corrects it",
    ),
    "come near the quota": (
        come_near_the_quota,
        "quota",
        "most of them by big",
        "Ask AWS for a higher quota",
    ),
    "ask for more than the quota": (
        lambda deployment: configure(
            deployment.project, '[[tables]]\nname = "orders"\nmax_units = 30000\n'
        ),
        "quota",
        "max_units = 30000",
        "Lower max_units",
    ),
}
