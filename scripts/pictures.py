"""The README's pictures: figures of the solved lessons, run here and now; widgets as they stand at first.

.venv/bin/python scripts/pictures.py
"""

from __future__ import annotations

import base64
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
WANTED = {  # lesson: {file: how the text of the figure begins}
    "00_write_the_attack_into_the_weights": {"two_places.png": "eps 0.75, digit 3, network SGD"},
    "03_sam_alone": {"robust.png": "Robust accuracy at linf eps 0.125"},
}


def figures(notebook: nbformat.NotebookNode) -> dict[str, bytes]:
    """Every figure of a notebook that was run, still or in a widget, by its text."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pages = [output.get("data", {}).get("text/html", "") for output in outputs]
    widgets = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values()
    pages += [str(widget["state"].get("value", "")) for widget in widgets]
    image = r'src="data:image/png;base64,([^"]+)" alt="([^"]*)"'
    return {alt: base64.b64decode(data) for page in pages for data, alt in re.findall(image, page)}


for lesson, pictures in WANTED.items():
    run = nbformat.read(ROOT / "notebooks" / "solutions" / f"{lesson}.ipynb", as_version=4)
    NotebookClient(run, kernel_name="python3", timeout=120).execute()
    for name, beginning in pictures.items():
        (picture,) = (png for alt, png in figures(run).items() if alt.startswith(beginning))
        (ROOT / "docs" / name).write_bytes(picture)
        print("wrote", ROOT / "docs" / name)
