"""Dynamic DynamoDB's configuration files: examples, and what became of them."""

from textwrap import dedent

from chalicelib.config import loader
from chalicelib.config.policy import Policy
from chalicelib.config.rules import Config
from chalicelib.config.windows import Window
from chalicelib.model import Dimension, Target
from headroom.migrate.dynamic_dynamodb import translate
from headroom.migrate.imported import LOST, Imported, Line

READ, WRITE = Dimension.READ, Dimension.WRITE
TOPIC = "arn:aws:sns:eu-west-1:123456789012:capacity"


def imported(text: str, annotate: bool = False) -> Imported:
    return translate(dedent(text), annotate)


def rules(text: str) -> Config:
    """Return our configuration of a text of theirs, none of which is lost."""
    found = imported(text)
    assert [str(line) for line in found.lines if line.kind in LOST] == []
    return loader.load(found.toml)


def policy(
    found: Config, table: str = "orders", index: str = "", dimension: Dimension = READ
) -> Policy:
    settings = found.policy_for(Target(table, index, dimension))
    assert settings is not None
    return settings


def reads(*lines: str) -> Policy:
    """Return the settings of a table's reads under some lines of its section."""
    return policy(rules("\n".join(["[table: ^orders$]", *lines])))


def line(text: str, number: int) -> Line:
    """Return what became of a line; the first is 1."""
    return next(found for found in imported(text).lines if found.number == number)


def explanation(text: str, number: int) -> str:
    return str(line(text, number))


# examples: between them, every option that the documentation tells of

PLAIN = """
# one host, two tables
[global]
region: eu-west-1
check-interval: 300
circuit-breaker-url: https://gate.example.com/scaling
circuit-breaker-timeout: 500

[logging]
log-level: info
log-file: /var/log/scaling.log

[table: ^orders$]
reads-upper-threshold: 85
reads-lower-threshold: 25
increase-reads-with: 40
decrease-reads-with: 20
increase-reads-unit: percent
decrease-reads-unit: percent
min-provisioned-reads: 20
max-provisioned-reads: 900
writes-upper-threshold: 75
writes-lower-threshold: 35
increase-writes-with: 60
decrease-writes-with: 15
increase-writes-unit: units
decrease-writes-unit: units
min-provisioned-writes: 30
max-provisioned-writes: 700
maintenance-windows: 22:00-23:59,00:00-06:00
allow-scaling-down-reads-on-0-percent: true
allow-scaling-down-writes-on-0-percent: false
always-decrease-rw-together: true

[gsi: ^by-date$ table: ^orders$]
reads-upper-threshold: 70
increase-reads-unit: units
increase-reads-with: 5
decrease-reads-unit: percent
increase-writes-unit: percent
decrease-writes-unit: percent
"""

DEFAULTS = f"""
[global]
aws-access-key-id: AKIAEXAMPLE
aws-secret-access-key-id: not-to-be-shown

[logging]
log-config-file: /etc/scaling/logging.conf

[default_options]
increase-reads-unit = percent
decrease-reads-unit = percent
increase-writes-unit = percent
decrease-writes-unit = percent
num-read-checks-before-scale-down = 3
num-write-checks-before-scale-down = 4
num-read-checks-reset-percent = 60
num-write-checks-reset-percent = 70
lookback-window-start = 6
lookback-period = 1
throttled-reads-upper-threshold = 100
throttled-writes-upper-threshold = 50
sns-topic-arn = {TOPIC}
sns-message-types = scale-up, scale-down, high-throughput-alarm, low-throughput-alarm
reads-upper-alarm-threshold = 80
reads-lower-alarm-threshold = 10
writes-upper-alarm-threshold = 120
writes-lower-alarm-threshold = 5

[table: ^log_.*]
enable-reads-autoscaling = true
enable-writes-autoscaling = false
enable-reads-up-scaling = true
enable-reads-down-scaling = false

[table: session]
enable-writes-up-scaling = false
enable-writes-down-scaling = true
sns-message-types = scale-up
"""

GRANULAR = """
[table: ^orders$]
increase-reads-unit: percent
decrease-reads-unit: percent
increase-writes-unit: percent
decrease-writes-unit: percent
increase-consumed-reads-unit: percent
increase-consumed-reads-with: 30
increase-consumed-reads-scale: {60: 5, 75: 10, 90: 20, 100: 50,
    200: 100}
increase-consumed-writes-unit: units
increase-consumed-writes-with: 40
increase-consumed-writes-scale: {0: 0, 80: 100}
increase-throttled-by-provisioned-reads-unit: percent
increase-throttled-by-provisioned-reads-scale: {0: 0, 0.25: 5, 0.5: 10, 1: 20, 2: 50, 5: 100}
increase-throttled-by-provisioned-writes-unit: units
increase-throttled-by-provisioned-writes-scale: {1: 15}
increase-throttled-by-consumed-reads-unit: units
increase-throttled-by-consumed-reads-scale: {1: 25}
increase-throttled-by-consumed-writes-unit: percent
increase-throttled-by-consumed-writes-scale: {3: 35}
decrease-consumed-reads-unit: percent
decrease-consumed-reads-with: 10
decrease-consumed-reads-scale: {10: 50, 20.5: 25}
decrease-consumed-writes-unit: units
decrease-consumed-writes-with: 7
decrease-consumed-writes-scale: {15: 8}
"""

#: The documentation's own steps, in percent of what is provisioned, on its own cause.
TINY_STEPS = """
[table: ^orders$]
increase-consumed-reads-unit: percent
increase-consumed-reads-scale: {0: 0, 0.25: 5, 0.5: 10, 1: 20, 2: 50, 5: 100}
"""

NIGHT = Window("never_down", outside="22:00-06:00")
