"""A table of 5,000 rules beside one of 10."""

from contextlib import ExitStack
from statistics import median

import machine
import peers
from backend import SMALL, backend
from load import wrk
from probe import probe
from rounds import alternate, ratios, spread

from .section import CannotMeasure, Section

FEW, MANY = 10, 5_000


def rules(setting):
    """Requests/s with both, each asked for a rule in the middle."""
    proxy, behind, generator = machine.places()
    with ExitStack() as started:
        origin = started.enter_context(backend(setting, behind))
        running = {size: started.enter_context(peers.start("sluicegate", setting, origin.port, proxy, size)) for size in (FEW, MANY)}

        def one(size, _):
            path = f"/app-{size // 2}/"
            probe(running[size], path, SMALL)
            url = f"http://127.0.0.1:{running[size].task.clear}{path}"
            wrk(setting, running[size], url, generator, 1, SMALL)
            return wrk(setting, running[size], url, generator, setting.seconds, SMALL)

        rounds, thrown = alternate(setting, [FEW, MANY], one)
    section = Section(f"rules: {MANY:,} rules instead of {FEW}")
    if not all(rounds.values()):
        raise CannotMeasure("no round was without fault: " + "; ".join(sorted(set(thrown))))
    rates = {size: [one.rate for one in of] for size, of in rounds.items()}
    micros = {size: [one.micros(one.cpu.both) for one in of] for size, of in rounds.items()}
    section.table(
        ["rules", "requests/s", "CPU µs a request"],
        [[f"{size:,}", spread(of), spread(micros[size], "{:.1f}")] for size, of in rates.items()],
    )
    by = ratios(rates[MANY], rates[FEW])
    if not section.idle(setting, rounds):
        section.bar(setting, "with the many by with the few", spread(by, "{:.3f}"), "≥ 0.95", median(by) >= 0.95)
    section.thrown(thrown)
    return section
