"""Every planted fake is found, no honest model is suspected, and the table can be read."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import samlib
from samlib import masking
from tests.norms import NORMS, typical_eps

FAKES = {
    "logits x 10": (lambda model: masking.scale_logits(model, 10), {"zero gradients", "logit scale"}),
    "logits x 30": (lambda model: masking.scale_logits(model, 30), {"large eps", "zero gradients", "logit scale"}),
    "5 levels": (lambda model: masking.quantise_input(model, 5), {"large eps", "zero gradients"}),
    "noise .1": (lambda model: masking.noise_input(model, 0.1), {"randomness"}),
}


@pytest.fixture(scope="module")
def honest(trained, digits, device):
    """Networks that hide nothing: three MLPs and three ResNets with BatchNorm."""
    models = {f"mlp {name}": (model, 0.125) for name, model in trained.items()}
    for method, strength in (("sgd", {}), ("sam", {"rho": 0.2}), ("at", {"eps": 0.0625})):
        model = samlib.small_resnet().to(device)
        samlib.train(model, *digits[:2], method, epochs=8, progress=False, **strength)
        models[f"resnet {method}"] = model, 0.0625
    return models


HONEST = [f"{kind} {method}" for kind in ("mlp", "resnet") for method in ("sgd", "sam", "at")]


def found(diagnosis):
    return {check.name for check in diagnosis.checks if check.verdict == "suspicious"}


@pytest.mark.long
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", HONEST)
def test_no_honest_model_is_suspected(honest, digits, name, norm):
    model, eps = honest[name]
    other = honest[name.replace("sam", "sgd") if "sam" in name else f"{name.split()[0]} sam"][0]
    diagnosis = samlib.diagnose(model, *digits[2:], eps * typical_eps(norm) / 0.125, norm, other=other, images=120)
    assert not found(diagnosis), str(diagnosis)
    assert not diagnosis.suspicious
    expected = {"ok"} if digits[2].device.type != "mps" else {"ok", "not checked"}
    assert {check.verdict for check in diagnosis.checks} == expected


@pytest.mark.long
@pytest.mark.parametrize("fake", FAKES)
@pytest.mark.parametrize("name", ["mlp sgd", "mlp at", "resnet sgd", "resnet at"])
def test_every_fake_is_found_and_for_the_right_reason(honest, digits, name, fake):
    model, eps = honest[name]
    mask, reasons = FAKES[fake]
    diagnosis = samlib.diagnose(mask(model), *digits[2:], eps, images=60)
    assert diagnosis.suspicious
    if name.startswith("mlp") or "x 10" not in fake:
        assert reasons <= found(diagnosis), str(diagnosis)


def test_float64_begins_where_float32_does(trained, digits):
    """Other starts would give the two precisions other accuracies, by chance alone."""

    images = []  # shown to the model or to its copy in float64

    class Seen(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, x):
            images.append(x.detach())
            return self.model(x)

    samlib.diagnose(Seen(trained["at"]), *digits[2:], 0.125, images=30)
    start = next(x for x in images if x.dtype == torch.float64)
    assert any(torch.allclose(start, x.double(), atol=1e-6) for x in images if x.dtype == torch.float32)
    assert not any(torch.equal(start, x.double()) for x in images[:1])  # it is no image, but a start


def test_a_diagnosis_is_the_same_where_gradients_are_switched_off(trained, digits):
    expected = str(samlib.diagnose(trained["at"], *digits[2:], 0.125, images=20))
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            assert str(samlib.diagnose(trained["at"], *digits[2:], 0.125, images=20)) == expected


@pytest.mark.long
def test_no_network_of_adversarial_training_is_suspected_by_chance(device):
    for seed in range(6):
        *train, x, y = (part.to(device) for part in samlib.load_digits(seed))
        model, eps = samlib.mlp((48, 48), seed=seed).to(device), (0.0625, 0.125)[seed % 2]
        samlib.train(model, *train, "at", eps=eps, epochs=15, seed=seed, progress=False)
        diagnosis = samlib.diagnose(model, x, y, eps, images=100, generator=torch.Generator().manual_seed(seed))
        assert not found(diagnosis), str(diagnosis)


def test_the_table_says_what_was_measured_and_why_it_matters(trained, digits):
    diagnosis = samlib.diagnose(masking.scale_logits(trained["sgd"], 30), *digits[2:], 0.125, images=100)
    text, page = str(diagnosis), diagnosis._repr_html_()
    assert len(diagnosis.checks) == 12
    for check in diagnosis.checks:
        for part in (check.name, check.measured, check.verdict, check.why):
            assert part in text
            assert part in page
    assert "Do not believe" in text
    assert "not checked" in text  # no other model was given
    honest = samlib.diagnose(trained["sgd"], *digits[2:], 0.125, images=100)
    assert "no proof" in str(honest)


def test_a_model_that_still_uses_batch_statistics_is_found(digits, device):
    class Stuck(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, x):
            x = (x - x.mean(0)) / (x.std(0, correction=0) + 0.1)
            return self.model(x)

    model = Stuck(samlib.mlp()).to(device)
    assert "evaluation mode" in found(samlib.diagnose(model, *digits[2:], 0.05, images=60))


def test_adversarial_images_of_another_model_must_not_do_better(trained, digits):
    """A wrapper that hides all gradients leaves the network open to images made on its twin."""
    hidden = masking.quantise_input(trained["sgd"], 17)
    assert "transfer" in found(samlib.diagnose(hidden, *digits[2:], 0.125, other=trained["sgd"], images=100))


def test_a_diagnosis_leaves_model_and_generators_alone_and_repeats_itself(trained, digits):
    model, before = trained["sam"], torch.get_rng_state()
    model.train()
    first, second = (samlib.diagnose(model, *digits[2:], 0.1, images=40, batch_size=size) for size in (None, None))
    assert model.training
    model.eval()
    assert str(first) == str(second)
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_plain_function_can_be_diagnosed(trained, digits):
    diagnosis = samlib.diagnose(lambda x: trained["sgd"](x), *digits[2:], 0.125, images=40)
    verdicts = {check.name: check.verdict for check in diagnosis.checks}
    assert verdicts["float64"] == "not checked"
    assert verdicts["zero gradients"] == "ok"
