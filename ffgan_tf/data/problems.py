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


def format_report(problems: Sequence[Problem]) -> str:
    """All problems, one line a file, those with the same fix under one heading, in order of first appearance."""
    by_fix: dict[str, list[Problem]] = {}
    for problem in problems:
        by_fix.setdefault(problem.fix, []).append(problem)
    lines = [f"{len(problems)} unusable:"]
    for fix, group in by_fix.items():
        lines.append(f"  Fix ({len(group)}): {fix}")
        lines += [f"    {problem.file}: {problem.reason}" for problem in group]
    return "\n".join(lines)
