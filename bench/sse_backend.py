"""A backend of event streams: `sse_backend.py PORT FRAMES`. Every stream gets its first event with the answer's head and
the others at a fixed pace counted from then; each event carries its number and the time at which it was sent."""

import gc
import selectors
import socket
import sys
import time
from collections import deque

PACE_NS = 50_000_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(number):
    """A chunk with one event."""
    text = b"data: %d %d\n\n" % (number, time.monotonic_ns())
    return b"%x\r\n%s\r\n" % (len(text), text)


def main(port, frames):
    gc.disable()
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    listener.setblocking(False)
    selector = selectors.EpollSelector()
    selector.register(listener, selectors.EVENT_READ)
    #: (when, connection, number) in the order of time: the pace is the same for all, so new ones go to the end.
    due = deque()
    while True:
        wait = max(0, due[0][0] - time.monotonic_ns()) / 1e9 if due else None
        for key, _ in selector.select(wait):
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ)
                continue
            connection = key.fileobj
            try:
                asked = connection.recv(65536)
            except OSError:
                asked = b""
            if not asked:
                selector.unregister(connection)
                connection.close()
            elif asked.endswith(b"\r\n\r\n"):
                connection.send(HEAD + event(0))
                due.append((time.monotonic_ns() + PACE_NS, connection, 1))
        now = time.monotonic_ns()
        while due and due[0][0] <= now:
            when, connection, number = due.popleft()
            last = number == frames - 1
            try:
                connection.send(event(number) + (b"0\r\n\r\n" if last else b""))
            except OSError:
                continue
            if not last:
                due.append((when + PACE_NS, connection, number + 1))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
