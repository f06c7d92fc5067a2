"""Talks over a WebSocket: text, bytes, large messages, pings, and an orderly end."""

import sys

from websockets.sync.client import connect

with connect(sys.argv[1], subprotocols=["chat"], proxy=None, max_size=None) as socket:
    assert socket.subprotocol == "chat"
    for message in ["text", b"bytes", "", "ä" * 1000, b"x" * 2_000_000]:
        socket.send(message)
        assert socket.recv(timeout=30) == message
    assert socket.ping().wait(timeout=30)
    socket.close(1000, "done")
    assert socket.close_code == 1000
print("all well")
