"""What a conversion cannot use: collected, then shown in one report with the mend of each."""

import dataclasses
from typing import Sequence


@dataclasses.dataclass(frozen=True)
class Problem:
    """One unusable thing: the file (or the image it belongs to), what is wrong, and how to put it right."""

    file: str
    reason: str
    mend: str


class Unusable(Exception):
    """Raised where a file cannot be used; becomes a `Problem` of that file in the report."""

    def __init__(self, reason: str, mend: str):
        super().__init__(reason)
        self.reason, self.mend = reason, mend


def format_report(problems: Sequence[Problem]) -> str:
    """All problems, one line a file, those with the same mend under one heading, in order of first appearance."""
    by_mend: dict[str, list[Problem]] = {}
    for problem in problems:
        by_mend.setdefault(problem.mend, []).append(problem)
    lines = [f"{len(problems)} unusable:"]
    for mend, group in by_mend.items():
        lines.append(f"  Mend ({len(group)}): {mend}")
        lines += [f"    {problem.file}: {problem.reason}" for problem in group]
    return "\n".join(lines)
