"""Problems that a conversion finds, collected and shown in one report with the fix of each."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Problem:
    """One unusable file (or the image that it belongs to), the reason, and the fix."""

    file: str
    reason: str
    fix: str


class Unusable(Exception):
    """A file cannot be used; becomes a `Problem` in the report."""

    def __init__(self, reason: str, fix: str):
        super().__init__(reason)
        self.reason, self.fix = reason, fix


def format_report(problems: Sequence[Problem], most: int | None = None) -> str:
    """The problems as text, one line a file, grouped under their fixes in order of first appearance.

    Each group shows at most `most` lines and counts the rest; None shows all.
    """
    by_fix: dict[str, list[Problem]] = {}
    for problem in problems:
        by_fix.setdefault(problem.fix, []).append(problem)
    lines = [f"{len(problems)} unusable:"]
    for fix, group in by_fix.items():
        lines.append(f"  Fix ({len(group)}): {fix}")
        lines += capped([f"    {problem.file}: {problem.reason}" for problem in group], most, "    ")
    return "\n".join(lines)


def capped(lines: Sequence[str], most: int | None, indent: str = "") -> list[str]:
    """The first `most` lines and one that counts the rest; None: all lines."""
    if most is None or len(lines) <= most:
        return list(lines)
    return [*lines[:most], f"{indent}… and {len(lines) - most:,} more"]
