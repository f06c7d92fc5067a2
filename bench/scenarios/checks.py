"""Active checks: what a proxy spends on asking many endpoints whether they are well."""

import time
import urllib.request

import machine
import peers
from backend import backend

from .section import CannotMeasure, Section

ENDPOINTS = 1000
SECONDS = 20
BAR = 0.05


def checks(setting):
    """Processor time of a proxy that does nothing but check each of its endpoints every second."""
    proxy, behind, _ = machine.places()
    with backend(setting, behind) as origin, peers.start("sluicegate", setting, origin.port, proxy, checked=ENDPOINTS) as process:
        until_healthy(process.task.admin)
        # The first checks came all at once, the second ones at random times; from here on it is as it stays.
        time.sleep(2)
        cpu, asked, began = process.cpu(), passed(process.task.admin), time.monotonic()
        time.sleep(2 if setting.quick else SECONDS)
        took = time.monotonic() - began
        cpu, asked = process.cpu().since(cpu), passed(process.task.admin) - asked
    # The next check comes after 0.9 to 1.0 of the interval.
    if asked < ENDPOINTS * took:
        raise CannotMeasure(f"only {asked / took:.0f} checks/s passed")
    share = cpu.both / took
    section = Section(f"checks: {ENDPOINTS:,} endpoints, each asked over HTTP every second")
    section.table(
        ["checks/s", "CPU µs a check: user", "system"],
        [[f"{asked / took:,.0f}", f"{cpu.user / asked * 1e6:.1f}", f"{cpu.system / asked * 1e6:.1f}"]],
    )
    section.bar(setting, "of a core", f"{share:.1%}", f"< {BAR:.0%}", share < BAR)
    return section


def until_healthy(admin):
    """Returns once every endpoint has passed its first check."""
    until = time.monotonic() + 30
    while (healthy := total(admin, "gateway_upstream_health{")) < ENDPOINTS:
        if time.monotonic() > until:
            raise CannotMeasure(f"only {healthy:.0f} of {ENDPOINTS} endpoints became healthy")
        time.sleep(0.2)


def passed(admin):
    """Checks so far that passed."""
    return total(admin, "sluicegate_health_checks_total{", 'result="passed"')


def total(admin, family, label=""):
    """The sum of a metric's series that have a label."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(family) and label in line)
