"""Sluicegate beside itself in another setting: what a feature or a large table costs."""

from contextlib import ExitStack
from statistics import median

import machine
import peers
from backend import SMALL, backend
from load import wrk
from probe import probe
from rounds import alternate, ratios, spread

from .section import CannotMeasure, Section


def beside_itself(setting, title, head, variants, bar):
    """Requests/s of two variants and the second one's share of the first one's, which must reach `bar`.

    `variants` are two pairs of a name and what `peers.start` takes besides; each variant is asked for a rule in the middle.
    """
    proxy, behind, generator = machine.places()
    with ExitStack() as started:
        origin = started.enter_context(backend(setting, behind))
        running = {
            name: started.enter_context(peers.start("sluicegate", setting, origin.port, proxy, **options)) for name, options in variants
        }

        def one(name, _):
            prefixes = running[name].task.prefixes()
            path = prefixes[len(prefixes) // 2]
            probe(running[name], path, SMALL)
            url = f"http://127.0.0.1:{running[name].task.clear}{path}"
            wrk(setting, running[name], url, generator, 1, SMALL)
            return wrk(setting, running[name], url, generator, setting.seconds, SMALL)

        rounds, thrown = alternate(setting, list(running), one)
    section = Section(title)
    if not all(rounds.values()):
        raise CannotMeasure("no round was without fault: " + "; ".join(sorted(set(thrown))))
    rates = {name: [one.rate for one in of] for name, of in rounds.items()}
    micros = {name: [one.micros(one.cpu.both) for one in of] for name, of in rounds.items()}
    section.table(
        [head, "requests/s", "CPU µs a request"],
        [[name, spread(of), spread(micros[name], "{:.1f}")] for name, of in rates.items()],
    )
    first, second = rates
    by = ratios(rates[second], rates[first])
    if not section.idle(setting, rounds):
        section.bar(setting, f"{second} by {first}", spread(by, "{:.3f}"), f"≥ {bar}", median(by) >= bar)
    section.thrown(thrown)
    return section
