"""How long an answer takes at a fixed rate, half of what HAProxy can do."""

from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import machine
import peers
from backend import SMALL, backend
from load import CONNECTIONS, Faulty, h2load, wrk
from probe import probe
from rounds import alternate, ratios, spread

from .section import CannotMeasure, Section
from .throughput import PATH

#: What is left out at the beginning of a measurement, in µs: connections are made then.
BEGINNING = 500_000


@dataclass
class Times:
    """Milliseconds that answers took."""

    half: float
    p99: float
    p999: float
    rate: float


def p99(setting):
    """Percentiles at the same rate for all. Envoy is left out unless asked for: the rate is more than its maximum here."""
    names = setting.having(setting.peers or ["haproxy", "nginx"]) + ["sluicegate"]
    proxy, behind, generator = machine.places()
    with ExitStack() as started:
        origin = started.enter_context(backend(setting, behind))
        running = {name: started.enter_context(peers.start(name, setting, origin.port, proxy)) for name in names}
        rate = (setting.haproxy_maximum or maximum(setting, running, generator)) / 2

        def one(name, _):
            probe(running[name], PATH, SMALL)
            return at_rate(setting, running[name], generator, rate)

        rounds, thrown = alternate(setting, names, one, must_be_busy=False)
    section = Section(f"p99: HTTP/1.1 at {rate:,.0f} requests/s, half of HAProxy's maximum, 64 connections")
    if not all(rounds.values()):
        raise CannotMeasure("no round was without fault: " + "; ".join(sorted(set(thrown))))
    rows = [
        [peers.TITLES[name], *(spread([getattr(one, what) for one in of], "{:.2f}") for what in ("half", "p99", "p999")), spread([one.rate for one in of])]
        for name, of in rounds.items()
    ]
    section.table(["ms", "p50", "p99", "p99.9", "requests/s"], rows)
    if "haproxy" in rounds:
        by = ratios([one.p99 for one in rounds["sluicegate"]], [one.p99 for one in rounds["haproxy"]])
        section.bar(setting, "p99 by HAProxy's", spread(by, "{:.2f}"), "≤ 1.1", median(by) <= 1.1)
    section.thrown(thrown)
    return section


def maximum(setting, running, on):
    """HAProxy's requests/s when h1 was not measured in this run; without HAProxy Sluicegate's."""
    process = running.get("haproxy", running["sluicegate"])
    url = f"http://127.0.0.1:{process.task.clear}{PATH}"
    try:
        return max(wrk(setting, process, url, on, setting.seconds, SMALL).rate for _ in range(2))
    except Faulty as fault:
        raise CannotMeasure(f"the rate to measure at is not known: {fault}") from fault


def at_rate(setting, process, on, rate):
    """Percentiles of one measurement: h2load prints none, its log has every answer's time."""
    log = setting.folder / "times.log"
    log.unlink(missing_ok=True)
    url = f"http://127.0.0.1:{process.task.clear}{PATH}"
    extra = ["--h1", f"--rps={rate / CONNECTIONS:.1f}", f"--log-file={log}"]
    measured = h2load(setting, process, url, on, setting.seconds, SMALL, extra)
    rows = [tuple(map(int, line.split("\t")[:3])) for line in log.read_text().splitlines()]
    first = min(start for start, _, _ in rows)
    if any(status != 200 for _, status, _ in rows):
        raise Faulty("an answer was not 200")
    times = sorted(micros for start, _, micros in rows if start - first >= BEGINNING)
    if len(times) < 1000:
        raise Faulty(f"only {len(times)} answers")
    if measured.rate < 0.9 * rate:
        raise Faulty(f"{measured.rate:,.0f} requests/s instead of {rate:,.0f}")

    def at(share):
        return times[min(len(times) - 1, int(len(times) * share))] / 1000

    return Times(at(0.5), at(0.99), at(0.999), measured.rate)
