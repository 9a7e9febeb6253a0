#!/usr/bin/env bash
# tools/setup_venv.sh VENV REQUIREMENTS PYTHON [--tools-only]
#
# Makes VENV from the pins in REQUIREMENTS, with this project installed in it (editable; not with --tools-only). Does
# nothing where VENV was already made from the same files by the same Python. A change makes it anew, so that nothing
# stale stays behind. The stamp comes last: an interrupted set-up is made again. Two at once wait for each other.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 requirements=$2 python=$3 project=setup.py
[ "${4:-}" != --tools-only ] || project=

command -v "$python" >/dev/null || {
    echo "error: no Python 3.10 to 3.13 with venv was found; install one (on Debian: python3 and python3-venv) or" \
         "name it: make PYTHON=/path/to/python3.11" >&2
    exit 2
}
version=$("$python" -c 'import platform, sys, venv, ensurepip
if not (3, 10) <= sys.version_info[:2] <= (3, 13):
    sys.exit(f"error: Python 3.10 to 3.13 is needed, {sys.executable} is {platform.python_version()}")
print(platform.python_version())') || {
    echo "error: $python cannot be used: make PYTHON=/path/to/python3.11" >&2
    exit 2
}

if command -v flock >/dev/null; then
    exec 9>"$venv.lock"
    flock 9
fi
stamp=$venv/made-from
made_from="python $version
$PWD
$(cat "$requirements" $project)"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$made_from" ]; then
    exit 0
fi

log=$venv.log
run() {  # the log's end is shown only where something fails
    "$@" >>"$log" 2>&1 9>&- && return
    tail -n 10 "$log" >&2
    echo "error: set-up of $venv failed; all of its output is in $log" >&2
    exit 1
}
echo "set-up: $venv, Python $version, $requirements (a few minutes the first time; log: $log)"
rm -f "$stamp"
: >"$log"
run "$python" -m venv --clear "$venv"
# Modules are compiled when they are first imported: most of TensorFlow's never are.
pip=("$venv/bin/python" -m pip --disable-pip-version-check install --no-input --no-compile)
if [ -n "$project" ]; then
    # One dependency comes as source only. It is built with the pinned tools, not with whatever is newest that day.
    mapfile -t build_tools < <(grep -E '^(setuptools|wheel)==' "$requirements")
    run "${pip[@]}" "${build_tools[@]}"
    run "${pip[@]}" --no-build-isolation -r "$requirements"
    run "${pip[@]}" --no-build-isolation --no-deps -e .
else
    run "${pip[@]}" --no-deps -r "$requirements"
fi
printf '%s\n' "$made_from" >"$stamp.part"
mv "$stamp.part" "$stamp"
echo "set-up: $venv is ready"
