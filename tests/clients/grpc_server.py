"""A gRPC server without generated code: messages are bytes. Prints its port."""

import sys
from concurrent import futures

import grpc


def count(request, context):
    """Streams as many messages as the request says, then trailers."""
    for number in range(int(request)):
        yield b"message %d" % number
    context.set_trailing_metadata((("x-count", request.decode()),))


def echo(request, context):
    context.send_initial_metadata((("x-authority", dict(context.invocation_metadata()).get("x-forwarded-host", "")),))
    return request


def chat(requests, context):
    """Answers each message before the next one is sent."""
    for request in requests:
        yield request.upper()


def fail(request, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not like this: 100 %")


handlers = {
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Echo": grpc.unary_unary_rpc_method_handler(echo),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
}
server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", handlers),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
# The test closes our standard input when it ends, however it ends.
sys.stdin.read()
server.stop(None)
