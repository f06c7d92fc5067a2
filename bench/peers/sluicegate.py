"""Sluicegate: as shipped, metrics on; the access log is off, as it is with its peers."""

POOL = """
apiVersion: sluicegate.dev/v1alpha1
kind: Target
metadata: {{name: backend}}
spec: {{host: 127.0.0.1, port: {backend}}}
---
apiVersion: sluicegate.dev/v1alpha1
kind: Upstream
metadata: {{name: pool}}
spec: {{targets: [{{name: backend}}]{guards}}}
"""

#: Many targets, all at the backend.
CHECKED_TARGET = """---
apiVersion: sluicegate.dev/v1alpha1
kind: Target
metadata: {{name: backend-{number}}}
spec: {{host: 127.0.0.1, port: {backend}}}
"""
CHECKED_POOL = """---
apiVersion: sluicegate.dev/v1alpha1
kind: Upstream
metadata: {{name: {name}}}
spec: {{healthChecks: {{active: {{path: /health, interval: 1s, timeout: 1s}}}}, targets: [{targets}]}}
"""
#: An Upstream has at most 256.
CHECKED_IN_A_POOL = 200

#: Everything that is there for targets that fail.
POOL_GUARDS = ", healthChecks: {active: {interval: 1s, timeout: 1s}, passive: {}}, circuitBreaker: {minimumSuccessPercent: 95}"
RULE_GUARDS = ", retry: {attempts: 3}, timeouts: {request: 30s, perTry: 10s}"

RULE = """---
apiVersion: sluicegate.dev/v1alpha1
kind: Rule
metadata: {{name: {name}}}
spec: {{upstream: pool, matches: [{{path: {{value: {path}}}}}]{guards}}}
"""

CONFIG = """
listeners:
- address: 127.0.0.1:{clear}
- {{address: "127.0.0.1:{tls}", tls: {{certificates: [{{certificate: {setting.certificate}, key: {setting.key}}}]}}}}
admin: {{address: "127.0.0.1:{admin}"}}
workers: {workers}
accessLog: {{sample: 0}}
limits: {{idleTimeout: 1h}}
"""


def command(task):
    """Writes manifests and configuration and says how to start it."""
    # One port of it tells the protocols apart itself.
    task.h2c = task.clear
    rules = (RULE.format(name=prefix.strip("/"), path=prefix.rstrip("/"), guards=RULE_GUARDS if task.guarded else "") for prefix in task.prefixes())
    folder = task.room / "manifests"
    folder.mkdir()
    (folder / "pool.yaml").write_text(checked(task) if task.checked else POOL.format(**vars(task), guards=POOL_GUARDS if task.guarded else ""))
    (folder / "rules.yaml").write_text("".join(rules))
    (folder / "sluicegate.yaml").write_text(CONFIG.format(**vars(task)))
    return [task.setting.tools.programs["sluicegate"], "run", folder]


def checked(task):
    """Manifests of upstreams whose many targets are checked; the first is the one that the rules name."""
    manifests = [CHECKED_TARGET.format(number=number, backend=task.backend) for number in range(task.checked)]
    for first in range(0, task.checked, CHECKED_IN_A_POOL):
        numbers = range(first, min(first + CHECKED_IN_A_POOL, task.checked))
        targets = ", ".join(f"{{name: backend-{number}}}" for number in numbers)
        manifests.append(CHECKED_POOL.format(name=f"pool-{first}" if first else "pool", targets=targets))
    return "".join(manifests)
