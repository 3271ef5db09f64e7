"""A lesson that was run, as a page: MyST text, with players in the place of widgets."""

from __future__ import annotations

import ast
import base64
import hashlib
import html
import io
import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from export import HERE, build, read_widget
from jinja2 import Environment, FileSystemLoader
from PIL import Image

TEMPLATES: Any = (
    Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=FileSystemLoader(HERE))
    .get_template("widgets.html")
    .module
)
VIEW = "application/vnd.jupyter.widget-view+json"


@dataclass
class Page:
    """One lesson's page.

    Args:
        source: of the lesson.
        kept: the folder with its notebook, run, and its widgets.
        site: where the site goes: pictures into site/pictures, which pages share, states into site/states.
    """

    source: Path
    kept: Path
    site: Path
    names: set[str] = field(default_factory=set)
    players: dict[str, dict[str, Any]] = field(default_factory=dict)  # by name: kind, where it lies, its states

    def text(self) -> str:
        """The page in MyST's Markdown."""
        notebook = nbformat.read(self.kept / "lesson.ipynb", as_version=4)
        self.solutions = set(build.solutions(self.source).values())
        self.pictures, self.states = self.site / "pictures", self.site / "states"
        for folder in (self.pictures, self.states):
            folder.mkdir(parents=True, exist_ok=True)
        cells = [self._cell(cell) for cell in notebook.cells[2:]]  # after title and set-up
        return "\n\n".join([head(self.source), *filter(None, cells)]) + "\n"

    def _cell(self, cell: nbformat.NotebookNode) -> str:
        if cell.cell_type == "markdown":
            return re.sub(r"\]\((?:\.\./docs/)?(\w+)\.(?:ipynb|md)\)", r"](\1.md)", cell.source)
        code = cell.source.replace("  # fmt: skip", "")
        shown = "" if only_draws(code) else f"```python\n{code}\n```"
        outputs = "\n\n".join(filter(None, (self._output(output, cell) for output in joined(cell.outputs))))
        if cell.source in self.solutions:
            folded = raw('<details class="solution"><summary>Solution</summary>')
            return "\n\n".join([folded, shown, outputs, raw("</details>")])
        return f"{shown}\n\n{outputs}".strip()

    def _output(self, output: nbformat.NotebookNode, cell: nbformat.NotebookNode) -> str:
        if output.output_type == "stream":
            return printed(output.text) if output.name == "stdout" else ""
        data = output.get("data", {})
        if VIEW in data:
            return self._widget(data[VIEW]["model_id"], cell)
        if "text/markdown" in data:
            return data["text/markdown"]
        if "text/html" in data:
            return raw(f'<div class="output">{self._stills(data["text/html"])}</div>')
        return printed(data["text/plain"]) if "text/plain" in data else ""

    def _widget(self, model: str, cell: nbformat.NotebookNode) -> str:
        place = self.kept / "widgets" / model
        if not place.exists():
            raise ValueError(f"{self.source.name}: a widget was not handed out; its cell is\n{cell.source}")
        widget, name = read_widget(place), self._name(cell.source)
        if widget["kind"] == "question":
            return raw(question(name, widget))
        widget["states"] = [(self._keep(place / file), alt) for file, alt in widget["states"]]
        widget["file"] = f"{self.source.stem}-{name}.js"
        (self.states / widget["file"]).write_text(states_file(name, widget["states"]), encoding="utf-8")
        self.players[name] = widget
        return raw(player(name, widget, ".."))

    def _name(self, code: str) -> str:
        """A widget's name in the page's address: that of the call that made it."""
        called = re.findall(r"lesson\.(\w+)(?:\.ask)?\(", code)
        name = called[-1] if called else "widget"
        while name in self.names:
            name += "_"
        self.names.add(name)
        return name

    def _keep(self, picture: Path) -> str:
        to = self.pictures / picture.name
        if not to.exists():
            shutil.copyfile(picture, to)
        return picture.name

    def _stills(self, text: str) -> str:
        """HTML with its pictures, which a notebook holds as text, in files."""

        def kept(found: re.Match[str]) -> str:
            data = base64.b64decode(found[1])
            name = hashlib.sha256(data).hexdigest()[:16] + ".webp"
            Image.open(io.BytesIO(data)).convert("RGB").save(self.pictures / name, "webp", lossless=True, method=2)
            return f'<img loading="lazy" src="../pictures/{name}"{found[2]}>{TEMPLATES.larger(f"../pictures/{name}")}'

        return re.sub(r'<img src="data:image/png;base64,([^"]*)"([^>]*)>', kept, text)


def head(source: Path) -> str:
    """Title, facts, where to run it."""
    facts = build.read(source).metadata["samlib"]
    colab = build.colab(source, "notebooks")
    minutes = f"{facts['minutes']} minutes"
    if facts["at_home"]:
        minutes += f", and {facts['at_home']} for the exercises"
    links = (
        f'<p class="run-it"><a href="{colab}">Open in Colab</a> '
        f'<a href="../notebooks/{source.stem}.ipynb" download>Download the notebook</a></p>'
    )
    return f"# {build.numbered(source, facts)}\n\n{facts['part']} · {minutes} · {facts['difficulty']}\n\n{raw(links)}"


def only_draws(code: str) -> bool:
    """Whether a cell only imports the lesson's room and shows something of it: code that a page leaves out."""
    for statement in ast.parse(re.sub(r"^%.*$", "", code, flags=re.MULTILINE)).body:
        imports = isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("samlib.course")
        call = statement.value if isinstance(statement, ast.Expr) else None
        shows = isinstance(call, ast.Call) and ast.unparse(call.func).startswith("lesson.")
        if not (imports or (shows and not ast.unparse(call.func).endswith(".check"))):
            return False
    return True


def raw(text: str) -> str:
    """HTML, as it is, in a MyST page."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text) or [""]))
    return f"{fence}{{raw}} html\n{text}\n{fence}"


def joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """A cell's outputs; what it prints in one go is one of them, however it came."""
    found: list[nbformat.NotebookNode] = []
    for output in outputs:
        if found and output.output_type == found[-1].output_type == "stream" and output.name == found[-1].name:
            found[-1] = nbformat.v4.new_output("stream", name=output.name, text=found[-1].text + output.text)
        else:
            found.append(output)
    return found


def printed(text: str) -> str:
    """What a cell printed."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", text).rstrip()
    lines = "".join(f"<span>{html.escape(line)}\n</span>" for line in plain.splitlines())
    return raw(f'<pre class="printed" tabindex="0">{lines}</pre>') if plain else ""


def states_file(name: str, states: list[tuple[str, str]]) -> str:
    """A script that hands a player its states; a script, since a page opened from the disk may fetch nothing else."""
    return f"samlib.arrived({json.dumps(name)}, {json.dumps(states, ensure_ascii=False, separators=(',', ':'))});\n"


def player(name: str, widget: dict[str, Any], root: str) -> str:
    """A picture with controls, at rest. The script beside the page brings the other states when they are needed."""
    at = 0
    for control in widget["controls"].values():
        at = at * len(control["options"]) + control["at"]
    return TEMPLATES.player(name, widget, root, at)


def question(name: str, widget: dict[str, Any]) -> str:
    """A question to commit to; what is said to each choice comes with it."""
    return TEMPLATES.question(name, widget)
