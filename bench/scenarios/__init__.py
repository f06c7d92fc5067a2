"""The scenarios by name. Each takes the setting and gives a section of the report."""

from .checks import checks
from .ejection import ejection
from .guards import guards
from .memory import growth, idle
from .latency import p99
from .section import CannotMeasure, Section
from .streams import sse
from .table import rules
from .throughput import h1, h2, large, tls, upload
from .workers import workers

ALL = {
    "h1": h1,
    "p99": p99,
    "h2": h2,
    "large": large,
    "upload": upload,
    "tls": tls,
    "rules": rules,
    "guards": guards,
    "checks": checks,
    "ejection": ejection,
    "workers": workers,
    "sse": sse,
    "idle": idle,
    "growth": growth,
}

__all__ = ["ALL", "CannotMeasure", "Section"]
