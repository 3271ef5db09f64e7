"""SAM for the last epochs alone: SGD up to there, SAM from there."""

from __future__ import annotations

import pytest
import torch

import samlib
from samlib.runs.late_sam import train_late

RHO = {"method": "sam", "rho": 0.3, "seed": 1, "epochs": 8, "progress": False}


@pytest.fixture(scope="module")
def data():
    x, y, *_ = samlib.load_digits()
    return x[:256], y[:256]


def trained(data, train, **how):
    model = samlib.mlp((8,), seed=0)
    history = train(model, *data, **how)
    return torch.cat([p.detach().flatten() for p in model.parameters()]), history["loss"]


def test_from_the_first_epoch_on_it_is_sam_and_from_the_last_it_is_sgd(data):
    late = [trained(data, train_late, begin=begin, **RHO)[0] for begin in (0, 1)]
    sam = trained(data, samlib.train, **RHO)[0]
    sgd = trained(data, samlib.train, method="sgd", seed=1, epochs=8, progress=False)[0]
    assert torch.equal(late[0], sam)
    assert torch.equal(late[1], sgd)
    assert not torch.equal(sam, sgd)


def test_it_leaves_sgds_path_at_the_epoch_that_it_begins_with(data):
    _, losses = trained(data, train_late, begin=0.75, **RHO)
    _, plain = trained(data, samlib.train, method="sgd", seed=1, epochs=8, progress=False)
    # the loss of an epoch is that before its last step: what SAM does in epoch 7 is seen within it
    assert losses[:6] == plain[:6]
    assert losses[6] != plain[6]


def test_a_beginning_outside_the_training_is_refused(data):
    with pytest.raises(ValueError, match=r"begin is 1\.5"):
        trained(data, train_late, begin=1.5, **RHO)
