"""What the measurements need: installed by `tests/run setup`, as for the tests, and Sluicegate's release program."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
ENVOY = CACHE / "envoy" / "bin" / "envoy"


@dataclass
class Tools:
    """Programs by name, and which peers this machine lacks."""

    programs: dict
    absent: dict = field(default_factory=dict)

    def versions(self):
        """How to ask each program for its version; wrk prints its usage besides."""
        ask = {"nginx": "-v", "haproxy": "-v", "envoy": "--version", "wrk": "-v", "h2load": "--version", "sluicegate": "--version"}
        return [(name, [path, ask[name]]) for name, path in self.programs.items() if name in ask]


def obtain():
    """Installs and builds what is missing. A peer that cannot be had is left out and named in the report."""
    CACHE.mkdir(exist_ok=True)
    said = subprocess.run([ROOT / "tests/run", "setup", "load", "haproxy", "envoy"], stdout=subprocess.PIPE, text=True, check=False).stdout
    reasons = {line.split(": ")[1]: line.split(": ", 2)[2] for line in said.splitlines() if line.startswith("SKIPPED: ")}
    if "load" in reasons:
        raise SystemExit(f"bench/run cannot put load on anything: {reasons['load']}")
    programs = {name: find(name) for name in ("nginx", "wrk", "h2load", "openssl")}
    if not programs["openssl"]:
        raise SystemExit("bench/run makes its certificates with openssl, and there is none: install it")
    if "haproxy" not in reasons:
        programs["haproxy"] = find("haproxy")
    if "envoy" not in reasons:
        programs["envoy"] = envoy_itself()
    programs["sluicegate"] = sluicegate()
    return Tools({name: str(path) for name, path in programs.items() if path}, reasons)


def find(name):
    """A program on the path, or where Debian keeps servers."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


def envoy_itself():
    """The program that the Python package brings: its launcher would be measured as well."""
    inside = sorted((CACHE / "envoy").glob("lib/python3*/site-packages/envoy/_bin/envoy"))
    return inside[0] if inside else ENVOY


def sluicegate():
    """The release program, built now unless SLUICEGATE_BIN names one."""
    if os.environ.get("SLUICEGATE_BIN"):
        return Path(os.environ["SLUICEGATE_BIN"]).resolve()
    print("building the release program", file=sys.stderr, flush=True)
    subprocess.run(["cargo", "build", "--quiet", "--release", "-p", "sluicegate"], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/sluicegate"
