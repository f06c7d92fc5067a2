"""Ejection: how soon after the deciding failure no worker picks the endpoint any more."""

import json
import os
import subprocess
import sys
from pathlib import Path

from means import ROOT

from .section import CannotMeasure, Section

ROUNDS = 5000
BAR = 1000


def ejection(setting):
    """The delay over many rounds, with workers that do nothing but pick."""
    print("building bench-ejection", file=sys.stderr, flush=True)
    subprocess.run(["cargo", "build", "--quiet", "--release", "-p", "sluicegate-bench", "--bin", "bench-ejection"], cwd=ROOT, check=True)
    program = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/bench-ejection"
    said = subprocess.run([program, str(100 if setting.quick else ROUNDS)], stdout=subprocess.PIPE, text=True, check=False)
    if said.returncode:
        raise CannotMeasure("bench-ejection failed")
    figures = json.loads(said.stdout)
    section = Section(f"ejection: {figures['workers']} workers pick while one of them judges the failure that ejects")
    moments = {
        "lastGiven": "the last pick began that gave it",
        "leftOut": "every worker had been given another",
    }
    section.table(
        [f"µs from the failure until, {figures['rounds']:,} rounds", "median", "99 %", "maximum"],
        [[words, *(f"{figures[moment][figure]:.1f}" for figure in ("median", "p99", "maximum"))] for moment, words in moments.items()],
    )
    slowest = figures["lastGiven"]["maximum"]
    section.bar(setting, "the last pick of the slowest round", f"{slowest:.0f} µs", f"< {BAR:,} µs", slowest < BAR)
    section.add("- the second row holds the time in which the machine did not let a worker run")
    return section
