"""Everything that keeps serving while targets fail, on targets that do not: checks, circuit breaker, retries."""

from .itself import beside_itself


def guards(setting):
    """Requests/s with all of it and with none."""
    variants = [("without", {"guarded": False}), ("with", {"guarded": True})]
    return beside_itself(setting, "guards: checks, circuit breaker and retries", "guards", variants, 0.97)
