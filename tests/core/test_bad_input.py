"""Bad input: the error names the argument, says what came and what is allowed, and nothing is changed."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import samlib
from samlib.checks import check_count, check_not_probabilities, check_number
from samlib.evaluation import robust_mask
from samlib.unions import Attack

X = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
Y = torch.arange(6)

# Every public function that takes a model, images and labels, called with them.
CALLS = {
    "fgsm": lambda model, x, y: samlib.fgsm(model, x, y, 0.1),
    "pgd": lambda model, x, y: samlib.pgd(model, x, y, 0.1),
    "apgd": lambda model, x, y: samlib.apgd(model, x, y, 0.1, steps=3),
    "square": lambda model, x, y: samlib.square(model, x, y, 0.1, queries=3),
    "accuracy": lambda model, x, y: samlib.accuracy(model, x, y),
    "evaluate": lambda model, x, y: samlib.evaluate(model, x, y, 0.1, budget="quick"),
    "diagnose": lambda model, x, y: samlib.diagnose(model, x, y, 0.1),
    "robust_accuracy": lambda model, x, y: samlib.robust_accuracy(model, x, y, 0.1),
    "robust_curve": lambda model, x, y: samlib.robust_curve(model, x, y, [0.1]),
    "train": lambda model, x, y: samlib.train(model, x, y, epochs=1, progress=False),
}


@pytest.fixture
def model(device):
    return samlib.mlp((8,)).to(device)


@pytest.fixture(params=CALLS)
def call(request, model, device):
    """One of the public functions, and the promise that a refused call changes neither model nor generators."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes, state = [m.training for m in model.modules()], torch.get_rng_state()

    def run(model, x=X, y=Y):
        move = [v.to(device) if isinstance(v, torch.Tensor) else v for v in (x, y)]
        return CALLS[request.param](model, *move)

    yield run
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(state, torch.get_rng_state())


class Returns(nn.Module):
    """A model that returns what it is told to."""

    def __init__(self, make):
        super().__init__()
        self.make = make
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.make(x.flatten(1) * self.scale)


# ---- images, labels, models ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (X.numpy(), TypeError, r"x is a ndarray; it must be a torch.Tensor"),
        ((X * 255).byte(), TypeError, r"x has dtype torch.uint8; images must be float32 or float64"),
        (X.half(), TypeError, r"x has dtype torch.float16"),
        (torch.rand(6), ValueError, r"x has shape \(6,\); images must have a batch axis"),
        (X[:0], ValueError, r"x has shape \(0, 1, 8, 8\): it is empty"),
        (X.to_sparse(), TypeError, r"x is torch.sparse_coo; it must hold every pixel"),
        (X * 255, ValueError, r"x has pixels in \[.*\]; they must lie in \[0, 1\].*normalisation inside the model"),
        ((1 + 2**-23) * X.round(), ValueError, r"x has pixels in \[0.0, 1\.0000001192.*Rounding.*x\.clamp\(0, 1\)"),
        (X - 0.5, ValueError, r"x has pixels in \[-.*they must lie in \[0, 1\]"),
        (torch.full_like(X, math.nan), ValueError, r"x has pixels in \[nan, nan\]"),
    ],
)
def test_images_that_are_none(call, model, x, error, message):
    with pytest.raises(error, match=message):
        call(model, x=x)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        ([0, 1, 2, 3, 4, 5], TypeError, r"y is a list; it must be a torch.Tensor"),
        (Y.float(), TypeError, r"y has dtype torch.float32; class numbers must be int64"),
        (Y[:5], ValueError, r"y has shape \(5,\); it must be \(6,\)"),
        (Y[:, None], ValueError, r"y has shape \(6, 1\); it must be \(6,\)"),
        (Y - 1, ValueError, r"y holds the label -1; labels must lie in 0"),
        (Y + 5, ValueError, r"y holds the label 10, but model .* 10 classes.*0 \.\. 9"),
    ],
)
def test_labels_that_are_none(call, model, y, error, message):
    with pytest.raises(error, match=message):
        call(model, y=y)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda x: x[:, :10].softmax(1), ValueError, r"model returned probabilities.*leave the softmax out"),
        (lambda x: x[:, :1], ValueError, r"model returned shape \(\d, 1\).*classes >= 2"),
        (lambda x: x, None, None),
        (lambda x: x * torch.nan, ValueError, r"model returned NaN logits for \d of \d images.*division by zero"),
        (lambda x: x[:, :3], ValueError, r"y holds the label \d, but model .*3 classes"),
        (lambda x: x.sum(), ValueError, r"model returned shape \(\) for"),
        (lambda x: (x, x), TypeError, r"model returned a tuple; it must return a tensor of logits"),
    ],
)
def test_models_that_return_something_else(call, device, make, error, message):
    if error is None:
        call(Returns(make).to(device))  # 64 classes are fine
        return
    with pytest.raises(error, match=message):
        call(Returns(make).to(device), y=Y + 1 if "3 classes" in message else Y)


def two_numbers(*rows):
    """Images that a model which returns its first two pixels reads as these logits."""
    x = torch.zeros(len(rows), 1, 8, 8)
    x[:, 0, 0, :2] = torch.tensor(rows)
    return x, torch.arange(len(rows)) % 2


def test_two_logits_that_sum_to_one_by_chance_are_none(call, device):
    """Alone, as the first of many, as the rest of a batch, or again and again."""
    chance, other = (0.25, 0.75), [(0.1 * i, 0.3) for i in range(10)]
    model = Returns(lambda x: x[:, :2]).to(device)
    for rows in ([chance], [chance, (0.75, 0.25)], [chance] * 40, [chance, (0.5, 0.5), *other]):
        call(model, *two_numbers(*rows))
    x, y = (v.to(device) for v in two_numbers(*other, chance))
    assert samlib.accuracy(model, x, y, batch_size=10) == samlib.accuracy(model, x, y)
    for attack in (samlib.pgd, samlib.square, samlib.robust_accuracy, samlib.diagnose):
        attack(model, x, y, 0.01, batch_size=10)


def test_probabilities_of_two_classes_are_told_from_logits(call, device):
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(40, 2, generator=generator).tolist()
    with pytest.raises(ValueError, match=r"model returned probabilities"):
        call(Returns(lambda x: (5 * x[:, :2]).softmax(1)).to(device), *two_numbers(*rows))
    x = two_numbers(*rows)[0]
    check_not_probabilities(x[:, 0, 0, :2])  # honest, and none is below 0
    check_not_probabilities(torch.stack([x[:, 0, 0, 0], 1.001 - x[:, 0, 0, 0]], 1)[:20])


def test_a_model_that_is_none(call):
    with pytest.raises(TypeError, match=r"model is a (str|NoneType)"):
        call("resnet")


def test_a_model_on_another_device(call, model):
    with pytest.raises(ValueError, match=r"model is on meta and the images are on .*model.to\(x.device\)"):
        call(samlib.mlp((8,)).to("meta"))


@pytest.mark.parametrize("make", [lambda: samlib.mlp((8,)), samlib.small_resnet])
@pytest.mark.parametrize(("weights", "images"), [("half", "float"), ("bfloat16", "float"), ("float", "double")])
def test_a_model_of_another_precision_than_the_images(call, device, make, weights, images):
    model = getattr(make().to(device), weights)()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(TypeError, match=r"model has torch.\w+ parameters and the images are torch.float\d+.*wrap it"):
        call(model, x=getattr(X, images)())
    assert model.training
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())


def test_a_model_that_converts_the_images_itself_may_have_any_precision(call, device):
    class Converts(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = samlib.mlp((8,)).bfloat16()

        def forward(self, x):
            return self.model(x.bfloat16()).float()

    call(Converts().to(device))


def test_a_model_whose_weights_have_no_values_yet_or_no_gradients_ever(call, device):
    lazy = nn.Sequential(nn.Flatten(), nn.LazyLinear(10)).to(device)
    with torch.inference_mode():
        made = samlib.mlp((8,)).to(device)
    for model in (lazy, made):
        with pytest.raises(ValueError, match=r"without values yet \(lazy modules.*made in torch.inference_mode"):
            call(model)
        assert all(m.training for m in model.modules())
        assert all(p.requires_grad for p in model.parameters())


def test_images_without_values(model):
    with pytest.raises(TypeError, match=r"x is on meta; it must hold every pixel"):
        samlib.accuracy(model.to("meta"), X.to("meta"), Y.to("meta"))


def test_labels_on_another_device():
    with pytest.raises(ValueError, match=r"y is on meta and the images are on cpu"):
        samlib.accuracy(samlib.mlp((8,)), X, Y.to("meta"))


@pytest.mark.parametrize("attack", [samlib.pgd, samlib.fgsm, samlib.apgd, samlib.robust_accuracy])
def test_logits_that_cannot_be_differentiated(attack, device):
    model = Returns(lambda x: x.detach()[:, :10]).to(device)
    read = X.flatten(1)[:, :10].argmax(1).to(device)  # what the model answers: an image already misread is not attacked
    with pytest.raises(ValueError, match=r"do not depend on x by differentiable operations"):
        attack(model, X.to(device), read, 0.1)


# ---- radii, steps, names ---------------------------------------------------------------------------------------------

ATTACKS = {
    "fgsm": samlib.fgsm,
    "pgd": samlib.pgd,
    "apgd": samlib.apgd,
    "square": samlib.square,
    "evaluate": samlib.evaluate,
    "robust_accuracy": samlib.robust_accuracy,
    "robust_mask": robust_mask,
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize(
    ("eps", "error", "message"),
    [
        (-0.1, ValueError, r"eps is -0.1; it must be a finite number in \[0, inf\]"),
        (math.nan, ValueError, r"eps is nan"),
        (math.inf, ValueError, r"eps is inf"),
        (torch.full((6,), 0.1 + 0j), ValueError, r"eps holds a negative or non-finite entry"),
        ("0.1", TypeError, r"eps is '0.1' of type str; it must be a number"),
        (None, TypeError, r"eps is None"),
        (torch.full((5,), 0.1), ValueError, r"eps has shape \(5,\); it must be one number or \(6,\)"),
        (torch.tensor([0.1] * 5 + [-0.1]), ValueError, r"eps holds a negative or non-finite entry"),
        (torch.tensor([0.1] * 5 + [math.nan]), ValueError, r"eps holds a negative or non-finite entry"),
    ],
)
def test_radii_that_are_none(attack, model, device, eps, error, message):
    with pytest.raises(error, match=message):
        attack(model, X.to(device), Y.to(device), eps)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_unknown_norm(attack, model, device):
    with pytest.raises(ValueError, match=r"norm is 'l_2'; it must be one of 'linf', 'l2'. Did you mean 'l2'"):
        attack(model, X.to(device), Y.to(device), 0.1, "l_2")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"steps": 0}, ValueError, r"steps is 0; it must be at least 1"),
        ({"steps": 2.5}, TypeError, r"steps is 2.5 of type float; it must be a whole number"),
        ({"steps": True}, TypeError, r"steps is True of type bool"),
        ({"restarts": 0}, ValueError, r"restarts is 0; it must be at least 1"),
        ({"step_size": -1.0}, ValueError, r"step_size is -1.0"),
        ({"step_size": math.nan}, ValueError, r"step_size is nan"),
        ({"loss": "cross_entropy"}, ValueError, r"loss is 'cross_entropy'; it must be one of 'ce', 'margin', 'dlr'"),
        ({"loss": "margins"}, ValueError, r"Did you mean 'margin'"),
        ({"keep": "first"}, ValueError, r"keep is 'first'; it must be one of 'best', 'last'"),
        ({"targets": torch.zeros(5, dtype=torch.long)}, ValueError, r"targets has shape \(5,\)"),
        ({"targets": torch.full((6,), 10)}, ValueError, r"holds the label 10, but model returned 10 classes"),
        ({"generator": 0}, TypeError, r"generator is a int; it must be a torch.Generator or None"),
    ],
)
def test_settings_of_pgd_that_are_none(model, device, arguments, error, message):
    arguments = {name: v.to(device) if isinstance(v, torch.Tensor) else v for name, v in arguments.items()}
    with pytest.raises(error, match=message):
        samlib.pgd(model, X.to(device), Y.to(device), 0.1, **arguments)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda m, x, y: samlib.robust_accuracy(m, x, y, 0.1, attacks=()), TypeError, r"attacks is \(\)"),
        (lambda m, x, y: samlib.robust_accuracy(m, x, y, 0.1, attacks=Attack()), TypeError, r"attacks is \(\)"),
        (lambda m, x, y: samlib.robust_curve(m, x, y, 0.1), ValueError, r"eps is 0.1; it must hold at least one"),
        (lambda m, x, y: samlib.robust_accuracy(m, x, y, 0.1, attacks=["pgd"]), TypeError, r"attacks is \('pgd',\)"),
        (lambda m, x, y: samlib.robust_accuracy(m, x, y, 0.1, batch_size=0), ValueError, r"batch_size is 0"),
        (lambda m, x, y: samlib.robust_accuracy(m, x, y, 0.1, budget="fast"), ValueError, r"budget is 'fast'.*'quick'"),
        (lambda m, x, y: samlib.evaluate(m, x, y, 0.1, generator=0), TypeError, r"generator is a int"),
        (lambda m, x, y: samlib.apgd(m, x, y, 0.1, steps=0), ValueError, r"steps is 0"),
        (lambda m, x, y: samlib.apgd(m, x, y, 0.1, restarts=0), ValueError, r"restarts is 0"),
        (lambda m, x, y: samlib.apgd(m, x, y, 0.1, loss="mse"), ValueError, r"loss is 'mse'"),
        (lambda m, x, y: samlib.apgd(m, x, y, 0.1, targets=y[:3]), ValueError, r"targets has shape \(3,\)"),
        (lambda m, x, y: samlib.apgd(m, x, y, 0.1, targets=y + 9), ValueError, r"holds the label 14, but"),
        (lambda m, x, y: samlib.apgd(m, x, y, 0.1, generator=0), TypeError, r"generator is a int"),
        (lambda m, x, y: samlib.square(m, x, y, 0.1, queries=0), ValueError, r"queries is 0"),
        (lambda m, x, y: samlib.square(m, x, y, 0.1, loss="mse"), ValueError, r"loss is 'mse'"),
        (lambda m, x, y: samlib.diagnose(m, x, y, 0.0), ValueError, r"eps is 0.0; it must be .* \(0"),
        (lambda m, x, y: samlib.diagnose(m, x, y, 0.1, "l1"), ValueError, r"norm is 'l1'"),
        (lambda m, x, y: samlib.diagnose(m, x, y, 0.1, images=0), ValueError, r"images is 0"),
        (lambda m, x, y: samlib.diagnose(m, x, y, 0.1, other=0.5), TypeError, r"model is a float"),
        (lambda m, x, y: Attack(kind="fab"), ValueError, r"kind is 'fab'; it must be one of 'pgd', 'apgd', 'square'"),
        (lambda m, x, y: Attack(kind="square", targets=3), ValueError, r"targets is 3, but kind 'square' takes none"),
        (lambda m, x, y: samlib.accuracy(m, x, y, batch_size=0), ValueError, r"batch_size is 0"),
        (lambda m, x, y: samlib.robust_curve(m, x, y, []), ValueError, r"eps is \[\]; it must hold at least one"),
        (lambda m, x, y: samlib.robust_curve(m, x, y, [0.2, 0.1]), ValueError, r"in increasing order"),
        (
            lambda m, x, y: Attack(relative_step_size=1, kind="apgd"),
            ValueError,
            r"relative_step_size is 1, but kind 'apgd'",
        ),
        (lambda m, x, y: Attack(queries=9), ValueError, r"queries is 9, but kind 'pgd' takes none"),
        (lambda m, x, y: Attack(detour=2), ValueError, r"detour is 2, but kind 'pgd' takes none"),
        (lambda m, x, y: Attack(kind="apgd", detour=0), ValueError, r"detour is 0; it must be a finite number"),
        (lambda m, x, y: Attack(steps=5, queries=9, kind="square"), ValueError, r"steps is 5 and queries is 9"),
        (lambda m, x, y: Attack(relative_step_size=0.0), ValueError, r"relative_step_size is 0.0"),
        (lambda m, x, y: Attack(loss="mse"), ValueError, r"loss is 'mse'"),
        (lambda m, x, y: Attack(steps=0), ValueError, r"steps is 0"),
    ],
)
def test_settings_of_an_evaluation_that_are_none(model, device, make, error, message):
    with pytest.raises(error, match=message):
        make(model, X.to(device), Y.to(device))


@pytest.mark.parametrize(
    ("method", "arguments", "error", "message"),
    [
        ("SAM", {}, ValueError, r"method is 'SAM'; it must be one of.*Did you mean 'sam'"),
        ("adversarial", {}, ValueError, r"method is 'adversarial'; it must be one of 'sgd', 'sam', 'at'"),
        ("sam", {}, ValueError, r"method 'sam' needs rho, the length of the perturbation"),
        ("at", {}, ValueError, r"method 'at' needs eps"),
        ("at+sam", {"eps": 0.1}, ValueError, r"method 'at\+sam' needs rho"),
        ("input_noise", {}, ValueError, r"method 'input_noise' needs sigma"),
        ("weight_noise", {}, ValueError, r"method 'weight_noise' needs rho"),
        ("sgd", {"rho": 0.1}, ValueError, r"rho is 0.1, but method 'sgd' does not use it"),
        ("sam", {"rho": -0.1}, ValueError, r"rho is -0.1"),
        ("at", {"eps": math.nan}, ValueError, r"eps is nan"),
        ("at", {"eps": 0.1, "norm": "l1"}, ValueError, r"norm is 'l1'"),
        ("at", {"eps": 0.1, "attack_steps": 0}, ValueError, r"attack_steps is 0"),
        ("sam", {"rho": 0.1, "perturb": ["fc3"]}, ValueError, r"perturb is 'fc3'; it must be one of 'fc1', 'fc2'"),
        ("sgd", {"perturb": ["fc1"]}, ValueError, r"perturb is \('fc1',\), but method 'sgd' does not use it"),
        ("sam", {"rho": 0.1, "perturb": []}, ValueError, r"perturb is empty"),
        ("sam", {"rho": 0.1, "perturb": 5}, TypeError, r"perturb is 5; it must be names"),
        ("sgd", {"adaptive": True}, ValueError, r"adaptive is True, but method 'sgd' does not use it"),
        ("sam", {"rho": 0.1, "norm": "l2"}, ValueError, r"norm is 'l2', but method 'sam' does not use it"),
        ("sam", {"rho": 0.1, "attack_steps": 3}, ValueError, r"attack_steps is 3, but method 'sam' does not use it"),
        ("sgd", {"epochs": 0}, ValueError, r"epochs is 0"),
        ("sgd", {"batch_size": 0}, ValueError, r"batch_size is 0"),
        ("sgd", {"lr": 0.0}, ValueError, r"lr is 0.0; it must be a finite number in \(0, inf\]"),
        ("sgd", {"momentum": 1.5}, ValueError, r"momentum is 1.5; it must be a finite number in \[0, 1\]"),
        ("sgd", {"weight_decay": -1}, ValueError, r"weight_decay is -1"),
        ("sgd", {"seed": -1}, ValueError, r"seed is -1"),
        ("sgd", {"seed": 2**70}, ValueError, r"seed is \d+; it must be at most \d+"),
        ("sgd", {"checkpoint_every": 0}, ValueError, r"checkpoint_every is 0"),
        ("sgd", {"loss": "ce"}, TypeError, r"loss is 'ce'; it must be a function or None"),
        ("sgd", {"augment": True}, TypeError, r"augment is True; it must be a function or None"),
        ("sgd", {"loss": lambda m, x, y: m(x).sum()}, ValueError, r"loss returned a Tensor; it must return the mean"),
        ("sgd", {"loss": lambda m, x, y: (m(x)[:, 0], m(x))}, ValueError, r"loss returned a loss of shape \(6,\)"),
        ("sam", {"rho": 0.1, "loss": lambda m, x, y: (m(x).sum().detach(), m(x))}, ValueError, r"no detach or no_grad"),
    ],
)
def test_settings_of_a_training_run_that_are_none(model, device, method, arguments, error, message):
    before = [p.clone() for p in model.parameters()]
    arguments = {"epochs": 1, **arguments}
    with pytest.raises(error, match=message):
        samlib.train(model, X.to(device), Y.to(device), method, progress=False, **arguments)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("number", [np.float32(0.25), np.float16(0.25), np.array(0.25), torch.tensor(0.25)])
def test_numbers_may_come_from_numpy(model, device, number, tmp_path):
    """Also where they go into a file, which holds only Python's own."""
    x, y, count = X.to(device), Y.to(device), np.int64(2)
    assert torch.equal(samlib.pgd(model, x, y, number), samlib.pgd(model, x, y, 0.25))
    settings = {"rho": number, "eps": number, "lr": number, "weight_decay": number, "momentum": number}
    counts = {"epochs": count, "batch_size": np.uint8(4), "seed": np.array(3), "attack_steps": count}
    for _ in range(2):  # the second time from the file
        net = samlib.mlp((8,)).to(device)
        samlib.train(net, x, y, "at+sam", **settings, **counts, checkpoint=tmp_path / "run.pt", progress=False)
    assert samlib.toy.standard_optimum(np.float32(0.75), number) == samlib.toy.standard_optimum(0.75, 0.25)
    assert isinstance(samlib.toy.sam_optimum(0.75, number, count, np.float16(0.125), "A"), float)


@pytest.mark.parametrize("value", [True, np.bool_(True), np.array([0.1, 0.2]), 1j, np.complex64(1), "1", None])
def test_what_is_no_number(value):
    for check in (check_number, check_count):
        with pytest.raises(TypeError, match=r"n is .*; it must be a (whole )?number"):
            check("n", value)


def test_a_whole_number_that_is_none():
    for value in (2.0, np.float64(2), torch.tensor(2.0)):
        with pytest.raises(TypeError, match=r"n is 2.0 of type float; it must be a whole number"):
            check_count("n", value)
    assert [type(check_count("n", value)) for value in (np.int8(2), np.array(2), torch.tensor(2))] == [int] * 3


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: samlib.mlp((0,)), ValueError, r"hidden\[0\] is 0"),
        (lambda: samlib.mlp(8), TypeError, r"hidden is 8; it must hold the hidden layers' widths"),
        (lambda: samlib.mlp(num_classes=0), ValueError, r"num_classes is 0"),
        (lambda: samlib.mlp(seed=2**70), ValueError, r"seed is \d+; it must be at most"),
        (lambda: samlib.mlp(seed=-1), ValueError, r"seed is -1"),
        (lambda: samlib.small_resnet(num_classes=1), ValueError, r"num_classes is 1; it must be at least 2"),
        (lambda: samlib.preact_resnet18(channels=0), ValueError, r"channels is 0"),
        (lambda: samlib.data.split(X, Y, 6), ValueError, r"size is 6; it must be below the number of examples, 6"),
        (lambda: samlib.data.split(X, Y, 0), ValueError, r"size is 0"),
        (lambda: samlib.load_digits(seed=-1), ValueError, r"seed is -1"),
        (lambda: samlib.load_digits(seed=2**40), ValueError, r"seed is \d+; it must be at most 4294967295"),
        (lambda: samlib.data.flip_and_crop(0), ValueError, r"pad is 0"),
        (lambda: samlib.data.flip_and_crop(8)(X, None), ValueError, r"shape \(6, 1, 8, 8\); to pad them by 8"),
        (lambda: samlib.data.flip_and_crop()(X[:, 0], None), ValueError, r"shape \(6, 8, 8\); to pad them by 4"),
    ],
)
def test_settings_of_models_and_data_that_are_none(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_widths_and_attacks_may_come_from_generators(model, device):
    assert [m.out_features for m in samlib.mlp(width for width in (8, 4)) if isinstance(m, nn.Linear)] == [8, 4, 10]
    read = model(X.to(device)).argmax(1)
    union = [Attack(steps=5, relative_step_size=1.0)]
    broken = samlib.robust_accuracy(model, X.to(device), read, 0.5, attacks=union)
    assert samlib.robust_accuracy(model, X.to(device), read, 0.5, attacks=iter(union)) == broken < 1


# ---- files -----------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(OSError, match=r"root=.*nowhere.* is not a folder"):
        samlib.load_folder(tmp_path / "nowhere")


def test_a_folder_that_is_empty(tmp_path):
    with pytest.raises(OSError, match=r"root=.* must hold one folder for each class"):
        samlib.load_folder(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(OSError, match=r"each with at least one image.*cat"):
        samlib.load_folder(tmp_path)


def test_a_folder_with_a_broken_image(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "1.png")
    whole = (tmp_path / "dog" / "1.png").read_bytes()
    for broken in (whole[: len(whole) // 2], b"hello"):
        (tmp_path / "dog" / "1.png").write_bytes(broken)
        with pytest.raises(OSError, match=r"The image .*1.png cannot be read.*mend or remove it"):
            samlib.load_folder(tmp_path)


def test_a_folder_with_images_of_two_sizes(tmp_path):
    (tmp_path / "cat").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "cat" / "1.png")
    Image.new("RGB", (5, 4)).save(tmp_path / "cat" / "2.png")
    with pytest.raises(ValueError, match=r"2.png has 5x4 pixels and the first has 4x4; give size="):
        samlib.load_folder(tmp_path)
    with pytest.raises(ValueError, match=r"size is 0"):
        samlib.load_folder(tmp_path, size=0)


@pytest.mark.parametrize("load", [samlib.load_cifar10, samlib.load_cifar100])
def test_cifar_that_is_not_there(tmp_path, load):
    with pytest.raises(OSError, match=r"is not in root=.*connection and the free disk space"):
        load(tmp_path, download=False)


def test_a_checkpoint_in_a_folder_that_is_missing(model, device, tmp_path):
    file = tmp_path / "nowhere" / "run.pt"
    with pytest.raises(OSError, match=r"checkpoint=.*nowhere.*in a folder that is not there"):
        samlib.train(model, X.to(device), Y.to(device), epochs=1, progress=False, checkpoint=file)
    assert os.listdir(tmp_path) == []
