"""What the lessons cost a machine: memory and CPU seconds of each, many kernels at once, the first cell.

Called by scripts/teaching.py; writes docs/teaching/costs.json, and the tables made from it in class_of_forty.md.
Memory and CPU time are the kernel's own, as Linux keeps them in /proc: this runs on Linux alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COSTS = ROOT / "docs" / "teaching" / "costs.json"
PAGE = ROOT / "docs" / "teaching" / "class_of_forty.md"
SECONDS = 1200  # that a cell may take where ten kernels share two cores

# All pictures with controls: what each control is, how many options it has, and where its picture is.
LIVES = """
import ipywidgets, json
from samlib.course import widgets as _widgets
_known = getattr(ipywidgets.widgets.widget, "_instances", None) or ipywidgets.Widget.widgets
print(json.dumps([
    {"widget": one.draw.__qualname__.split(".")[0], "picture": one.picture.model_id,
     "control": control.model_id, "at": control.index, "options": len(control.options)}
    for one in list(_known.values()) if isinstance(one, _widgets.Live)
    for control in list(one.controls.values())[:1]
]))
"""


def memory(process: int) -> dict[str, float]:
    """Of a process, in MiB: resident now, its highest so far, and its share of what several processes share."""
    status = Path(f"/proc/{process}/status").read_text()
    found = {name: int(re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[1]) for name in ("VmRSS", "VmHWM")}
    shared = int(re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)[1])
    return {"now": found["VmRSS"] / 1024, "peak": found["VmHWM"] / 1024, "share": shared / 1024}


def cpu_seconds(process: int) -> float:
    """CPU seconds that a process has used, all threads together."""
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def here() -> dict[str, Any]:
    """When and on what something was measured, and how busy the machine was."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "date": str(date.today()),
        "cpu": model[1] if model else "unknown",
        "cores": len(os.sched_getaffinity(0)),
        "load before": round(os.getloadavg()[0], 1),
    }


def process_of(client: Any) -> int:
    """The process of a client's kernel."""
    return client.km.provisioner.pid


def each_lesson(names: Sequence[str], build: Any) -> None:
    """Run the solved copy of each lesson in a kernel of its own, and note peak memory, CPU seconds and time."""
    from nbclient import NotebookClient
    from teaching import chosen_sources

    for source in chosen_sources(names or ["all"], build):
        notebook, machine = build.make(source, solved=True), here()
        client, began = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3"), time.perf_counter()
        with client.setup_kernel():
            for i, cell in enumerate(notebook.cells):
                client.execute_cell(cell, i)
            process = process_of(client)
            found = {
                "peak MiB": round(memory(process)["peak"]),
                "CPU seconds": round(cpu_seconds(process)),
                "seconds": round(time.perf_counter() - began),
            }
        keep("lessons", {source.stem: found | machine})
        print(source.stem, found, flush=True)


def many_kernels(count: int, number: str, build: Any) -> None:
    """Run a learner's copy in several kernels at once, then move a control of each picture, alone and all together."""
    from jupyter_core.utils import run_sync
    from nbclient import NotebookClient
    from teaching import Refused, chosen_sources

    if count < 1:
        raise Refused(f"--kernels is {count}; it must be at least 1.")
    (source,), machine, began = chosen_sources([number], build), here(), time.perf_counter()
    clients = []
    for _ in range(count):
        clients.append(NotebookClient(build.make(source, solved=False), timeout=SECONDS, kernel_name="python3"))
        clients[-1].create_kernel_manager()
    highest = Highest(clients)
    with ThreadPoolExecutor(count) as pool:
        try:
            list(pool.map(run_cells, clients))
            highest.stop()
            ran = time.perf_counter() - began
            browsers = list(pool.map(Browser, clients))
            used = [memory(process_of(client)) for client in clients]
            before = sum(cpu_seconds(process_of(client)) for client in clients)
            alone = [browser.move(i) for browser in browsers for i in range(len(browser.lives))]
            each = (sum(cpu_seconds(process_of(client)) for client in clients) - before) / len(alone)
            together = []
            for i in range(len(browsers[0].lives)):
                together += pool.map(lambda browser, i=i: browser.move(i), browsers)
        finally:
            highest.stop()
            for client in clients:
                run_sync(client.km.shutdown_kernel)(now=True)
    found = {
        "lesson": source.stem,
        "kernels": count,
        "GiB": round(sum(one["share"] for one in used) / 1024, 2),
        "GiB at the highest": round(highest.mib / 1024, 2),
        "GiB, what they share counted for each": round(sum(one["now"] for one in used) / 1024, 2),
        "seconds to run": round(ran),
        "controls moved": len(alone),
        "CPU seconds for a picture": round(each, 2),
        "slider alone": {"median": round(median(alone), 2), "worst": round(max(alone), 2)},
        "all sliders at once": {"median": round(median(together), 2), "worst": round(max(together), 2)},
    }
    keep("kernels", {str(count): found | machine})
    print(json.dumps(found, indent=1))


class Highest:
    """Looks every two seconds at how much memory the kernels take together, until it is stopped; keeps the highest."""

    def __init__(self, clients: Sequence[Any]) -> None:
        self.mib, self._clients, self._stop = 0.0, clients, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(2):
            started = [client for client in self._clients if client.km.has_kernel]
            with contextlib.suppress(OSError):  # one that is just going away
                self.mib = max(self.mib, sum(memory(process_of(client))["share"] for client in started))

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()


def run_cells(client: Any) -> None:
    """Start a client's kernel, run all cells, and leave the kernel running."""
    client.start_new_kernel()
    client.start_new_kernel_client()
    for i, cell in enumerate(client.nb.cells):
        client.execute_cell(cell, i)


class Browser:
    """A second client of a running kernel: it moves controls by messages, as a browser does, and waits for pictures."""

    def __init__(self, client: Any) -> None:
        from jupyter_client import BlockingKernelClient

        self.client = BlockingKernelClient(connection_file=client.km.connection_file)
        self.client.load_connection_file()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        printed: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        self.client.execute_interactive(LIVES, output_hook=hear, timeout=60)
        self.lives = json.loads("".join(printed))

    def move(self, i: int) -> float:
        """Seconds from moving the first control of a picture to the arrival of the new picture."""
        live = self.lives[i]
        live["at"] = (live["at"] + 1) % live["options"]
        data = {"method": "update", "state": {"index": live["at"]}, "buffer_paths": []}
        began = time.perf_counter()
        message = self.client.session.msg("comm_msg", {"comm_id": live["control"], "data": data})
        self.client.shell_channel.send(message)
        while True:
            content = self.client.get_iopub_msg(timeout=60)["content"]
            if content.get("comm_id") == live["picture"] and "value" in content["data"].get("state", {}):
                return time.perf_counter() - began


def first_cell(build: Any) -> None:
    """The set-up cell's work where samlib is missing, as on Colab: install from a repository, import.

    The repository is this checkout's, so what GitHub and the way there would add is not in it.
    """
    from teaching import Refused

    machine = here()
    with tempfile.TemporaryDirectory() as place:
        clone, there = Path(place, "repository"), Path(place, "packages")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(there)]
        here_instead = {"KEY_0": f"url.{clone}.insteadOf", "VALUE_0": build.REPOSITORY, "COUNT": "1"}
        git = os.environ | {f"GIT_CONFIG_{name}": value for name, value in here_instead.items()}
        began = time.perf_counter()
        done = subprocess.run([*command, f"samlib @ git+{build.REPOSITORY}"], env=git, capture_output=True, text=True)
        if done.returncode:
            raise Refused(f"pip could not install samlib: {done.stderr.strip().splitlines()[-1]}")
        installed = time.perf_counter()
        code = f"import sys; sys.path.insert(0, {str(there)!r}); import samlib, torch; print(samlib.__file__)"
        alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run([sys.executable, "-c", code], env=alone, check=True, capture_output=True, text=True)
        assert done.stdout.startswith(str(there)), done.stdout
        found = {"install": round(installed - began, 1), "import": round(time.perf_counter() - installed, 1)}
    keep("first cell", found | machine)
    print(found)


# ---- what is kept, and the page that shows it ------------------------------------------------------------------------


def kept() -> dict[str, Any]:
    """What docs/teaching/costs.json holds."""
    return json.loads(COSTS.read_text(encoding="utf-8")) if COSTS.exists() else {}


def keep(part: str, found: dict[str, Any]) -> None:
    """Note something that was measured, in the file and in the page's tables."""
    costs = kept()
    costs[part] = costs.get(part, {}) | found
    COSTS.write_text(json.dumps(costs, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    if PAGE.exists():
        PAGE.write_text(with_costs(PAGE.read_text(encoding="utf-8"), costs), encoding="utf-8")


def table(costs: dict[str, Any]) -> str:
    """Memory and time of each lesson, as a table."""
    rows = ["| lesson | peak memory (MiB) | CPU seconds |", "| --- | --- | --- |"]
    lessons = sorted(costs.get("lessons", {}).items())
    for name, one in lessons:
        rows.append(f"| {name[:2] if name[0].isdigit() else 'class'} | {one['peak MiB']} | {one['CPU seconds']} |")
    return "\n".join(rows)


def sentences(costs: dict[str, Any]) -> str:
    """What many kernels at once took, and the first cell."""
    lines = []
    for count, one in sorted(costs.get("kernels", {}).items(), key=lambda pair: int(pair[0])):
        peak, alone, all_ = one["GiB at the highest"], one["slider alone"], one["all sliders at once"]
        each = one.get("CPU seconds for a picture")
        cost = "" if each is None else f", and takes its kernel {each} CPU seconds"
        kernels = f"{count} kernels" if count != "1" else "One kernel"
        at_once = f" One in every kernel at the same moment: {all_['median']} seconds (worst: {all_['worst']})."
        lines.append(
            f"- **{kernels} of lesson {one['lesson'][:2]}**, on {one['cores']} cores where {one['load before']:g} "
            f"other processes were at work or waiting: {peak} GiB at the highest; all cells took "
            f"{one['seconds to run']} seconds. A slider that moves alone has its new picture after {alone['median']} "
            f"seconds (worst of {one['controls moved']}: {alone['worst']}){cost}."
            f"{at_once if count != '1' else ''} ({one['date']}.)"
        )
    if one := costs.get("first cell"):
        lines.append(
            f"- **The first cell where samlib is missing**, as on Colab: {one['install']} seconds to install, "
            f"{one['import']} to import. Emulated: the repository lay on the same disk, so add the way to GitHub. "
            f"({one['date']}; load before: {one['load before']}.)"
        )
    return "\n".join(textwrap.fill(line, 120, subsequent_indent="  ", break_on_hyphens=False) for line in lines)


def with_costs(page: str, costs: dict[str, Any]) -> str:
    """A page's text with the tables between its markers made afresh."""
    for name, made in (("costs", table(costs)), ("kernels", sentences(costs))):
        parts = re.split(rf"(<!-- {name}[^>]*-->\n)(?s:.*?)(<!-- end of {name} -->)", page)
        if len(parts) != 4:
            raise ValueError(f"{PAGE.name} needs `<!-- {name} -->` above and `<!-- end of {name} -->` below its table")
        page = f"{parts[0]}{parts[1]}\n{made}\n\n{parts[2]}{parts[3]}"
    return page
