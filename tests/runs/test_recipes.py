"""The recipes of docs/runs.md are commands that the command line takes, and a grid that can be read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from samlib.runs import command_line
from samlib.runs.grid import read_grid
from samlib.runs.sweep import parse_part

TEXT = (Path(__file__).parents[2] / "docs" / "runs.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)


def called(block: str, folder: Path) -> list[list[str]]:
    """The arguments that a recipe calls samlib with; torchrun and srun only pass theirs on."""
    for name in ("samlib", "torchrun", "srun"):
        (folder / name).write_text('#!/bin/sh\necho "$*" >> "$CALLS"\n')
        (folder / name).chmod(0o755)
    slurm = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8", "MASTER": "node1"}
    own = {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(folder / "calls")}
    subprocess.run(["bash", "-eu", "-c", block], env=os.environ | slurm | own, check=True)
    return [line.rpartition("-m samlib ")[2].split() for line in (folder / "calls").read_text().splitlines()]


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
@pytest.mark.parametrize("block", [text for kind, text in BLOCKS if kind == "bash"])
def test_a_recipe_is_taken_by_the_command_line(block, tmp_path, monkeypatch):
    taken = []
    for name, (_, add_arguments) in command_line.COMMANDS.items():
        monkeypatch.setitem(command_line.COMMANDS, name, (taken.append, add_arguments))
    calls = called(block, tmp_path)
    for arguments in calls:
        command_line.main(arguments)
    assert len(taken) == len(calls) >= 1
    if "--part" in block:
        parts = sorted(parse_part(options.part) for options in taken)
        assert parts in ([(3, 8)], [(i, 8) for i in range(1, 9)])


def test_the_recipes_grid_can_be_read(tmp_path):
    (text,) = [text for kind, text in BLOCKS if kind == "toml"]
    (tmp_path / "grid.toml").write_text(text)
    assert [row.name for row in read_grid(tmp_path / "grid.toml").rows] == ["SGD", "SAM rho=0.1", "SAM rho=0.2"]
