#!/bin/sh
# Makes .venv and installs the course into it; run again, it does only what is missing.
#   scripts/setup.sh lab     what a learner needs
#   scripts/setup.sh dev     what the tests need as well
# CPU=1 takes PyTorch's CPU-only build, some 200 MB instead of 5 GB with CUDA.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-lab}
say() { printf '%s\n' "$*"; }
fail() { printf 'Cannot go on: %s\n' "$*" >&2; exit 1; }

python=${PYTHON:-python3}
command -v "$python" >/dev/null 2>&1 ||
    fail "there is no $python. Install Python 3.10 or newer (python.org, or your system's packages), or name one: make lab PYTHON=python3.12"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$("$python" --version 2>&1) is too old; the course needs 3.10 or newer. Name another one: make lab PYTHON=python3.12"

stamp=.venv/installed-$kind-$(cksum <pyproject.toml | cut -d' ' -f1)${CPU:+-cpu}
if [ -e "$stamp" ] && .venv/bin/python -c '' 2>/dev/null; then
    say "The environment .venv is ready."
    exit 0
fi

if ! .venv/bin/python -c 'import torch' 2>/dev/null; then
    needed=$([ -n "${CPU:-}" ] && echo 3 || echo 8)
    free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1048576)}')
    [ "$free" -ge "$needed" ] ||
        fail "only $free GB are free here and about $needed GB are needed. Make room, or take the smaller build: make lab CPU=1"
fi

if command -v uv >/dev/null 2>&1; then
    say "Making .venv and installing with uv."
    [ -x .venv/bin/python ] || uv venv --quiet --python "$python" .venv
    install() { uv pip install --quiet --python .venv/bin/python "$@"; }
else
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python has no venv module. On Debian and Ubuntu: sudo apt install python3-venv"
    say "Making .venv and installing with pip; the first time this takes a few minutes."
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    install() { .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }
fi

if [ -n "${CPU:-}" ]; then
    say "Installing PyTorch's CPU-only build."
    install --index-url https://download.pytorch.org/whl/cpu torch torchvision
fi
say "Installing the course and what it needs."
install -e ".[$kind]"
# An oracle for tests only. Its own requirements are years old and would drag JupyterLab back: without them.
[ "$kind" = lab ] || install --no-deps torchattacks
rm -f .venv/installed-"$kind"-*
: >"$stamp"
say "The environment .venv is ready."
