"""HAProxy: `http-reuse always`, and a map for the rules, which its guide recommends over many ACLs."""

CONFIG = """
global
  nbthread {workers}
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
  http-reuse always
  maxconn 4000
frontend in
  bind 127.0.0.1:{clear} backlog 4096
  bind 127.0.0.1:{h2c} proto h2 backlog 4096
  bind 127.0.0.1:{tls} ssl crt {folder}/both.pem alpn h2,http/1.1 backlog 4096
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto http unless {{ ssl_fc }}
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header Via "1.1 haproxy"
  http-request set-header Host 127.0.0.1:{backend}
  http-response set-header Via "1.1 haproxy"
  use_backend %[path,map_beg({room}/rules.map)]
backend pool
  server one 127.0.0.1:{backend} pool-max-conn -1 pool-purge-delay 1h
"""


def command(task):
    """Writes the configuration and says how to start it."""
    (task.room / "rules.map").write_text("".join(f"{prefix} pool\n" for prefix in task.prefixes()))
    text = CONFIG.format(**vars(task), folder=task.setting.folder)
    (task.room / "haproxy.cfg").write_text(text)
    return [task.setting.tools.programs["haproxy"], "-db", "-f", task.room / "haproxy.cfg"]
