"""Resident memory: of an idle process, of an idle connection, and after millions of requests."""

import socket
import time
from contextlib import contextmanager

import machine
import peers
from backend import SMALL, backend
from load import Faulty, wrk
from probe import probe

from .section import CannotMeasure, Section
from .throughput import PATH

CONNECTIONS = 2000
MIB = 1 << 20


@contextmanager
def running(setting):
    """A fresh Sluicegate before a backend, and the generator's cores."""
    proxy, behind, generator = machine.places()
    with backend(setting, behind) as origin, peers.start("sluicegate", setting, origin.port, proxy) as process:
        yield process, generator


def idle(setting):
    """An idle process with one worker, then with connections that made one request each."""
    with running(setting) as (process, _):
        alone, private = settled(process), process.resident("RssAnon")
        # Through one connection, so that what the first request makes once is not counted to connections.
        probe(process, PATH, SMALL)
        before = settled(process)
        connections = [ask_once(process.task.clear) for _ in range(CONNECTIONS)]
        after = settled(process)
        for connection in connections:
            connection.close()
    each = (after - before) / CONNECTIONS / 1024
    section = Section("idle: resident memory with one worker and 10 rules")
    section.bar(setting, "idle process, MiB", f"{alone / MIB:.1f} (of it {private / MIB:.1f} its own, the rest mapped files)", "≤ 15", alone <= 15 * MIB)
    section.bar(setting, f"per idle HTTP/1.1 connection ({CONNECTIONS:,} of them), KiB", f"{each:.1f}", "≤ 20", each <= 20)
    return section


def ask_once(port):
    """A connection that made one request and stays open."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % PATH.encode())
    answer = b""
    while b"\r\n\r\n" not in answer or len(answer.split(b"\r\n\r\n", 1)[1]) < SMALL:
        more = connection.recv(65536)
        if not more:
            raise CannotMeasure(f"a connection was closed after {len(answer)} bytes of its answer")
        answer += more
    return connection


def settled(process):
    """Resident memory once it stands still."""
    last = process.resident()
    for _ in range(20):
        time.sleep(0.25)
        now = process.resident()
        if now == last:
            break
        last = now
    return last


def growth(setting):
    """Resident memory after each million requests."""
    goal = 100_000 if setting.quick else 1_000_000
    marks, done = [], 0
    with running(setting) as (process, on):
        url = f"http://127.0.0.1:{process.task.clear}{PATH}"
        deadline = time.monotonic() + 60 * setting.millions
        while len(marks) < setting.millions:
            if time.monotonic() > deadline:
                raise CannotMeasure(f"{done:,} requests took more than {60 * setting.millions} s")
            try:
                done += wrk(setting, process, url, on, 1 if setting.quick else 4, SMALL).requests
            except Faulty as fault:
                raise CannotMeasure(str(fault)) from fault
            if done >= goal * (len(marks) + 1):
                marks.append(settled(process))
    section = Section(f"growth: resident memory from {goal:,} to {goal * setting.millions:,} requests")
    section.table(["requests", "MiB"], [[f"{goal * (number + 1):,}", f"{mark / MIB:.2f}"] for number, mark in enumerate(marks)])
    grown = (marks[-1] - marks[0]) / 1024
    # Pages that come and go by chance are no growth; a leak of a byte a request would be 1,000 KiB a million.
    section.bar(setting, "grown by, KiB", f"{grown:.0f}", "≤ 256", grown <= 256)
    return section
