"""The backend behind every proxy: one nginx worker that answers from memory and never closes a connection first."""

import os

from process import Process, free_ports

SMALL = 512
LARGE = 1 << 20

CONFIG = """
daemon off;
{user}
worker_processes 1;
pid {room}/nginx.pid;
error_log {room}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_buffer_size 2m;
  client_body_temp_path {room}/body;
  proxy_temp_path {room}/proxy;
  fastcgi_temp_path {room}/fastcgi;
  uwsgi_temp_path {room}/uwsgi;
  scgi_temp_path {room}/scgi;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=16;
  upstream itself {{ server unix:{room}/itself.sock; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ default_type application/octet-stream; return 200 "{body}"; }}
    location ~ /large$ {{ root {room}; try_files /large.bin =404; }}
    # `return` would answer before the body came: handing the request on without its body reads all of it first.
    location ~ /upload$ {{
      proxy_pass http://itself;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
    }}
  }}
  server {{
    listen unix:{room}/itself.sock;
    location / {{ default_type application/octet-stream; return 200 "{body}"; }}
  }}
}}
"""


def backend(setting, on):
    """Starts the backend; its port is `port`."""
    room = setting.room("backend")
    (port,) = free_ports(1)
    (room / "large.bin").write_bytes(b"x" * LARGE)
    (room / "nginx.conf").write_text(CONFIG.format(room=room, port=port, body="x" * SMALL, user=nginx_user()))
    command = [setting.tools.programs["nginx"], "-e", room / "error.log", "-p", room, "-c", room / "nginx.conf"]
    process = Process("the backend", command, on, room / "log", [port])
    process.port = port
    return process


def nginx_user():
    """A worker that root starts stays root, so that it can read the folder of the run."""
    return "user root;" if os.geteuid() == 0 else ""
