"""What a conversion cannot use: collected, then shown in one report with the fix of each."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Problem:
    """One unusable thing: the file (or the image it belongs to), what is wrong, and how to put it right."""

    file: str
    reason: str
    fix: str


class Unusable(Exception):
    """Raised where a file cannot be used; becomes a `Problem` of that file in the report."""

    def __init__(self, reason: str, fix: str):
        super().__init__(reason)
        self.reason, self.fix = reason, fix


def format_report(problems: Sequence[Problem], most: int | None = None) -> str:
    """Problems, one line a file, those with the same fix under one heading, in order of first appearance.

    `most` lines under each heading, and how many more there are; None: all.
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
    """The first `most` lines, and a last one that counts the others; all of them for None."""
    if most is None or len(lines) <= most:
        return list(lines)
    return [*lines[:most], f"{indent}… and {len(lines) - most:,} more"]
