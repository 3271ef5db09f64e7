"""Each lesson's two or three pictures for slides: its widgets at named states, drawn at 400 dpi, with their texts.

scripts/teaching/pictures.toml names the widgets, by the function that makes them, and for each control that is not left
where it stands the text of the option. Called by scripts/teaching.py.
"""

from __future__ import annotations

import html
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
WANTED = ROOT / "scripts" / "teaching" / "pictures.toml"
SECONDS = 600  # that a cell may take

BEFORE = """
from samlib.course import style, widgets
style.DPI = 400  # twice a notebook's
_lives, _init = [], widgets.Live.__init__
def _noted(self, *given, **named):
    _init(self, *given, **named)
    _lives.append(self)
widgets.Live.__init__ = _noted
"""
AFTER = """
import json
from pathlib import Path
from samlib.course import style, widgets

def _options(control):
    texts = [option[0] if isinstance(option, tuple) else str(option) for option in control.options]
    return dict(zip(texts, widgets.choices(control)))

for _one in json.loads(WANTED):
    (_live,) = [live for live in _lives if live.draw.__qualname__.split(".")[0] == _one["widget"]][-1:]
    _state = {name: control.value for name, control in _live.controls.items()}
    for _name, _text in _one.get("state", {}).items():
        _state[_name] = _options(_live.controls[_name])[_text]
    with style.look():
        _alt = _live.draw(**_state)
        _png = widgets.png(_live.picture.fig)
    Path(_one["file"] + ".png").write_bytes(_png)
    Path(_one["file"] + ".txt").write_text(_alt + "\\n", encoding="utf-8")
"""


def wanted() -> dict[str, list[dict[str, Any]]]:
    """{number of a lesson: its pictures}: file, widget, state, and what to say about it."""
    return tomllib.loads(WANTED.read_text(encoding="utf-8"))["lesson"]


def write(out: Path, numbers: Sequence[str], build: Any) -> list[Path]:
    """Write the pictures of some lessons, of all without numbers, as out/NN_name.png and out/NN_name.txt."""
    from nbclient import NotebookClient
    from teaching import Refused

    known = wanted()
    if unknown := [number for number in numbers if number not in known]:
        raise Refused(f"There are no pictures of lesson {', '.join(unknown)}; there are of {', '.join(known)}.")
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for number in numbers or known:
        (source,) = [source for source in build.sources() if source.stem.startswith(number)]
        files = [{**one, "file": str(out.resolve() / f"{number}_{one['file']}")} for one in known[number]]
        notebook = build.make(source, solved=True)
        cell = build.nbformat.v4.new_code_cell
        notebook.cells.insert(0, cell(BEFORE))
        notebook.cells.append(cell(AFTER.replace("WANTED", repr(json.dumps(files)))))
        NotebookClient(notebook, timeout=SECONDS, kernel_name="python3").execute()
        for one in files:
            written.append(Path(one["file"] + ".png"))
            print("wrote", written[-1], flush=True)
    page(out, numbers or list(known))
    return written


def page(out: Path, numbers: Sequence[str]) -> None:
    """A page with the pictures, to look through."""
    rows = []
    for number in numbers:
        for one in wanted()[number]:
            file = f"{number}_{one['file']}"
            alt = html.escape((out / f"{file}.txt").read_text(encoding="utf-8").strip(), quote=True)
            rows.append(f'<h2>{file}</h2>\n<img src="{file}.png" alt="{alt}" width="840">\n<p>{alt}</p>')
    head = '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Pictures for slides</title>\n'
    (out / "index.html").write_text(head + "\n".join(rows) + "\n</html>\n", encoding="utf-8")
