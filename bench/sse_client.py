"""A client of event streams: `sse_client.py PORT STREAMS FRAMES`. Prints one JSON object: delays in µs, and what was wrong."""

import gc
import json
import re
import selectors
import socket
import sys
import time

#: Opened apart, so that what is measured is a stream's beginning beside open streams, not the queue of a thousand at once.
OPEN_EVERY_NS = 2_500_000
EVENT = re.compile(rb"data: (\d+) (\d+)\n\n")
LIMIT_NS = 30_000_000_000


class Stream:
    """One open stream."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest, self.next = b"", 0
        self.asked = time.monotonic_ns()
        self.socket.send(b"GET /app-5/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        self.socket.setblocking(False)


def main(port, streams, frames):
    gc.disable()
    selector = selectors.EpollSelector()
    first, delays, problems = [], [], {"lost": 0, "merged": 0, "cut": 0, "status": 0}
    opened = closed = 0
    begin = time.monotonic_ns()
    while closed < streams and time.monotonic_ns() - begin < LIMIT_NS + frames * 50_000_000:
        open_at = begin + opened * OPEN_EVERY_NS
        if opened < streams and time.monotonic_ns() >= open_at:
            stream = Stream(port)
            selector.register(stream.socket, selectors.EVENT_READ, stream)
            opened += 1
            continue
        wait = max(0, open_at - time.monotonic_ns()) / 1e9 if opened < streams else 1
        for key, _ in selector.select(wait):
            stream = key.data
            data = key.fileobj.recv(65536)
            now = time.monotonic_ns()
            if data and stream.next == 0 and not stream.rest and not data.startswith(b"HTTP/1.1 200"):
                problems["status"] += 1
            text = stream.rest + data
            end, events = 0, EVENT.findall(text)
            for match in EVENT.finditer(text):
                end = match.end()
            # Two events of one stream are sent 50 ms apart: who reads both at once reads the first of them late.
            problems["merged"] += max(0, len(events) - 1)
            for number, sent in events:
                problems["lost"] += int(number) != stream.next
                stream.next = int(number) + 1
                if int(number) == 0:
                    first.append((now - stream.asked) / 1000)
                delays.append((now - int(sent)) / 1000)
            stream.rest = text[end:]
            if not data or stream.next == frames:
                problems["cut"] += stream.next != frames
                selector.unregister(key.fileobj)
                key.fileobj.close()
                closed += 1
    problems["cut"] += streams - closed
    print(json.dumps({"first": percentiles(first), "all": percentiles(delays), "frames": len(delays), **problems}))


def percentiles(values):
    """p50, p99 and the most."""
    ordered = sorted(values) or [0]
    return [ordered[int(len(ordered) * share)] for share in (0.5, 0.99)] + [ordered[-1]]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
