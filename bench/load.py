"""Load: wrk and h2load, and what they say, checked. Whatever is not a whole, right answer is an error."""

import re
import subprocess
from dataclasses import dataclass

from process import Cpu

CONNECTIONS = 64

#: wrk's own summary is rounded; this prints what it counted.
SUMMARY = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("counted %d %d %d %d\\n", summary.requests, summary.duration, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


class Faulty(Exception):
    """A measurement with an error: it does not count."""


@dataclass
class Measured:
    """One measurement of one proxy."""

    requests: int
    seconds: float
    cpu: Cpu

    @property
    def rate(self):
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def busy(self):
        """The share of the generator's time in which the proxy used its core; of several cores the sum."""
        return self.cpu.both / self.seconds

    def micros(self, seconds):
        """Microseconds a request."""
        return seconds / self.requests * 1e6


def watched(process, command, on, limit):
    """Runs a generator and watches the proxy meanwhile: what it printed, and the proxy's processor time."""
    before = process.cpu()
    command = ["taskset", "-c", ",".join(map(str, on)), *map(str, command)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired as late:
        raise Faulty(f"{command[3]} did not end within {limit} s") from late
    cpu = process.cpu().since(before)
    if done.returncode != 0:
        raise Faulty(f"{command[3]} failed: {done.stdout.strip()[-300:]}")
    return done.stdout, cpu


def wrk(setting, process, url, on, seconds, size):
    """HTTP/1.1 over kept connections, as much as goes. `size` is the body's length in bytes."""
    script = setting.folder / "summary.lua"
    script.write_text(SUMMARY)
    command = [setting.tools.programs["wrk"], "-t", len(on), "-c", CONNECTIONS, "-d", f"{max(1, round(seconds))}s", "-s", script, url]
    out, cpu = watched(process, command, on, seconds + 15)
    counted = re.search(r"^counted (\d+) (\d+) (\d+) (\d+)", out, re.M)
    if not counted:
        raise Faulty(f"wrk printed no summary: {out[-300:]}")
    requests, micros, length, errors = map(int, counted.groups())
    if errors or not requests:
        raise Faulty(f"{requests} requests, {errors} of them with errors")
    # Heads are a few hundred bytes; answers that were on their way at the end count in bytes only.
    if not size * requests <= length <= (size + 1024) * requests + CONNECTIONS * (size + 1024):
        raise Faulty(f"answers of {length / requests:.0f} bytes on average, not of {size} and a head")
    return Measured(requests, micros / 1e6, cpu)


def h2load(setting, process, url, on, seconds, size, extra=(), streams=1):
    """What h2load does: HTTP/2, TLS, uploads, fixed rates. `extra` are options of its."""
    command = [setting.tools.programs["h2load"], "-t", len(on), "-c", CONNECTIONS, "-m", streams, "-D", max(1, round(seconds))]
    command += ["--tls13-ciphers=TLS_AES_128_GCM_SHA256", *extra, url]
    out, cpu = watched(process, command, on, seconds + 15)
    finished = re.search(r"^finished in ([\d.]+)(m?s), ", out, re.M)
    sums = re.search(r"^requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", out, re.M)
    data = re.search(r"^traffic: .*\((\d+)\) data", out, re.M)
    if not (finished and sums and data):
        raise Faulty(f"h2load printed no summary: {out[-300:]}")
    done, good, *bad = map(int, sums.groups())
    if any(bad) or good != done or not done:
        raise Faulty(f"{done} requests, {good} of them good: {sums.group(0)}")
    # Answers that were on their way at the end count in bytes only.
    if not size * good <= int(data.group(1)) <= size * (good + CONNECTIONS * streams):
        raise Faulty(f"bodies of {int(data.group(1)) / good:.0f} bytes on average, not of {size}")
    return Measured(good, seconds_of(finished), cpu)


def seconds_of(finished):
    """h2load's time, in seconds."""
    return float(finished.group(1)) * (0.001 if finished.group(2) == "ms" else 1)
