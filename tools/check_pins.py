"""python tools/check_pins.py [PYTHON...]

Checks with pip's dry run that the pinned requirements resolve on each Python named, or on every python3.10 to
python3.13 on the PATH: requirements.txt together with the ranges in setup.py, requirements-lint.txt, and from
3.11 on requirements-new.txt too. A package that pip would install and no file pins is an error. Nothing is installed.
Needs the package index; the first run downloads wheels. (`pip install --python-version` cannot do this: it evaluates
environment markers for the Python that runs pip.) Needs the standard library only. Exit code 1 if a check fails.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUPPORTED = ("3.10", "3.11", "3.12", "3.13")


def version_of(python: str) -> str | None:
    """`3.11`, or None if `python` does not run (the PATH may have a shim without a Python behind it)."""
    command = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def pins(path: Path) -> set[tuple[str, str]]:
    """(normalised name, version) of every `name==version` line, regardless of its markers."""
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", path.read_text(encoding="utf-8"), re.M)
    return {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in pinned}


def check(python: str, requirements: str, more: list[str]) -> list[str]:
    """Faults of `requirements`, installed on `python` together with `more`."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            python,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
            "--dry-run",
            "--ignore-installed",
            "--no-input",
            "--report",
            str(report),
            "-r",
            requirements,
            *more,
        ]
        result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        if result.returncode:
            return result.stderr.strip().splitlines()[-15:]
        chosen = {
            (re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower(), item["metadata"]["version"])
            for item in json.loads(report.read_text(encoding="utf-8"))["install"]
        }
    pinned = pins(ROOT / requirements)
    return [f"not pinned: {name}=={version}" for name, version in sorted(chosen - pinned) if name != "ffgan-tf"]


def main(argv: list[str]) -> int:
    """Checks every Python in `argv` or on the PATH; returns the exit code."""
    pythons = argv or [path for version in SUPPORTED if (path := shutil.which(f"python{version}"))]
    failed, seen = False, set()
    for python in pythons:
        version = version_of(python)
        if version not in SUPPORTED:
            print(f"{python}: does not run, or is not Python 3.10 to 3.13")
            failed |= bool(argv)
            continue
        seen.add(version)
        jobs = [("requirements.txt", ["."]), ("requirements-lint.txt", [])]
        if version != "3.10":  # setup.py ties 3.11 to the older stack, so the project itself stays out here
            jobs.append(("requirements-new.txt", []))
        for requirements, more in jobs:
            print(f"Python {version}, {requirements}: resolving", flush=True)
            began = time.monotonic()
            problems = check(python, requirements, more)
            for problem in problems:
                print(f"    {problem}")
            failed |= bool(problems)
            verdict = "FAILED" if problems else "resolves, and every package in it is pinned"
            print(f"Python {version}, {requirements}: {verdict} ({time.monotonic() - began:.0f} s)", flush=True)
    missing = [version for version in SUPPORTED if version not in seen]
    if missing:
        print(f"not checked, because no such Python was found: {', '.join(missing)} (PYTHONS=... names them)")
    return 1 if failed or not seen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
