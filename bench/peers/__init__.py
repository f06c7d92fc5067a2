"""The proxies, each configured as its own guide recommends, all to the same work: keep-alive upstream without limit,
X-Forwarded-For, -Proto and -Host anew, Via both ways, Host of the target, a table of rules by prefix, no access log."""

from dataclasses import dataclass

from process import Process, free_ports

from . import envoy, haproxy, nginx, sluicegate

ALL = {"haproxy": haproxy, "nginx": nginx, "envoy": envoy, "sluicegate": sluicegate}
#: As the report calls them.
TITLES = {"haproxy": "HAProxy", "nginx": "nginx", "envoy": "Envoy", "sluicegate": "Sluicegate"}


@dataclass
class Task:
    """What a proxy shall do. `clear`, `h2c`, `tls` and `admin` are its ports; one port may speak both protocols."""

    setting: object
    room: object
    backend: int
    rules: int
    guarded: bool
    checked: int
    workers: int
    clear: int
    h2c: int
    tls: int
    admin: int

    def prefixes(self):
        """Paths of the rules."""
        return [f"/app-{number}/" for number in range(self.rules)]


def start(name, setting, backend, on, rules=10, guarded=False, checked=0):
    """Starts a proxy on the given cores, one worker a core. Its ports are in `task`. `guarded`: ready for targets that fail;
    `checked`: with so many targets, each of which it checks every second."""
    task = Task(setting, setting.room(name), backend, rules, guarded, checked, len(on), *free_ports(4))
    process = Process(TITLES[name], ALL[name].command(task), on, task.room / "log", [task.clear, task.tls])
    process.task = task
    process.proxy = name
    return process
