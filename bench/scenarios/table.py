"""A table of 5,000 rules beside one of 10."""

from .itself import beside_itself

FEW, MANY = 10, 5_000


def rules(setting):
    """Requests/s with both."""
    variants = [(f"{size:,}", {"rules": size}) for size in (FEW, MANY)]
    return beside_itself(setting, f"rules: {MANY:,} rules instead of {FEW}", "rules", variants, 0.95)
