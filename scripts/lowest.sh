#!/bin/sh
# Makes .venv-lowest: every requirement of pyproject.toml at its lower bound.
# LOWEST_PYTHON: a Python that those versions know; else the first of 3.10, 3.11 and 3.12 that is there.
# The tests' environment, where there is one, brings uv, which installs in a sixth of pip's time.
set -eu
cd "$(dirname "$0")/.."
for python in "${LOWEST_PYTHON:-}" python3.10 python3.11 python3.12 python3; do
    [ -n "$python" ] && "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && break
    python=
done
[ -n "$python" ] || { echo "Cannot go on: the lowest versions need Python 3.10, 3.11 or 3.12. Name one: make lowest LOWEST_PYTHON=..." >&2; exit 1; }
mkdir -p build
"$python" scripts/lower_bounds.py >build/lowest.txt
PATH=$PATH:$PWD/.venv/bin VENV=.venv-lowest CONSTRAINTS=build/lowest.txt PYTHON=$python exec scripts/setup.sh dev
