"""The first minute: scripts/setup.sh on stand-ins for machines, and scripts/lab.py as it is."""

from __future__ import annotations

import contextlib
import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ["awk", "cat", "cksum", "cp", "cut", "date", "df", "dirname", "grep", "mkdir", "ps", "rm", "sh"]
TOOLS += ["sleep", "tail", "tee", "tr", "uname", "wc"]

# A Python that makes environments with itself in them, and whose pip says and notes what it was asked for.
PYTHON = """#!/bin/sh
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; exit ;;
    "-m pip")
        shift 2
        echo "$@" >>pip-calls
        case "$*" in *"$BROKEN"*) [ -z "$BROKEN" ] || { echo "ERROR: no such wheel"; exit 1; } ;; esac
        echo "Collecting torch"
        echo "  Downloading torch-2.9-cp311.whl.metadata (30 kB)"
        echo "  Downloading torch-2.9-cp311.whl (188.0 MB)"
        echo "Installing collected packages: torch, numpy"
        sleep "${TAKES:-0}"
        exit ;;
    "-c import torch") exit 1 ;;
esac
exec REAL "$@"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A checkout with nothing around it but the commands that every machine has, and a Python."""
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/setup.sh", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for name in TOOLS:
        if found := shutil.which(name):
            (tmp_path / "bin" / name).symlink_to(found)
    command(tmp_path, "python3", PYTHON.replace("REAL", sys.executable))
    return tmp_path


def command(machine: Path, name: str, script: str) -> None:
    """Put a command of one's own on the machine, in place of the one that is there."""
    (machine / "bin" / name).unlink(missing_ok=True)
    (machine / "bin" / name).write_text(script if script.startswith("#!") else f"#!/bin/sh\n{script}\n")
    (machine / "bin" / name).chmod(0o755)


def settings(machine: Path, **more: str) -> dict[str, str]:
    alone = {"PATH": str(machine / "bin"), "TORCH_CPU_INDEX": "http://127.0.0.1:9", "NVIDIA_DEVICE": "/none"}
    return {"HOME": os.environ.get("HOME", "/")} | alone | more


def setup(machine: Path, kind: str = "lab", **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "scripts/setup.sh", kind], cwd=machine, env=settings(machine, **more), capture_output=True, text=True
    )


def pip_calls(machine: Path) -> list[str]:
    calls = machine / "pip-calls"
    return calls.read_text().splitlines() if calls.exists() else []


@contextlib.contextmanager
def index(folder: Path) -> Iterator[str]:
    """A stand-in for PyTorch's index of CPU-only builds; gives its address."""
    (folder / "cpu" / "torch").mkdir(parents=True)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *_) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/cpu"
        server.shutdown()


@pytest.mark.parametrize(
    ("prepare", "environment", "complaint"),
    [
        (None, {"PYTHON": "python-that-is-not-there"}, "there is no python-that-is-not-there"),
        (
            ("python3", 'case "$1" in --version) echo Python 3.8.1;; *) exit 1;; esac'),
            {},
            "3.8.1 is too old; the course needs 3.10 or newer",
        ),
        (("python3", 'case "$2" in *venv*) exit 1;; *) exit 0;; esac'), {"CPU": "0"}, "has no venv module"),
        (("df", "printf 'Filesystem 1024-blocks\\n/dev 9 9 1048576\\n'"), {}, "1 GB are free here and about 8 GB are"),
        (("df", "printf 'Filesystem 1024-blocks\\n/dev 9 9 1048576\\n'"), {"CPU": "1"}, "about 3 GB are needed"),
    ],
)
def test_setup_says_what_is_missing(machine, prepare, environment, complaint):
    if prepare:
        command(machine, *prepare)
    run = setup(machine, **environment)
    assert run.returncode != 0
    assert complaint in run.stderr
    assert not (machine / ".venv").exists()


def test_the_cpu_build_is_taken_where_there_is_no_gpu_and_its_index_answers(machine):
    with index(machine) as address:
        run = setup(machine, TORCH_CPU_INDEX=address)
    assert run.returncode == 0, run.stderr
    assert "PyTorch: the cpu build, because there is no NVIDIA GPU" in run.stdout
    assert f"--index-url {address} torch torchvision" in pip_calls(machine)[0]
    assert "-e .[lab]" in pip_calls(machine)[1]


@pytest.mark.parametrize(
    ("prepare", "environment", "reason"),
    [
        (None, {}, "cannot be reached"),
        (("nvidia-smi", ""), {"TORCH_CPU_INDEX": "there"}, "there is an NVIDIA GPU"),
        (("uname", "echo Darwin"), {"TORCH_CPU_INDEX": "there"}, "on a Mac"),
        (None, {"TORCH_CPU_INDEX": "there", "CPU": "0"}, "CPU=0 asks for it"),
    ],
)
def test_the_usual_build_is_taken_elsewhere_and_it_says_why(machine, prepare, environment, reason):
    if prepare:
        command(machine, *prepare)
    with index(machine) as address:
        run = setup(machine, **{name: value.replace("there", address) for name, value in environment.items()})
    assert run.returncode == 0, run.stderr
    assert "PyTorch: the usual build, because" in run.stdout
    assert reason in run.stdout
    assert not any("--index-url" in call for call in pip_calls(machine))


def test_an_index_without_a_wheel_for_this_python_gives_way_unless_it_was_asked_for(machine):
    with index(machine) as address:
        run = setup(machine, TORCH_CPU_INDEX=address, BROKEN="--index-url")
        assert run.returncode == 0, run.stderr
        assert "could not be installed; taking the usual one" in run.stdout
        run = setup(machine, TORCH_CPU_INDEX=address, BROKEN="--index-url", CPU="1")
        assert run.returncode != 0
        assert "no such wheel" in run.stderr
        assert f"could not be installed from {address}" in run.stderr


def test_what_comes_is_shown_and_what_failed_is_told(machine):
    run = setup(machine)
    assert "  Downloading torch-2.9-cp311.whl (188.0 MB)\n  Unpacking" in run.stdout
    assert "metadata" not in run.stdout
    assert "is ready, after" in run.stdout
    shutil.rmtree(machine / ".venv")
    run = setup(machine, BROKEN="-e .[lab]")
    assert run.returncode != 0
    assert "ERROR: no such wheel\nCannot go on: the packages could not be installed" in run.stderr
    assert setup(machine).returncode == 0


def test_a_second_call_does_nothing_until_the_requirements_change(machine):
    assert setup(machine, "dev").returncode == 0
    calls = len(pip_calls(machine))
    for kind in ("dev", "lab"):  # what the tests need holds what a learner needs
        assert setup(machine, kind).stdout == "The environment .venv is ready.\n"
    assert setup(machine, "lab", CPU="0").stdout != "The environment .venv is ready.\n"
    assert len(pip_calls(machine)) == calls + 1
    with (machine / "pyproject.toml").open("a") as file:
        file.write("\n")
    assert "is ready, after" in setup(machine).stdout
    assert len(pip_calls(machine)) == calls + 2


def test_uv_is_taken_where_it_is(machine):
    command(
        machine,
        "uv",
        'echo "$@" >>uv-calls; case "$1" in venv) mkdir -p .venv/bin; cp bin/python3 .venv/bin/python;; esac',
    )
    assert setup(machine).returncode == 0
    made, installed = (machine / "uv-calls").read_text().splitlines()
    assert made.startswith("venv ")
    assert installed == "pip install --python .venv/bin/python -e .[lab]"
    assert setup(machine).stdout == "The environment .venv is ready.\n"


@pytest.mark.parametrize("moment", ["venv", "pip"])
def test_an_install_killed_in_the_middle_and_repeated_works(machine, moment):
    if moment == "venv":  # before there is a Python in it
        command(machine, "python3", PYTHON.replace("REAL", sys.executable).replace("mkdir -p", "sleep 60; mkdir -p"))
    first = subprocess.Popen(
        ["sh", "scripts/setup.sh", "lab"],
        cwd=machine,
        env=settings(machine, TAKES="60"),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    there = machine / ".venv" / "unfinished" if moment == "venv" else machine / "pip-calls"
    while not there.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    second = setup(machine)
    assert second.returncode != 0
    assert f"another setup (process {first.pid}) is installing into .venv right now" in second.stderr
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert not (machine / ".venv" / "installed-lab").exists()

    command(machine, "python3", PYTHON.replace("REAL", sys.executable))
    third = setup(machine)
    assert third.returncode == 0, third.stderr
    assert "was interrupted; beginning again" in third.stdout
    assert setup(machine).stdout == "The environment .venv is ready.\n"


def test_an_environment_whose_python_is_gone_is_made_again(machine):
    assert setup(machine).returncode == 0
    (machine / ".venv" / "bin" / "python").unlink()
    run = setup(machine)
    assert "The Python of .venv is gone; making it again." in run.stdout
    assert run.returncode == 0
    assert setup(machine).stdout == "The environment .venv is ready.\n"


def link_in(text: str) -> str:
    return next(word for word in text.split() if word.startswith("http://127.0.0.1:") and "start.ipynb" in word)


def test_the_course_opens_without_a_browser_beside_a_port_in_use_and_once(tmp_path):
    """As whoever runs the tests: in a container that is root, whom JupyterLab refuses of itself."""
    lonely = {
        name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    }
    lonely |= {"JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, str(ROOT / "scripts" / "lab.py"), f"--port={port}"]
        with (tmp_path / "log").open("w") as log:
            lab = subprocess.Popen(command, env=lonely, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 90
            while "The course is open;" not in (tmp_path / "log").read_text() and time.monotonic() < deadline:
                assert lab.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.1)
            link = link_in((tmp_path / "log").read_text().split("The course is open;")[1])
            assert f":{port}/" not in link
            with urllib.request.urlopen(link, timeout=30) as page:
                assert b"<title>JupyterLab</title>" in page.read()
            again = subprocess.run(command, env=lonely, capture_output=True, text=True, timeout=60)
            assert again.returncode == 0, again.stderr
            assert link_in(again.stdout) == link
        finally:
            lab.terminate()
            lab.wait(30)
