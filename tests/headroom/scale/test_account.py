"""The account: its mix of tables, and the alarms that Headroom would have made."""

from collections import Counter

from headroom.scale.account import SHAPES, Account
from headroom.scale.simulation import BEGIN


def test_twenty_tables_have_a_mean_of_2_8_targets():
    account = Account(20, BEGIN)
    assert len(account.demands) == 20 * 2.8
    assert len(SHAPES) == 20


def test_tables_of_1_3_and_11_managed_targets_are_among_them():
    account = Account(20, BEGIN)
    managed = Counter(target.table for target in account.managed)
    assert {1, 2, 3, 4, 11} == set(managed.values())
    words = {"one": 1, "two": 2, "three": 3, "four": 4, "eleven": 11}
    assert all(count == words[table.split("-")[0]] for table, count in managed.items())


def test_no_alarm_of_a_steady_account_is_in_alarm_and_a_hot_one_is():
    account = Account(20, BEGIN)
    hot = account.managed[0]
    account.make_hot([hot])
    account.make_alarms()
    assert set(account.alarms) == {f"headroom-{target}" for target in account.managed}
    assert account.in_alarm == {f"headroom-{hot}"}
