"""Each lesson's two or three pictures for slides: its widgets at named states, as files with their texts.

slides.toml names the widgets, by the function that makes them, and for each control that is not left where it stands
the text of the option.
"""

from __future__ import annotations

import html
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WANTED = Path(__file__).with_name("slides.toml")


def wanted() -> dict[str, list[dict[str, Any]]]:
    """{number of a lesson: its pictures}: file, widget, state."""
    return tomllib.loads(WANTED.read_text(encoding="utf-8"))["lesson"]


def of_lesson(source: Path) -> list[dict[str, Any]]:
    """The pictures that are wanted of a lesson; their files' names begin with its number."""
    number = source.stem[:2]
    return [{**one, "file": f"{number}_{one['file']}"} for one in wanted().get(number, [])]


def publish(places: list[Path], out: Path) -> None:
    """Copy the pictures and texts of lessons that were run, each with a small copy of the picture to show."""
    out.mkdir()
    for place in places:
        for file in sorted((place / "slides").glob("*.png")):
            shutil.copy(file, out)
            shutil.copy(file.with_suffix(".txt"), out)
            image = Image.open(file)
            image.convert("RGB").resize((640, round(640 * image.height / image.width))).save(
                out / f"{file.stem}.webp", quality=90
            )


def with_pictures(page: str, folder: Path) -> str:
    """The page whose table names the pictures, with what is in `folder` shown in place of the names."""

    def shown(found: re.Match[str]) -> str:
        name = found[1]
        if not (folder / f"{name}.png").exists():  # of a lesson that was left out
            return found[0]
        alt = html.escape((folder / f"{name}.txt").read_text(encoding="utf-8").strip(), quote=True)
        with Image.open(folder / f"{name}.webp") as small:
            size = f'width="320" height="{small.height // 2}"'
        at = f"../slides/{name}"
        return (
            f'| <img src="{at}.webp" alt="{alt.replace("|", "&#124;")}" loading="lazy" {size}>'
            f'<a href="{at}.png" download>{name}.png</a>, <a href="{at}.txt" download>its text</a> |'
        )

    return re.sub(r"^\| `(\w+)` \|", shown, page, flags=re.MULTILINE)
