"""The README's pictures: still figures of the solved lessons, run here and now.

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
    "00_write_the_attack_into_the_weights": {"kick.png": "The kick of length 0.75 is in the weights"},
    "03_sam_alone": {"robust.png": "Robust accuracy over eps"},
}


def stills(notebook: nbformat.NotebookNode) -> dict[str, bytes]:
    """Every still figure of a notebook that was run, by its text."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            page = output.get("data", {}).get("text/html", "")
            for data, alt in re.findall(r'src="data:image/png;base64,([^"]+)" alt="([^"]*)"', page):
                found[alt] = base64.b64decode(data)
    return found


for lesson, pictures in WANTED.items():
    run = nbformat.read(ROOT / "notebooks" / "solutions" / f"{lesson}.ipynb", as_version=4)
    NotebookClient(run, kernel_name="python3", timeout=120).execute()
    for name, beginning in pictures.items():
        (picture,) = (png for alt, png in stills(run).items() if alt.startswith(beginning))
        (ROOT / "docs" / name).write_bytes(picture)
        print("wrote", ROOT / "docs" / name)
