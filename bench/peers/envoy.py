"""Envoy: the limits of its circuit breaker raised, request ids and its own headers off: less work than its defaults."""

import json

UNLIMITED = 1_000_000
CONNECTION_MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def listener(task, port, tls):
    """A listener for HTTP/1.1 and HTTP/2."""
    manager = {
        "@type": CONNECTION_MANAGER,
        "stat_prefix": "in",
        "codec_type": "AUTO",
        "use_remote_address": True,
        "generate_request_id": False,
        "via": "1.1 envoy",
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route(task, prefix) for prefix in task.prefixes()]}],
            "request_headers_to_add": [
                {"header": {"key": "x-forwarded-host", "value": "%REQ(:AUTHORITY)%"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            ],
        },
        "http_filters": [
            {
                "name": "router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                },
            }
        ],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    if tls:
        pair = {"certificate_chain": {"filename": str(task.setting.certificate)}, "private_key": {"filename": str(task.setting.key)}}
        chain["transport_socket"] = {
            "name": "tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {"tls_certificates": [pair], "alpn_protocols": ["h2", "http/1.1"]},
            },
        }
    return {"name": "tls" if tls else "clear", "address": address(port), "filter_chains": [chain]}


def route(task, prefix):
    """One rule."""
    return {"match": {"prefix": prefix}, "route": {"cluster": "pool", "host_rewrite_literal": f"127.0.0.1:{task.backend}", "timeout": "0s"}}


def address(port):
    """A port on loopback."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def command(task):
    """Writes the configuration and says how to start it."""
    # One port of it tells the protocols apart itself.
    task.h2c = task.clear
    limits = {name: UNLIMITED for name in ("max_connections", "max_pending_requests", "max_requests", "max_retries")}
    cluster = {
        "name": "pool",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {
            "cluster_name": "pool",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(task.backend)}}]}],
        },
    }
    listeners = [listener(task, task.clear, False), listener(task, task.tls, True)]
    (task.room / "envoy.json").write_text(json.dumps({"static_resources": {"listeners": listeners, "clusters": [cluster]}}))
    program = task.setting.tools.programs["envoy"]
    return [program, "-c", task.room / "envoy.json", "--concurrency", task.workers, "--disable-hot-restart", "--log-level", "warn"]
