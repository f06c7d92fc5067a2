"""Rounds: A B C D, A B C D, …, so that whatever else happens on the machine happens to all of them alike."""

import sys
from statistics import median

from load import Faulty
from process import Gone

#: A proxy that did not use its core was not what was measured.
BUSY = 0.95
#: How many rounds of a scenario may be repeated: a machine that is never quiet must not hold up the run.
REPEATS = 4


def alternate(setting, names, measure, must_be_busy=True):
    """`{name: [measured of round 1, …]}` of the rounds that count, and what was thrown away. `measure(name, number)` does one.

    Where no round keeps every core busy, the last one is given, so that the report can show what the limit was not.
    """
    rounds, thrown, idle = {name: [] for name in names}, [], None
    spare = REPEATS
    number = 0
    while number < setting.rounds:
        result, again = {}, None
        for name in names:
            try:
                result[name] = measure(name, number)
            except (Faulty, Gone) as fault:
                again = f"{name}: {fault}"
                break
        else:
            lazy = [f"{name}: its core was not busy" for name in names if must_be_busy and result[name].busy < BUSY]
            if lazy and not setting.quick:
                again, idle = "; ".join(lazy), result
        if again:
            thrown.append(again)
            print(f"thrown away: {again}", file=sys.stderr, flush=True)
            if spare == 0:
                break
            spare -= 1
            continue
        for name, one in result.items():
            rounds[name].append(one)
        number += 1
    if not number and idle:
        return {name: [one] for name, one in idle.items()}, thrown
    return rounds, thrown


def spread(values, form="{:,.0f}"):
    """The median, and the least and the most in brackets."""
    return f"{form.format(median(values))} ({form.format(min(values))}–{form.format(max(values))})"


def ratios(ours, theirs):
    """Ours by theirs, round by round."""
    return [one / other for one, other in zip(ours, theirs)]
