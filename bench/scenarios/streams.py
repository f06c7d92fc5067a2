"""A thousand open event streams, through Sluicegate and without it."""

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import machine
import peers
from process import Process, free_ports
from rounds import spread

from .section import CannotMeasure, Section

STREAMS = 1000
FRAMES_A_SECOND = 20
BESIDE = Path(__file__).resolve().parent.parent
#: Streams open over 2.5 s: this long, all of them are open for most of the time.
SECONDS = 6


def sse(setting):
    """Counts events and measures how much later the first one comes through the proxy."""
    streams = 100 if setting.quick else STREAMS
    frames = (2 if setting.quick else SECONDS) * FRAMES_A_SECOND
    proxy, behind, generator = machine.places()
    room, (port,) = setting.room("streams"), free_ports(1)
    seen, used = {"direct": [], "through": []}, []
    command = [sys.executable, BESIDE / "sse_backend.py", port, frames]
    with Process("the backend of streams", command, behind, room / "log", [port]):
        with peers.start("sluicegate", setting, port, proxy) as process:
            for _ in range(1 if setting.quick else 2):
                seen["direct"].append(client(port, streams, frames, generator))
                before, began = process.cpu(), time.monotonic()
                seen["through"].append(client(process.task.clear, streams, frames, generator))
                used.append((process.cpu().since(before).both, time.monotonic() - began))
    section = Section(f"sse: {streams:,} open event streams, {FRAMES_A_SECOND} events/s each")
    section.table(
        ["ms", "first event p50", "first event p99", "any event p50", "any event p99", "events", "lost", "merged late", "cut"],
        [[way, *row(of)] for way, of in seen.items()],
    )
    micros = [cpu / (streams * frames) * 1e6 for cpu, _ in used]
    busy = [cpu / wall for cpu, wall in used]
    section.add(f"- CPU µs an event: {spread(micros, '{:.1f}')}; the proxy's core was {spread(busy, '{:.0%}')} busy with it")
    added = [(through["first"][1] - direct["first"][1]) / 1000 for through, direct in zip(seen["through"], seen["direct"])]
    wrong = sum(one[what] for one in seen["through"] for what in ("lost", "merged", "cut", "status"))
    section.bar(setting, "events lost, merged late or cut off through Sluicegate", str(wrong), "0", wrong == 0)
    section.bar(setting, "added to the p99 of the first event, ms", spread(added, "{:.2f}"), "< 1", median(added) < 1)
    return section


def client(port, streams, frames, on):
    """One run of the client."""
    command = ["taskset", "-c", str(on[0]), sys.executable, BESIDE / "sse_client.py", str(port), str(streams), str(frames)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as problem:
        raise CannotMeasure(f"the client of streams failed: {getattr(problem, 'stderr', '') or problem}") from problem
    return json.loads(done.stdout)


def row(of):
    """Cells of a way: times over its runs, counts summed."""
    times = [spread([one[what][place] / 1000 for one in of], "{:.2f}") for what in ("first", "all") for place in (0, 1)]
    return [*times, *(f"{sum(one[what] for one in of):,}" for what in ("frames", "lost", "merged", "cut"))]
