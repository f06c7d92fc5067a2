"""Two workers beside one."""

from contextlib import ExitStack
from statistics import median

import machine
import peers
from backend import SMALL, backend
from load import wrk
from probe import probe
from rounds import alternate, ratios, spread

from .section import CannotMeasure, Section
from .throughput import PATH

#: Below, backend or generator are what is measured.
ENOUGH_CORES = 6


def workers(setting):
    """Requests/s of both, with backend and generator on the same cores."""
    proxy, behind, generator = machine.places(workers=2)
    with ExitStack() as started:
        origin = started.enter_context(backend(setting, behind))
        running = {
            number: started.enter_context(peers.start("sluicegate", setting, origin.port, proxy[:number])) for number in (1, 2)
        }

        def one(number, _):
            probe(running[number], PATH, SMALL)
            url = f"http://127.0.0.1:{running[number].task.clear}{PATH}"
            wrk(setting, running[number], url, generator, 1, SMALL)
            return wrk(setting, running[number], url, generator, setting.seconds, SMALL)

        rounds, thrown = alternate(setting, [1, 2], one, must_be_busy=False)
    section = Section("workers: two instead of one")
    if not all(rounds.values()):
        raise CannotMeasure("no round was without fault: " + "; ".join(sorted(set(thrown))))
    section.table(
        ["workers", "requests/s", "their cores busy"],
        [[str(number), spread([one.rate for one in of]), spread([one.busy / number for one in of], "{:.0%}")] for number, of in rounds.items()],
    )
    by = ratios([one.rate for one in rounds[2]], [one.rate for one in rounds[1]])
    if len(machine.cores()) >= ENOUGH_CORES:
        section.bar(setting, "two by one", spread(by, "{:.2f}"), "≥ 1.8", median(by) >= 1.8)
    else:
        section.add(f"- two by one: {spread(by, '{:.2f}')}; not judged: with {len(machine.cores())} cores the backend or the generator is the limit")
    section.thrown(thrown)
    return section
