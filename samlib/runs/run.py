"""A run and its folder: settings.json, checkpoint.pt, log.jsonl, and what is measured of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from samlib.ascent import attack_mode
from samlib.data import flip_and_crop
from samlib.files import load_whole, write_atomically
from samlib.runs.engine import Engine, EngineRun, FirstRanksCheckpoint
from samlib.runs.images import Images, as_pixels, load_images, make_model
from samlib.runs.settings import NAMES, Settings, make_settings
from samlib.training import History

SETTINGS, CHECKPOINT, LOG = "settings.json", "checkpoint.pt", "log.jsonl"


def train_run(
    settings: Settings, folder: Path, engine: Engine, root: str = "data", progress: bool = True
) -> tuple[nn.Module, History]:
    """Train, or go on where the folder's checkpoint stopped. Every process of the engine calls it.

    Args:
        folder: made if it is not there; its checkpoint is written after every epoch, and its log has a line for each.
        root: where CIFAR is or is to be.

    Returns:
        The trained model, on its device, and the history.

    Raises:
        ValueError: the folder is of another run, or a setting does not suit the data.
        OSError: the data cannot be read, or the folder cannot be written.
        FloatingPointError: the loss is not finite any more.
    """
    with engine.ranks.first_alone():
        check_folder(folder, settings, engine)
        images = load_images(settings.data, settings.images, settings.validation, root).to(engine.device)
        model = make_model(settings, images).to(engine.device)
    with engine.applied(model):
        augment = flip_and_crop() if settings.augment else None
        run = EngineRun(model, images, settings.recipe, augment, engine)
        check_network(model, images)
        with engine.ranks.first_alone():
            write_settings(folder, settings, engine)

        def log(history: History) -> None:
            if engine.ranks.first:
                write_atomically(folder / LOG, log_lines(history).encode(), "out")

        file = FirstRanksCheckpoint(folder / CHECKPOINT, run)
        run.complete(file, progress=progress and engine.ranks.first, on_epoch=log)
        log(run.history)  # a run that was killed between its last checkpoint and its log
    return model, run.history


def log_lines(history: History) -> str:
    """A line of JSON for each epoch: its number, loss, accuracy, learning rate and seconds."""
    epochs = zip(*history.values(), strict=True)
    return "".join(
        json.dumps({"epoch": i, **dict(zip(history, values, strict=True))}) + "\n"
        for i, values in enumerate(epochs, start=1)
    )


def check_network(model: nn.Module, images: Images) -> None:
    """The network takes images of this size.

    Raises:
        ValueError: it does not.
    """
    try:
        with attack_mode(model), torch.no_grad():
            model(as_pixels(images.x[:2]))
    except RuntimeError as error:
        raise ValueError(f"model cannot take images of shape {tuple(images.x.shape[1:])}: {error}") from error


# ---- the folder ------------------------------------------------------------------------------------------------------


def check_folder(folder: Path, settings: Settings, engine: Engine) -> None:
    """The folder is of this run, or there is nothing in it yet.

    Raises:
        ValueError: it holds another run, or something else.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"out={str(folder)!r} is a file; name a folder.")
    if not (folder / SETTINGS).exists():
        if folder.exists() and any(folder.iterdir()):
            raise ValueError(f"out={str(folder)!r} holds something else than a run; name another folder.")
        return
    there, here = _read(folder), _described(settings, engine)
    differ = [name for name in (there | here) if there.get(name) != here.get(name)]
    if differ:
        detail = "; ".join(f"{name}: {there.get(name)!r} there, {here.get(name)!r} here" for name in differ)
        raise ValueError(f"out={str(folder)!r} holds another run ({detail}); name another folder.")


def write_settings(folder: Path, settings: Settings, engine: Engine) -> None:
    """Make the folder and say in it what the run is."""
    folder.mkdir(parents=True, exist_ok=True)
    if engine.ranks.first and not (folder / SETTINGS).exists():
        write_atomically(folder / SETTINGS, (json.dumps(_described(settings, engine), indent=1) + "\n").encode(), "out")


def _described(settings: Settings, engine: Engine) -> dict[str, Any]:
    return settings.flat() | engine.identity()


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        return dict(content)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{folder / SETTINGS} cannot be read: {error}") from error


def load_settings(folder: Path) -> Settings:
    """What a folder's run computes.

    Raises:
        ValueError: the folder holds no run.
    """
    if not (folder / SETTINGS).exists():
        raise ValueError(f"{str(folder)!r} holds no run: there is no {SETTINGS} in it; `samlib train --out` makes one.")
    content = _read(folder)
    return make_settings({name: content[name] for name in NAMES if name in content})


def load_network(folder: Path, model: nn.Module) -> int:
    """Give the model the weights of the folder's checkpoint. Returns how many epochs they were trained.

    Raises:
        ValueError: there is no checkpoint, or it is of another model.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        raise ValueError(
            f"{str(folder)!r} has no checkpoint yet: its run was stopped before the end of its first epoch."
        )
    saved = load_whole(path, "checkpoint", next(model.parameters()).device)
    try:
        model.load_state_dict(saved["model"])
    except (RuntimeError, KeyError, TypeError) as error:
        raise ValueError(f"checkpoint={str(path)!r} is of another model ({type(error).__name__}: {error}).") from error
    return len(saved["history"]["loss"])
