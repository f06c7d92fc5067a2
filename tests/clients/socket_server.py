"""A WebSocket server that says everything back. Prints its port."""

import sys
import threading

from websockets.sync.server import serve


def echo(connection):
    for message in connection:
        connection.send(message)


with serve(echo, "127.0.0.1", 0, subprotocols=["chat"], max_size=None) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.socket.getsockname()[1], flush=True)
    # The test closes our standard input when it ends, however it ends.
    sys.stdin.read()
    server.shutdown()
