"""The machine: who runs on which core, how many files may be open, and what it is, for the report."""

import os
import platform
import resource
import subprocess
from datetime import date

OPEN_FILES = 16_384


def cores():
    """The cores this process may use, in order."""
    return sorted(os.sched_getaffinity(0))


def places(workers=1):
    """Cores of the proxy, the backend and the generator. They share none, where there are enough of them."""
    have = cores()
    if len(have) < workers + 2:
        raise SystemExit(f"bench/run needs {workers + 2} cores, so that proxy, backend and generator share none; here are {len(have)}")
    proxy, backend, generator = have[:workers], have[workers : workers + 1], have[workers + 1 :]
    return proxy, backend, generator[:4]


def raise_limits():
    """Lets every process have enough open connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (want, hard))


def describe(tools, quick):
    """The report's head: the machine and the versions."""
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    proxy, backend, generator = places()
    return "\n".join([
        f"# Sluicegate beside its peers, {date.today()}" + (" (quick run: figures mean nothing)" if quick else ""),
        "",
        f"- Machine: {model}, {len(cores())} cores, Linux {platform.release()}; load when it began: {os.getloadavg()[0]:.1f}",
        f"- Each proxy: one worker on core {proxy[0]}; backend (nginx) on core {backend[0]}; generator on cores {', '.join(map(str, generator))}; all on loopback",
        *(f"- {name}: {version(command)}" for name, command in tools.versions()),
        *(f"- {name}: not measured, {reason}" for name, reason in tools.absent.items()),
        "- Figures are medians (least–most) of the rounds; ratios are taken round by round. A round with an error does not count and is repeated.",
    ])


def version(command):
    """The first line with a number that a program prints about its version."""
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
    lines = [line.strip() for line in out.splitlines() if any(letter.isdigit() for letter in line)]
    return lines[0] if lines else "unknown version"
