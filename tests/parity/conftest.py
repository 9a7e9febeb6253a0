"""Comparisons with the field's references (`make parity`): left out where those are not installed.

Left out, not skipped: `make parity` on an environment without them then finds no test, which is a failure.
"""

import importlib.util

import pytest

REFERENCES = ("torch", "torch_fidelity", "prdc")
MISSING = [name for name in REFERENCES if importlib.util.find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if MISSING else []
TABLE = pytest.StashKey[list]()


@pytest.fixture(scope="session")
def hold(pytestconfig):
    """`hold(what, item, dtype, difference, bound)`: asserts difference ≤ bound, and writes the row of the table."""
    rows = pytestconfig.stash.setdefault(TABLE, [])

    def hold(what: str, item: str, dtype: str, difference: float, bound: float) -> None:
        rows.append(
            (
                what,
                item,
                dtype,
                f"{difference:.1e}",
                f"{bound:.0e}" if bound else "exact",
                "" if difference <= bound else "FAILED",
            )
        )
        assert difference <= bound, f"{what}, {item}, {dtype}"

    return hold


def pytest_terminal_summary(terminalreporter, config):
    """Prints the parity table."""
    rows = config.stash.get(TABLE, [])
    if rows:
        rows = [("compared with", "item", "dtype", "difference", "bound", "")] + rows
        widths = [max(map(len, column)) for column in zip(*rows)]
        terminalreporter.section("parity: largest difference over the reference's largest value")
        for row in rows:
            terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
