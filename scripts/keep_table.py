"""Put a table of `samlib table` among the results that the lessons read, without the paths of the machine it ran on.

    python scripts/keep_table.py tables/cifar_gpu/table.json cifar_gpu
    python scripts/keep_table.py tables/mine/table.json cifar_cpu --data "CIFAR-10, JPEG quality 75, a part"

`--data` says in words what a `folder:PATH` held; the table must be of one data set.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from samlib.course import results

PLACE = Path(results.__file__).parent


def without_paths(content: Any, data: str | None) -> Any:
    """The same with `data` for every folder of images, and only the last part of every path.

    Raises:
        ValueError: there is a folder, and no words for what it held.
    """
    if isinstance(content, dict):
        return {key: without_paths(value, data) for key, value in content.items()}
    if isinstance(content, list):
        return [without_paths(value, data) for value in content]
    if not isinstance(content, str):
        return content
    if content.startswith("folder:"):
        if data is None:
            raise ValueError(f"the table was made on {content!r}; say in words what it held: --data WORDS.")
        return data
    return re.sub(r"(?<![\w.])/(?:[^\s/]+/)+", "", content)


def main() -> None:
    """Read, clean, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("name", choices=results.GRIDS)
    parser.add_argument("--data")
    given = parser.parse_args()
    content = without_paths(json.loads(given.table.read_text(encoding="utf-8")), given.data)
    (PLACE / f"{given.name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
