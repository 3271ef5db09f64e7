"""SAM: the update rule, loops of every kind, exact restoration, cost, and agreement with peers."""

from __future__ import annotations

import copy
import math
import pickle
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

import samlib
from samlib import SAM

SGD = {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-3}


def make(device, rho=0.1, adaptive=False, dtype=torch.float32):
    model = samlib.mlp(hidden=(16,), seed=1).to(device, dtype)
    return model, SAM(torch.optim.SGD(model.parameters(), **SGD), rho=rho, adaptive=adaptive)


@pytest.fixture
def batch(digits):
    return digits[0][:32], digits[1][:32]


def backward(model, batch):
    loss = F.cross_entropy(model(batch[0].to(next(model.parameters()).dtype)), batch[1])
    loss.backward()
    return loss


def closure_for(model, optimizer, batch):
    def closure():
        optimizer.zero_grad()
        return backward(model, batch)

    return closure


def weights_of(model):
    return [p.detach().clone() for p in model.parameters()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# ---- the update rule -------------------------------------------------------------------------------------------------


def plain_sam_step(model, base, batch, rho, adaptive):
    """SAM as the paper writes it, one parameter after another."""
    base.zero_grad()
    backward(model, batch)
    params = list(model.parameters())
    scale = [p.detach().abs() if adaptive else torch.ones_like(p) for p in params]
    norm = torch.cat([(s * p.grad).flatten() for s, p in zip(scale, params, strict=True)]).norm()
    perturbations = [rho * s**2 * p.grad / norm for s, p in zip(scale, params, strict=True)]
    with torch.no_grad():
        for p, perturbation in zip(params, perturbations, strict=True):
            p += perturbation
    base.zero_grad()
    backward(model, batch)
    with torch.no_grad():
        for p, perturbation in zip(params, perturbations, strict=True):
            p -= perturbation
    base.step()


@pytest.mark.parametrize("adaptive", [False, True])
def test_ten_steps_equal_a_plain_reference(device, batch, adaptive):
    model, optimizer = make(device, rho=0.3, adaptive=adaptive)
    reference = copy.deepcopy(model)
    base = torch.optim.SGD(reference.parameters(), **SGD)
    for _ in range(10):
        optimizer.step(closure_for(model, optimizer, batch))
        plain_sam_step(reference, base, batch, 0.3, adaptive)
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("adaptive", [False, True])
def test_ten_steps_equal_pytorch_optimizers(device, batch, adaptive):
    peers = pytest.importorskip("pytorch_optimizer")
    model, optimizer = make(device, rho=0.3, adaptive=adaptive)
    theirs = copy.deepcopy(model)
    peer = peers.SAM(theirs.parameters(), torch.optim.SGD, rho=0.3, adaptive=adaptive, **SGD)
    for _ in range(10):
        optimizer.step(closure_for(model, optimizer, batch))
        closure = closure_for(theirs, peer, batch)
        closure()
        peer.step(closure)
    for a, b in zip(model.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-6)


def test_the_ascent_step_has_length_rho_along_the_gradient(device, batch):
    model, optimizer = make(device, rho=0.7)
    before = weights_of(model)
    backward(model, batch)
    gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
    optimizer.first_step()
    moved = torch.cat([(p - b).flatten() for p, b in zip(model.parameters(), before, strict=True)])
    assert moved.norm().item() == pytest.approx(0.7, rel=1e-5)
    assert F.cosine_similarity(moved, gradient, dim=0).item() == pytest.approx(1, abs=1e-5)


def test_step_calls_the_closure_twice_and_returns_the_first_loss(device, batch):
    model, optimizer = make(device, rho=0.5)
    losses = []

    def closure():
        losses.append(backward(model, batch))
        return losses[-1]

    assert optimizer.step(closure) is losses[0]
    assert len(losses) == 2
    assert losses[1] > losses[0]


def test_a_closure_need_not_clear_the_gradients(device, batch):
    results = []
    for clears in (True, False):
        model, optimizer = make(device)
        for _ in range(3):
            optimizer.step(closure_for(model, optimizer, batch) if clears else lambda m=model: backward(m, batch))
        results.append(weights_of(model))
    assert same(*results)


def test_with_rho_zero_sam_is_its_base(device, batch):
    model, optimizer = make(device, rho=0.0)
    plain = copy.deepcopy(model)
    base = torch.optim.SGD(plain.parameters(), **SGD)
    for _ in range(3):
        optimizer.step(closure_for(model, optimizer, batch))
        base.step(closure_for(plain, base, batch))
    assert same(model.parameters(), plain.parameters())


@pytest.mark.parametrize("base", [torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adagrad])
def test_any_base_optimizer_lowers_the_loss(device, batch, base):
    model = samlib.mlp(hidden=(16,)).to(device)
    optimizer = SAM(base(model.parameters(), lr=1e-2), rho=0.05)
    losses = [optimizer.step(closure_for(model, optimizer, batch)).item() for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]


# ---- restoration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_weights_come_back_bit_for_bit_in_the_same_storage(device, batch, dtype):
    if device.type == "mps" and dtype == torch.float64:
        pytest.skip("MPS has no float64")
    model, optimizer = make(device, rho=0.7, dtype=dtype)
    next(model.parameters()).data[0, 0] = -0.0
    before, pointers = weights_of(model), [p.data_ptr() for p in model.parameters()]
    backward(model, batch)
    optimizer.first_step()
    assert optimizer.perturbed
    assert not same(before, model.parameters())
    optimizer.restore()
    assert not optimizer.perturbed
    assert same(before, model.parameters())
    assert math.copysign(1, next(model.parameters())[0, 0].item()) == -1
    assert pointers == [p.data_ptr() for p in model.parameters()]


@pytest.mark.parametrize("failing_call", [1, 2])
def test_a_closure_that_raises_leaves_the_weights_where_they_were(device, batch, failing_call):
    model, optimizer = make(device)
    before, calls = weights_of(model), []

    def closure():
        calls.append(None)
        backward(model, batch)
        if len(calls) == failing_call:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimizer.step(closure)
    assert same(before, model.parameters())
    assert not optimizer.perturbed
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("missing_in", [0, 1])
def test_a_gradient_missing_in_one_pass_does_not_move_its_weight_for_good(device, batch, missing_in):
    model, optimizer = make(device)
    optimizer.base_optimizer.param_groups[0].update(lr=0.0)  # then a step must change nothing at all
    before, calls = weights_of(model), []

    def closure():
        loss = backward(model, batch)
        if len(calls) == missing_in:
            model.fc1.weight.grad = None
        calls.append(None)
        return loss

    optimizer.step(closure)
    assert same(before, model.parameters())


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("adaptive", [False, True])
def test_a_zero_or_broken_gradient_does_not_put_a_nan_into_the_weights(device, value, adaptive):
    model, optimizer = make(device, adaptive=adaptive)
    before = weights_of(model)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    model.fc1.weight.grad[0, 0] = value
    optimizer.first_step()
    assert same(before, model.parameters())


@pytest.mark.parametrize("size", [1e-38, 1e-25, 1e-12, 1e30])
def test_the_ascent_step_is_never_longer_than_rho_however_small_or_large_the_gradient(device, size):
    model, optimizer = make(device, rho=0.1)
    before = weights_of(model)
    for p in model.parameters():
        p.grad = torch.full_like(p, size)
    optimizer.first_step()
    moved = torch.cat([(p - b).flatten() for p, b in zip(model.parameters(), before, strict=True)])
    assert moved.norm().item() <= 0.1001


def test_weights_and_gradients_laid_out_differently_in_memory_are_perturbed_alike(device):
    matrix = nn.Parameter(torch.randn(6, 4, device=device).t())  # not contiguous
    twin = nn.Parameter(matrix.detach().contiguous())
    gradient = torch.randn(4, 6, device=device)
    for weight in (matrix, twin):
        weight.grad = gradient.clone()
        SAM(torch.optim.SGD([weight], lr=0.1), rho=0.5).first_step()
    assert torch.equal(matrix, twin)
    before = matrix.detach().clone()
    matrix.grad = gradient.clone()
    matrix.grad[0, 0] = math.nan
    SAM(torch.optim.SGD([matrix], lr=0.1), rho=0.5).first_step()
    assert torch.equal(before, matrix)


# ---- other loops -----------------------------------------------------------------------------------------------------


def test_first_and_second_step_equal_step(device, batch):
    model, optimizer = make(device)
    other, parts = make(device)
    for _ in range(5):
        optimizer.step(closure_for(model, optimizer, batch))
        parts.zero_grad()
        backward(other, batch)
        parts.first_step()
        backward(other, batch)
        parts.second_step()
    assert same(model.parameters(), other.parameters())


def test_gradients_may_be_accumulated_over_micro_batches(device, batch):
    model, optimizer = make(device, dtype=torch.float64)
    other, parts = make(device, dtype=torch.float64)
    x, y = batch[0].double(), batch[1]

    def accumulate():
        for part in torch.arange(32, device=device).split(8):
            (F.cross_entropy(other(x[part]), y[part]) / 4).backward()

    for _ in range(3):
        optimizer.step(closure_for(model, optimizer, (x, y)))
        parts.zero_grad()
        accumulate()
        parts.first_step()
        accumulate()
        parts.second_step()
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-12)


def test_distributed_data_parallel_changes_nothing(device, batch, tmp_path):
    if device.type != "cpu" or not torch.distributed.is_gloo_available():
        pytest.skip("one process with gloo is tried on the CPU")
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        model, optimizer = make(device)
        other, parts = make(device)
        parallel = nn.parallel.DistributedDataParallel(other)
        for _ in range(3):
            optimizer.step(closure_for(model, optimizer, batch))
            parts.zero_grad()
            with parallel.no_sync():  # each process perturbs along its own gradient: m-sharpness
                backward(parallel, batch)
            parts.first_step()
            backward(parallel, batch)
            parts.second_step()
        assert same(model.parameters(), other.parameters())
    finally:
        torch.distributed.destroy_process_group()


def scaled_step(model, optimizer, scaler, batch):
    optimizer.zero_grad()
    scaler.scale(F.cross_entropy(model(batch[0]), batch[1])).backward()
    optimizer.first_step()
    scaler.scale(F.cross_entropy(model(batch[0]), batch[1])).backward()
    optimizer.restore()
    scaler.step(optimizer.base_optimizer)
    scaler.update()


def test_a_grad_scaler_changes_nothing(device, batch):
    model, optimizer = make(device)
    other, scaled = make(device)
    scaler = torch.amp.GradScaler(device.type, init_scale=2.0**10)
    for _ in range(5):
        optimizer.step(closure_for(model, optimizer, batch))
        scaled_step(other, scaled, scaler, batch)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-6)


def test_an_overflow_under_a_grad_scaler_leaves_the_weights_where_they_were(device, batch):
    model, optimizer = make(device)
    scaler = torch.amp.GradScaler(device.type, init_scale=1e38, growth_interval=1000)
    before = weights_of(model)
    batch = (batch[0], batch[1].roll(1))
    model.fc1.weight.register_hook(lambda gradient: gradient * 1e10)
    scaled_step(model, optimizer, scaler, batch)
    assert same(before, model.parameters())
    assert scaler.get_scale() < 1e38


@pytest.mark.parametrize("around", ["sam", "base"])
@pytest.mark.parametrize("loop", ["step", "parts", "scaler"])
def test_a_scheduler_works_around_either_optimizer_without_a_warning(device, batch, around, loop):
    model, optimizer = make(device)
    chosen = optimizer if around == "sam" else optimizer.base_optimizer
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule = torch.optim.lr_scheduler.StepLR(chosen, 1, gamma=0.5)
        for _ in range(2):
            if loop == "step":
                optimizer.step(closure_for(model, optimizer, batch))
            elif loop == "parts":
                backward(model, batch)
                optimizer.first_step()
                backward(model, batch)
                optimizer.second_step()
            else:
                scaled_step(model, optimizer, torch.amp.GradScaler(device.type, init_scale=1.0), batch)
            schedule.step()
    assert optimizer.param_groups[0]["lr"] == 0.025
    assert optimizer.base_optimizer.param_groups[0]["lr"] == 0.025


def test_a_scheduler_called_before_any_step_still_warns(device):
    _, optimizer = make(device)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        schedule.step()


def test_one_cycle_finds_the_momentum_it_cycles(device):
    _, optimizer = make(device)
    torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10)
    assert optimizer.param_groups[0]["momentum"] == 0.95


def test_added_groups_are_perturbed_with_their_own_rho(device, batch):
    model, _ = make(device)
    optimizer = SAM(torch.optim.SGD(model.fc1.parameters(), **SGD), rho=0.1)
    optimizer.add_param_group({"params": model.fc2.parameters(), "rho": 0.0, "lr": 0.01})
    assert optimizer.param_groups is optimizer.base_optimizer.param_groups
    assert [(group["rho"], group["lr"]) for group in optimizer.param_groups] == [(0.1, 0.1), (0.0, 0.01)]
    backward(model, batch)
    before = weights_of(model)
    optimizer.first_step()
    assert [torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True)] == [False, False, True, True]
    optimizer.restore()
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(3, device=device))]})
    assert optimizer.param_groups[2]["rho"] == 0.1


def test_groups_share_one_norm_and_each_has_its_rho(device):
    a, b = (nn.Parameter(torch.zeros(1, device=device)) for _ in range(2))
    optimizer = SAM(torch.optim.SGD([{"params": [a], "rho": 1.0}, {"params": [b], "rho": 0.5}], lr=0.1))
    a.grad, b.grad = torch.tensor([3.0], device=device), torch.tensor([4.0], device=device)
    optimizer.first_step()
    assert a.item() == pytest.approx(0.6)
    assert b.item() == pytest.approx(0.4)


def test_a_group_that_is_not_perturbed_gets_no_gradient_in_the_first_pass(device, batch):
    model, _ = make(device)
    groups = [{"params": model.fc1.parameters()}, {"params": model.fc2.parameters(), "rho": 0.0}]
    optimizer = SAM(torch.optim.SGD(groups, **SGD), rho=0.1)
    seen = []

    def closure():
        loss = backward(model, batch)
        seen.append([p.grad is not None for p in model.parameters()])
        return loss

    optimizer.step(closure)
    assert seen == [[True, True, False, False], [True, True, True, True]]
    assert all(p.requires_grad for p in model.parameters())


def test_rho_may_be_scheduled_through_the_groups(device, batch):
    model, optimizer = make(device, rho=0.1)
    optimizer.param_groups[0]["rho"] = 0.9
    before = weights_of(model)
    backward(model, batch)
    optimizer.first_step()
    moved = torch.cat([(p - b).flatten() for p, b in zip(model.parameters(), before, strict=True)])
    assert moved.norm().item() == pytest.approx(0.9, rel=1e-5)


# ---- checkpoints -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("perturbed_when_saved", [False, True])
def test_a_resumed_run_equals_an_uninterrupted_one(device, batch, perturbed_when_saved):
    model, optimizer = make(device)
    for _ in range(3):
        optimizer.step(closure_for(model, optimizer, batch))
    weights = copy.deepcopy(model.state_dict())
    if perturbed_when_saved:
        backward(model, batch)
        optimizer.first_step()
    saved = copy.deepcopy(optimizer.state_dict())
    optimizer.restore()
    assert saved["param_groups"][0]["rho"] == 0.1
    assert set(saved) == {"state", "param_groups"}

    other, resumed = make(device, rho=0.9)
    other.load_state_dict(weights)
    resumed.load_state_dict(saved)
    assert resumed.param_groups[0]["rho"] == 0.1
    for _ in range(3):
        optimizer.step(closure_for(model, optimizer, batch))
        resumed.step(closure_for(other, resumed, batch))
    assert same(model.parameters(), other.parameters())
    assert resumed.state is resumed.base_optimizer.state


def test_a_checkpoint_of_the_base_alone_keeps_the_current_rho(device, batch):
    model, _ = make(device)
    base = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    base.step(closure_for(model, base, batch))
    _, optimizer = make(device, rho=0.25)
    optimizer.load_state_dict(base.state_dict())
    assert optimizer.param_groups[0]["rho"] == 0.25
    assert optimizer.param_groups[0]["lr"] == 0.03
    assert len(optimizer.state) == 4


def test_load_then_schedule(device, batch):
    model, optimizer = make(device)
    optimizer.step(closure_for(model, optimizer, batch))
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.1)
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    optimizer.step(closure_for(model, optimizer, batch))
    schedule.step()
    before = weights_of(model)
    optimizer.step(closure_for(model, optimizer, batch))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)
    assert not same(before, model.parameters())


def test_sam_can_be_pickled_and_copied(device, batch):
    model, optimizer = make(device, rho=0.3)
    optimizer.step(closure_for(model, optimizer, batch))
    for twin in (pickle.loads(pickle.dumps(optimizer)), copy.deepcopy(optimizer)):
        assert twin.param_groups is twin.base_optimizer.param_groups
        assert twin.param_groups[0]["rho"] == 0.3
        assert not twin.perturbed


# ---- BatchNorm -------------------------------------------------------------------------------------------------------


def test_running_statistics_do_not_see_the_perturbed_pass(device, batch):
    model = samlib.small_resnet().to(device).train()
    model.group1[0].bn1.eval()  # frozen on purpose: stays so
    plain = copy.deepcopy(model)
    optimizer = SAM(torch.optim.SGD(model.parameters(), lr=0.1), rho=0.5, model=model)
    optimizer.step(closure_for(model, optimizer, batch))
    plain(batch[0])
    for (name, ours), theirs in zip(model.named_buffers(), plain.buffers(), strict=True):
        assert torch.equal(ours, theirs), name
    assert model.bn.num_batches_tracked == 1
    assert all(module.track_running_stats for module in model.modules() if isinstance(module, nn.BatchNorm2d))


def test_without_the_model_running_statistics_see_both_passes(device, batch):
    model = samlib.small_resnet().to(device).train()
    optimizer = SAM(torch.optim.SGD(model.parameters(), lr=0.1), rho=0.5)
    optimizer.step(closure_for(model, optimizer, batch))
    assert model.bn.num_batches_tracked == 2


def test_the_perturbed_pass_still_normalises_by_the_batch(device, batch):
    model = samlib.small_resnet().to(device).train()
    twin = copy.deepcopy(model)
    optimizer = SAM(torch.optim.SGD(model.parameters(), lr=0.1), rho=0.5, model=model)
    unaware = SAM(torch.optim.SGD(twin.parameters(), lr=0.1), rho=0.5)
    optimizer.step(closure_for(model, optimizer, batch))
    unaware.step(closure_for(twin, unaware, batch))
    assert same(model.parameters(), twin.parameters())


# ---- cost ------------------------------------------------------------------------------------------------------------


class CountOperators(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def test_ascending_and_returning_takes_a_dozen_operators_and_no_host_copy(device):
    params = [nn.Parameter(torch.randn(8, 3, device=device)) for _ in range(62)]
    optimizer = SAM(torch.optim.SGD(params, lr=0.1), rho=0.1)
    for p in params:
        p.grad = torch.randn_like(p)
    before = [p.detach().clone() for p in params]
    with CountOperators() as counter:
        optimizer.first_step()
    perturbed = [p.detach().clone() for p in params]
    with counter:
        optimizer.restore()
    assert not same(before, perturbed)
    assert same(before, params)
    assert 0 < len(counter.names) <= 12, counter.names
    assert not any("_local_scalar_dense" in name for name in counter.names)


@pytest.mark.slow
@pytest.mark.parametrize(("build", "first"), [("mlp", "fc1"), ("preact_resnet18", "conv1")])
def test_perturbing_the_first_layer_alone_costs_five_forward_passes(device, build, first):
    model = samlib.models.MODELS[build]().to(device)
    x = torch.rand(2, *((1, 8, 8) if build == "mlp" else (3, 32, 32)), device=device)
    y = torch.tensor([0, 1], device=device)
    named = dict(model.named_parameters())

    def flops(rho_first, rho_rest):
        groups = [
            {"params": [p for name, p in named.items() if name.startswith(f"{first}.")], "rho": rho_first},
            {"params": [p for name, p in named.items() if not name.startswith(f"{first}.")], "rho": rho_rest},
        ]
        optimizer = SAM(torch.optim.SGD(groups, lr=0.0))
        with FlopCounterMode(display=False) as counter:
            optimizer.step(closure_for(model, optimizer, (x, y)))
        return counter.get_total_flops()

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x)
    forward = counter.get_total_flops()
    assert flops(0.1, 0.0) <= 5.1 * forward
    assert flops(0.0, 0.0) <= 3 * forward
    assert 5.2 * forward < flops(0.1, 0.1) <= 6 * forward


# ---- mistakes --------------------------------------------------------------------------------------------------------


def test_no_gradient_at_all_is_an_error_and_moves_nothing(device, batch):
    model, optimizer = make(device)
    before = weights_of(model)
    with pytest.raises(RuntimeError, match=r"No parameter has a gradient.*backward"):
        optimizer.first_step()
    with pytest.raises(RuntimeError, match="No parameter has a gradient"):
        optimizer.step(lambda: model(batch[0]).sum())
    assert same(before, model.parameters())
    assert not optimizer.perturbed


def test_no_gradient_in_the_second_pass_is_an_error_and_moves_nothing(device, batch):
    model, optimizer = make(device)
    before, calls = weights_of(model), []

    def closure():
        calls.append(None)
        return backward(model, batch) if len(calls) == 1 else None

    with pytest.raises(RuntimeError, match="No parameter has a gradient"):
        optimizer.step(closure)
    assert same(before, model.parameters())


def test_a_sparse_gradient_is_an_error_and_moves_nothing(device):
    if device.type == "mps":
        pytest.skip("MPS has no sparse tensors")
    layer = nn.Embedding(5, 3, sparse=True).to(device)
    before = layer.weight.detach().clone()
    optimizer = SAM(torch.optim.SGD(layer.parameters(), lr=0.1))
    with pytest.raises(TypeError, match=r"sparse gradient.*sparse=False"):
        optimizer.step(lambda: layer(torch.tensor([1], device=device)).sum().backward())
    assert torch.equal(before, layer.weight)


@pytest.mark.parametrize("rho", [-0.1, math.nan, math.inf])
def test_a_rho_that_is_no_length_is_refused_wherever_it_comes_from(device, rho, batch):
    model, optimizer = make(device)
    base = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=r"rho is .*finite number in \[0, inf\]"):
        SAM(base, rho=rho)
    assert "rho" not in base.param_groups[0]
    with pytest.raises(ValueError, match="rho is"):
        SAM(torch.optim.SGD([{"params": model.parameters(), "rho": rho}], lr=0.1))
    with pytest.raises(ValueError, match="rho is"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1, device=device))], "rho": rho})
    assert len(optimizer.param_groups) == 1
    saved = optimizer.state_dict()
    saved["param_groups"][0]["rho"] = rho
    with pytest.raises(ValueError, match="rho is"):
        optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["rho"] == 0.1
    before = weights_of(model)
    optimizer.param_groups[0]["rho"] = rho
    backward(model, batch)
    with pytest.raises(ValueError, match="rho is"):
        optimizer.first_step()
    assert same(before, model.parameters())


def test_rho_must_be_a_number(device):
    model, _ = make(device)
    with pytest.raises(TypeError, match=r"rho is '0.1' of type str"):
        SAM(torch.optim.SGD(model.parameters(), lr=0.1), rho="0.1")


def test_a_missing_closure_is_an_error(device):
    _, optimizer = make(device)
    with pytest.raises(TypeError, match=r"needs a closure.*first_step"):
        optimizer.step()


def test_only_optimizers_other_than_lbfgs_and_sam_can_be_wrapped(device):
    model, optimizer = make(device)
    for wrong in (model, optimizer, torch.optim.LBFGS(model.parameters()), torch.optim.SGD):
        with pytest.raises(TypeError, match="base_optimizer is a"):
            SAM(wrong)
    with pytest.raises(TypeError, match="model is a str"):
        SAM(torch.optim.SGD(model.parameters(), lr=0.1), model="mlp")


def test_parts_out_of_order_are_errors(device, batch):
    model, optimizer = make(device)
    with pytest.raises(RuntimeError, match=r"second_step was called before first_step"):
        optimizer.second_step()
    optimizer.restore()  # without an ascent step nothing happens
    backward(model, batch)
    optimizer.first_step()
    for call in (optimizer.first_step, lambda: optimizer.step(lambda: None), lambda: optimizer.load_state_dict({})):
        with pytest.raises(RuntimeError, match="while the weights are perturbed"):
            call()
    assert optimizer.perturbed
