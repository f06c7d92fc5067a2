"""As many requests as go through one core: by protocol and by size."""

from contextlib import ExitStack
from statistics import median

import machine
import peers
from backend import LARGE, SMALL, backend
from load import h2load, wrk
from probe import probe
from rounds import alternate

from .section import CannotMeasure, Section

#: Of ten rules the sixth: as far from the first as from the last.
PATH = "/app-5/"
WARM_UP = 1
#: With 64 clients, 256 requests at a time, which is what the peers' guides keep connections for.
STREAMS = 4


def compare(setting, title, names, measure, check):
    """Starts the proxies beside one backend and measures them in turn: a section without bars yet, and the rounds."""
    names = setting.having(list(dict.fromkeys([*(setting.peers or names), "sluicegate"])))
    proxy, behind, generator = machine.places()
    with ExitStack() as started:
        origin = started.enter_context(backend(setting, behind))
        running = {name: started.enter_context(peers.start(name, setting, origin.port, proxy)) for name in names}

        def one(name, _):
            check(running[name])
            measure(running[name], generator, WARM_UP)
            return measure(running[name], generator, setting.seconds)

        rounds, thrown = alternate(setting, names, one)
    section = Section(title)
    if not all(rounds.values()):
        raise CannotMeasure("no round was without fault: " + "; ".join(sorted(set(thrown))))
    return section, rounds, thrown


def h1(setting):
    """512-byte answers over HTTP/1.1."""

    def measure(process, on, seconds):
        return wrk(setting, process, f"http://127.0.0.1:{process.task.clear}{PATH}", on, seconds, SMALL)

    section, rounds, thrown = compare(
        setting, "h1: 512-byte answers, HTTP/1.1, 64 connections, 10 rules", ["haproxy", "nginx", "envoy"], measure,
        lambda process: probe(process, PATH, SMALL),
    )
    section.compared(setting, rounds, {"haproxy": 0.9, "nginx": 1.05, "envoy": 1.9})
    section.thrown(thrown)
    if "haproxy" in rounds:
        setting.haproxy_maximum = median(one.rate for one in rounds["haproxy"])
    return section


def beside_envoy(setting, title, measure, check=None):
    """A comparison whose bar is Envoy."""
    check = check or (lambda process: probe(process, PATH, SMALL))
    section, rounds, thrown = compare(setting, title, ["envoy"], measure, check)
    section.compared(setting, rounds, {"envoy": 1})
    section.thrown(thrown)
    return section


def h2(setting):
    """512-byte answers over HTTP/2 without TLS."""

    def measure(process, on, seconds):
        return h2load(setting, process, f"http://127.0.0.1:{process.task.h2c}{PATH}", on, seconds, SMALL, streams=STREAMS)

    return beside_envoy(setting, f"h2: 512-byte answers, HTTP/2 without TLS, 64 connections, {STREAMS} streams each", measure)


def large(setting):
    """1 MiB answers over HTTP/1.1."""

    def measure(process, on, seconds):
        return wrk(setting, process, f"http://127.0.0.1:{process.task.clear}{PATH}large", on, seconds, LARGE)

    return beside_envoy(
        setting, "large: 1 MiB answers, HTTP/1.1, 64 connections", measure, lambda process: probe(process, f"{PATH}large", LARGE)
    )


def upload(setting):
    """1 MiB uploads over HTTP/1.1."""
    file = setting.folder / "upload.bin"
    file.write_bytes(b"x" * LARGE)

    def measure(process, on, seconds):
        url = f"http://127.0.0.1:{process.task.clear}{PATH}upload"
        return h2load(setting, process, url, on, seconds, SMALL, ["--h1", "-d", file])

    return beside_envoy(
        setting, "upload: 1 MiB uploads, HTTP/1.1, 64 connections", measure,
        lambda process: probe(process, f"{PATH}upload", SMALL, file.read_bytes()),
    )


def tls(setting):
    """512-byte answers over TLS 1.3, by HTTP/1.1 and by HTTP/2."""

    def measure_h1(process, on, seconds):
        return h2load(setting, process, f"https://127.0.0.1:{process.task.tls}{PATH}", on, seconds, SMALL, ["--h1"])

    def measure_h2(process, on, seconds):
        return h2load(setting, process, f"https://127.0.0.1:{process.task.tls}{PATH}", on, seconds, SMALL, streams=STREAMS)

    section = beside_envoy(setting, "tls: 512-byte answers, TLS 1.3 (AES-128-GCM), HTTP/1.1, 64 connections", measure_h1)
    second = beside_envoy(setting, f"tls: the same by HTTP/2, {STREAMS} streams each", measure_h2)
    section.add("", second.text())
    section.missed += second.missed
    section.unjudged += second.unjudged
    return section
