#!/bin/sh
# Makes .venv and installs the course into it; run again, it does only what is missing.
#   scripts/setup.sh lab     what a learner needs
#   scripts/setup.sh dev     what the tests need as well
# PyTorch's CPU-only build, some 200 MB instead of 5 GB with CUDA, is taken where no NVIDIA GPU is seen; CPU=1 takes it in
# any case, CPU=0 in none. TORCH_CPU_INDEX: where to find it. VENV, CONSTRAINTS: another place, and bounds on the versions.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-lab}
venv=${VENV:-.venv}
index=${TORCH_CPU_INDEX:-https://download.pytorch.org/whl/cpu}
say() { printf '%s\n' "$*"; }
fail() { printf 'Cannot go on: %s\n' "$*" >&2; exit 1; }

python=${PYTHON:-python3}
command -v "$python" >/dev/null 2>&1 ||
    fail "there is no $python. Install Python 3.10 or newer (python.org, or your system's packages), or name one: make lab PYTHON=python3.12"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$("$python" --version 2>&1) is too old; the course needs 3.10 or newer. Name another one: make lab PYTHON=python3.12"

# The stamp is written when all is done; it says for which requirements, and for which wish about the build of PyTorch.
wanted=$(cat pyproject.toml ${CONSTRAINTS:-} | cksum | cut -d' ' -f1)-${CPU:-any}
done=$(cat "$venv/installed-$kind" 2>/dev/null || true)
if { [ "$done" = "$wanted" ] || { [ -z "${CPU:-}" ] && [ "${done%-*}" = "${wanted%-*}" ]; }; } &&
    "$venv/bin/python" -c '' 2>/dev/null; then
    say "The environment $venv is ready."
    exit 0
fi

# An install that was killed leaves packages in pieces, which pip takes for whole ones: begin again. What came is in pip's cache.
unfinished=$venv/unfinished
if [ -e "$unfinished" ]; then
    other=$(cat "$unfinished")
    goes_on() { { ps -p "$other" -o args= || tr '\0' ' ' <"/proc/$other/cmdline"; } 2>/dev/null | grep -q setup.sh; }
    # one that was killed a moment ago may still be at its last write
    if goes_on && sleep 3 && goes_on; then
        fail "another setup (process $other) is installing into $venv right now; wait until it is done."
    fi
    say "The last install into $venv was interrupted; beginning again."
    rm -rf "$venv"
elif [ -e "$venv" ] && ! "$venv/bin/python" -c '' 2>/dev/null; then
    say "The Python of $venv is gone; making it again."
    rm -rf "$venv"
fi

# Which build of PyTorch, and why.
reachable() {
    "$python" -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=5)' "$index/torch/" 2>/dev/null
}
has_nvidia() { command -v nvidia-smi >/dev/null 2>&1 || [ -e "${NVIDIA_DEVICE:-/dev/nvidiactl}" ]; }
build=usual
case ${CPU:-any} in
    0) why="CPU=0 asks for it" ;;
    1) build=cpu why="CPU=1 asks for it" ;;
    *)
        if [ "$(uname)" = Darwin ]; then why="on a Mac it is small and knows the GPU"
        elif has_nvidia; then why="there is an NVIDIA GPU"
        elif reachable; then build=cpu why="there is no NVIDIA GPU; CPU=0 takes the one with CUDA"
        else why="there is no NVIDIA GPU, but $index, where the small CPU-only build lies, cannot be reached"
        fi ;;
esac

if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
    needed=$([ $build = cpu ] && echo 3 || echo 8)
    free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1048576)}')
    [ "$free" -ge "$needed" ] ||
        fail "only $free GB are free here and about $needed GB are needed. Make room, or take the smaller build: make lab CPU=1"
fi

if command -v uv >/dev/null 2>&1; then
    make_venv() { uv venv --quiet --seed --allow-existing --python "$python" "$venv"; }
    install() { uv pip install --python "$venv/bin/python" "$@"; }
else
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python has no venv module. On Debian and Ubuntu: sudo apt install python3-venv"
    make_venv() { "$python" -m venv "$venv"; }
    install() { pip_install "$@"; }
fi

# pip says a line for everything that it looks at, or nothing for minutes: show what comes, so that one sees it move.
pip_install() {
    { "$venv/bin/python" -m pip install --progress-bar off --disable-pip-version-check "$@" 2>&1 || : >"$venv/failed"; } |
        tee "$venv/pip.log" | while IFS= read -r line; do
            case $line in
                *Downloading*.metadata*) ;;
                *Downloading*) say "  ${line#"${line%%[! ]*}"}" ;;
                "Installing collected packages"*) say "  Unpacking $(echo "$line" | wc -w) packages; this takes a minute or so." ;;
            esac
        done
    [ ! -e "$venv/failed" ] || { rm "$venv/failed"; tail -n 15 "$venv/pip.log" >&2; return 1; }
}

began=$(date +%s)
say "Making $venv; the first time this takes a few minutes."
mkdir -p "$venv"
echo $$ >"$unfinished"
[ -x "$venv/bin/python" ] || make_venv
say "PyTorch: the $build build, because $why."
[ $build = usual ] || install --upgrade --index-url "$index" torch torchvision ${CONSTRAINTS:+-c "$CONSTRAINTS"} ||
    { [ -z "${CPU:-}" ] && say "The CPU-only build could not be installed; taking the usual one."; } ||
    fail "PyTorch's CPU-only build could not be installed from $index."
say "Installing the course and what it needs."
install -e ".[$kind]" ${CONSTRAINTS:+-c "$CONSTRAINTS"} || fail "the packages could not be installed; the lines above say why."
# An oracle for tests only. Its own requirements are years old and would drag JupyterLab back: without them.
[ "$kind" = lab ] || install --no-deps torchattacks || fail "torchattacks could not be installed."
for name in lab $kind; do echo "$wanted" >"$venv/installed-$name"; done
rm "$unfinished"
say "The environment $venv is ready, after $(($(date +%s) - began)) seconds."
