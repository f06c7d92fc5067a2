"""One request through a proxy before it is measured: the body whole, the headers set."""

import http.client

from load import Faulty


def probe(process, path, size, post=None):
    """Asks once over HTTP/1.1 and checks status, length and Via."""
    connection = http.client.HTTPConnection("127.0.0.1", process.task.clear, timeout=10)
    try:
        connection.request("POST" if post else "GET", path, body=post)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as problem:
        raise Faulty(f"a first request failed: {problem}") from problem
    finally:
        connection.close()
    if answer.status != 200 or len(body) != size or not answer.headers.get("via"):
        raise Faulty(f"a first request got {answer.status}, {len(body)} bytes, Via {answer.headers.get('via')}")
