"""Processes that a measurement starts: on their cores, with their output kept, watched through /proc, stopped by id."""

import os
import socket
import subprocess
import time
from dataclasses import dataclass

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Cpu:
    """Seconds of processor time."""

    user: float
    system: float

    def since(self, earlier):
        """What was used after `earlier`."""
        return Cpu(self.user - earlier.user, self.system - earlier.system)

    @property
    def both(self):
        """User and system."""
        return self.user + self.system


class Gone(Exception):
    """A process that does not listen, or no more."""


class Process:
    """A process and its children on some cores. Use it with `with`: leaving stops it."""

    def __init__(self, name, command, on, log, wait_for=()):
        self.name, self.log = name, log
        with open(log, "ab") as out:
            self.child = subprocess.Popen(
                ["taskset", "-c", ",".join(map(str, on)), *map(str, command)], stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        try:
            for port in wait_for:
                self.wait_for(port)
        except BaseException:
            self.stop()
            raise

    def wait_for(self, port, seconds=20):
        """Returns once the port takes connections."""
        until = time.monotonic() + seconds
        while True:
            if self.child.poll() is not None or time.monotonic() > until:
                last = "".join(open(self.log, errors="replace").readlines()[-5:])
                raise Gone(f"{self.name} does not listen on port {port}: {last.strip() or 'it said nothing'}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)

    def ids(self):
        """The process and its children: nginx works in a child."""
        top = self.child.pid
        if self.child.poll() is not None:
            last = "".join(open(self.log, errors="replace").readlines()[-5:])
            raise Gone(f"{self.name} ended by itself: {last.strip() or 'it said nothing'}")
        with open(f"/proc/{top}/task/{top}/children") as children:
            return [top, *map(int, children.read().split())]

    def cpu(self):
        """Processor time so far, of all its threads and children."""
        user = system = 0
        for process in self.ids():
            with open(f"/proc/{process}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            user, system = user + int(fields[11]), system + int(fields[12])
        return Cpu(user / TICKS, system / TICKS)

    def resident(self, which="VmRSS"):
        """Resident memory in bytes, of it and its children: all of it, or what is only its own with `RssAnon`."""
        total = 0
        for process in self.ids():
            with open(f"/proc/{process}/status") as status:
                total += next(int(line.split()[1]) for line in status if line.startswith(which)) * 1024
        return total

    def stop(self):
        """Ends it, gently first."""
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(timeout=3)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def free_ports(number):
    """Ports on loopback that nobody listens on."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
