"""nginx: an upstream with kept connections, HTTP/1.1 to it, no buffering on disk."""

from backend import nginx_user

CONFIG = """
daemon off;
{user}
worker_processes {workers};
pid {room}/nginx.pid;
error_log {room}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_temp_path {room}/body;
  proxy_temp_path {room}/proxy;
  fastcgi_temp_path {room}/fastcgi;
  uwsgi_temp_path {room}/uwsgi;
  scgi_temp_path {room}/scgi;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host 127.0.0.1:{backend};
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Host $http_host;
  proxy_set_header Via "1.1 nginx";
  add_header Via "1.1 nginx" always;
  proxy_max_temp_file_size 0;
  proxy_request_buffering off;
  upstream pool {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 1h; }}
  server {{
    listen 127.0.0.1:{clear} reuseport backlog=4096;
    listen 127.0.0.1:{h2c} http2 reuseport backlog=4096;
    listen 127.0.0.1:{tls} ssl http2 reuseport backlog=4096;
    ssl_certificate {setting.certificate};
    ssl_certificate_key {setting.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    {locations}
  }}
}}
"""


def command(task):
    """Writes the configuration and says how to start it."""
    locations = "\n    ".join(f"location {prefix} {{ proxy_pass http://pool; }}" for prefix in task.prefixes())
    (task.room / "nginx.conf").write_text(CONFIG.format(**vars(task), user=nginx_user(), locations=locations))
    program = task.setting.tools.programs["nginx"]
    return [program, "-e", task.room / "error.log", "-p", task.room, "-c", task.room / "nginx.conf"]
