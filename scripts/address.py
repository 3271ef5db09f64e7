"""Point the course to a repository of your own: badges, set-up cells, citation and package.

    make address URL=https://github.com/you/samlib

The address is set in pyproject.toml; the notebooks are made from it, and the few other files that name it follow.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMED_IN = [
    "pyproject.toml",
    "CITATION.cff",
    "README.md",
    "CONTRIBUTING.md",
    "notebooks/README.md",
    "docs/teaching/slides.md",
]


def main(address: str) -> None:
    """Write the address wherever the old one stands, and make the notebooks again."""
    address = address.strip().removesuffix("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w-]+/[\w.-]+", address):
        sys.exit(
            f"URL is {address!r}; it must be https://github.com/OWNER/NAME: Colab opens notebooks from GitHub. "
            "For example: make address URL=https://github.com/you/samlib"
        )
    old = re.search(r'^Repository = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
    for name in NAMED_IN:
        text = (ROOT / name).read_text(encoding="utf-8")
        for before, now in ((old, address), (pages(old), pages(address))):
            # not the address of another repository that begins alike
            text = re.sub(rf"{re.escape(before)}(?![\w.-]*\w)", now, text)
        (ROOT / name).write_text(text, encoding="utf-8")
    subprocess.run([sys.executable, "notebooks/build.py"], cwd=ROOT, check=True)
    print(f"The course is at {address} now. Look at the changes, commit and push them; then the badges work.")


def pages(repository: str) -> str:
    """Where the readable pages of a repository are published."""
    return re.sub(r"https://github\.com/([\w-]+)/(.*)", r"https://\1.github.io/\2", repository)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
