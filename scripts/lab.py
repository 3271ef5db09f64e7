"""Open the course in JupyterLab, on this machine's own address only, and say where it is.

    .venv/bin/python scripts/lab.py [options of jupyter lab]

A second call finds the JupyterLab that is open already. Where there is no browser, the link is all that one needs.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
import webbrowser
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

ROOT = Path(__file__).resolve().parent.parent
START = "lab/tree/notebooks/start.ipynb"


def servers() -> dict[int, str]:
    """The link to the course on each JupyterLab that serves this folder, by process.

    Each server notes its address in a file, which it leaves behind where it is killed.
    """
    links = {}
    for note in Path(jupyter_runtime_dir()).glob("jpserver-*.json"):
        with contextlib.suppress(OSError, ValueError):  # gone, half written, or of a server that is no more
            server = json.loads(note.read_text())
            socket.create_connection(("127.0.0.1", server["port"]), timeout=1).close()
            if Path(server["root_dir"]) == ROOT:
                address = f"http://127.0.0.1:{server['port']}{server['base_url']}"
                links[server["pid"]] = f"{address}{START}?token={server['token']}"
    return links


def has_browser() -> bool:
    """Whether a browser can show the course: on Linux one needs a screen for it."""
    if sys.platform.startswith("linux") and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))):
        return False
    try:
        return bool(webbrowser.get())
    except webbrowser.Error:
        return False


def main(options: list[str]) -> None:
    """Start JupyterLab, or show the one that runs."""
    if link := next(iter(servers().values()), None):
        print(f"The course is open already. Its link:\n\n    {link}\n", flush=True)
        if has_browser():
            webbrowser.open(link)
        return
    fixed = ["--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url=/{START}"]
    fixed += ["--ServerApp.log_level=ERROR"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        fixed.append("--allow-root")  # a container; the address stays this machine's own
    if not has_browser():
        fixed.append("--no-browser")
    if os.fork() == 0:  # the link, once it is known; this process itself becomes JupyterLab
        tell_the_link(os.getppid())
        os._exit(0)
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *fixed, *options])


def tell_the_link(lab: int) -> None:
    """Wait for a JupyterLab, named by its process, and print its link."""
    while os.getppid() == lab and lab not in servers():
        time.sleep(0.2)
    if link := servers().get(lab):
        print(
            f"The course is open; Ctrl-C stops it. Its link, for a browser on this machine:\n\n    {link}\n", flush=True
        )


if __name__ == "__main__":
    main(sys.argv[1:])
