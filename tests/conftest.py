"""What the tests share: the device, the digits, and a few small trained networks."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
import torch

import samlib


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="where the tests run: cpu, cuda or mps")
    parser.addoption(
        "--require-browser", action="store_true", help="fail where there is no Chromium, instead of skipping"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The lessons come first: they take longest, in the browser above all, and what is short fills the end."""
    items.sort(key=lambda item: (item.get_closest_marker("browser") is None, ".ipynb" not in item.nodeid))


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What runs in one process: a file, since it shares what it has trained or built, or a lesson in the browser.

    By names alone: the groups that pytest-xdist 3.8 writes into them are lost in pytest 9.2.
    """
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if nodeid.startswith("tests/browser/") else super()._split_scope(nodeid)

    return ByFile(config, log)


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.config.getoption("--device"))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Tests may draw from the global generator; the package may not."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def digits(device: torch.device) -> tuple[torch.Tensor, ...]:
    return tuple(part.to(device) for part in samlib.load_digits())


@pytest.fixture(scope="session")
def trained(
    digits: tuple[torch.Tensor, ...], device: torch.device, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, torch.nn.Module]:
    """The digits MLP after SGD, SAM with rho .4, and AT with l_inf eps .125, 60 epochs each.

    The first of several test processes trains them, the others wait for what it writes.
    """
    base = tmp_path_factory.getbasetemp()
    path = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "trained.pt"
    models = {method: samlib.mlp().to(device) for method in ("sgd", "sam", "at")}
    try:
        path.with_suffix(".lock").mkdir()
    except FileExistsError:
        deadline = time.monotonic() + 300
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        for method, weights in torch.load(path, weights_only=True, map_location=device).items():
            models[method].load_state_dict(weights)
        return models
    for method, strength in [("sgd", {}), ("sam", {"rho": 0.4}), ("at", {"eps": 0.125})]:
        samlib.train(models[method], *digits[:2], method, progress=False, **strength)
    torch.save({method: model.state_dict() for method, model in models.items()}, path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)
    return models
