"""Calls grpc_server.py through an address with all four ways of streaming that matter, and checks what comes."""

import queue
import sys

import grpc

# A proxy that only buffers would break the conversation below; nothing else on this machine may be in between.
channel = grpc.insecure_channel(sys.argv[1], options=[("grpc.enable_http_proxy", 0)])
wait = {"timeout": 30, "wait_for_ready": True}

call = channel.unary_stream("/test.Service/Count")(b"100", **wait)
messages = list(call)
assert messages == [b"message %d" % number for number in range(100)], messages
assert dict(call.trailing_metadata())["x-count"] == "100"
assert call.code() == grpc.StatusCode.OK

large = b"x" * (3 * 1024 * 1024)
reply, call = channel.unary_unary("/test.Service/Echo").with_call(large, **wait)
assert reply == large
assert dict(call.initial_metadata())["x-authority"] == sys.argv[1]

asked = queue.Queue()
call = channel.stream_stream("/test.Service/Chat")(iter(asked.get, None), **wait)
for text in [b"one", b"two", b"three"]:
    asked.put(text)
    assert next(call) == text.upper()
asked.put(None)
assert list(call) == []

try:
    channel.unary_unary("/test.Service/Fail")(b"", **wait)
    raise AssertionError("it should have failed")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
    assert error.details() == "not like this: 100 %", error.details()

try:
    channel.unary_unary("/nobody.Service/Call")(b"", timeout=30)
    raise AssertionError("it should have failed")
except grpc.RpcError as error:
    # No rule takes it: the proxy's own answer, in gRPC's words.
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error

print("all well")
