"""A section of the report: a table, and for each bar whether it was reached."""

from statistics import median

from peers import TITLES
from rounds import BUSY, ratios, spread


class CannotMeasure(Exception):
    """The scenario gave no figure; the message says why."""


class Section:
    """Lines in Markdown, the bars that were missed, and what could not be judged."""

    def __init__(self, title, lines=()):
        self.title, self.lines, self.missed, self.unjudged = title, list(lines), [], []

    def text(self):
        """The section in Markdown."""
        return "\n".join([f"## {self.title}", "", *self.lines])

    def add(self, *lines):
        """Adds lines."""
        self.lines += lines

    def table(self, head, rows):
        """Adds a table, and an empty line after it."""
        self.add(row(head), row(["---"] * len(head)), *map(row, rows), "")

    def bar(self, setting, what, figure, bar, reached):
        """Says whether a bar is reached; a quick run only says the figure."""
        if setting.quick:
            self.add(f"- {what}: {figure}; the bar is {bar} (not judged)")
            return
        self.add(f"- {what}: {figure}; the bar is {bar}: {'reached' if reached else 'MISSED'}")
        if not reached:
            self.missed.append(f"{self.title}: {what} {figure}")

    def thrown(self, thrown):
        """Says which rounds did not count."""
        if thrown:
            self.add(f"- thrown away and repeated: {len(thrown)} ({'; '.join(sorted(set(thrown)))})")

    def idle(self, setting, rounds):
        """Whether the proxies were not what was measured; then the section says so."""
        if setting.quick or all(one.busy >= BUSY for of in rounds.values() for one in of):
            return False
        self.unjudged.append(self.title)
        self.add("- not judged: no round kept every proxy's core busy, so that something else was measured, too; compare the CPU time a request")
        return True

    def compared(self, setting, rounds, bars):
        """The table of a comparison by requests/s, and its bars: the least ratio by the peer's name."""
        self.table(
            ["", "requests/s", "CPU µs a request: user", "system", "core busy", "Sluicegate by it"],
            [figures(name, rounds) for name in rounds],
        )
        if self.idle(setting, rounds):
            return
        ours = [one.rate for one in rounds["sluicegate"]]
        for name, bar in bars.items():
            if name in rounds:
                by = ratios(ours, [one.rate for one in rounds[name]])
                self.bar(setting, f"{TITLES[name]}", spread(by, "{:.2f}"), f"≥ {bar}", median(by) >= bar)


def figures(name, rounds):
    """A proxy's row."""
    of = rounds[name]
    by = "" if name == "sluicegate" else spread(ratios([one.rate for one in rounds["sluicegate"]], [one.rate for one in of]), "{:.2f}")
    user = spread([one.micros(one.cpu.user) for one in of], "{:.1f}")
    system = spread([one.micros(one.cpu.system) for one in of], "{:.1f}")
    return [TITLES[name], spread([one.rate for one in of]), user, system, spread([one.busy for one in of], "{:.0%}"), by]


def row(cells):
    """A row of a table."""
    return "| " + " | ".join(cells) + " |"
