"""SAM where it once went wrong: other optimizers' options, maximizing, checkpointing, scaling, copies, memory."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.checkpoint import checkpoint

import samlib
from samlib import SAM


@pytest.fixture
def batch(digits):
    return digits[0][:32], digits[1][:32]


def closure_for(model, optimizer, batch):
    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        return loss

    return closure


def test_a_base_with_a_rho_of_its_own_is_refused_and_not_touched(device):
    model = samlib.mlp(hidden=(4,)).to(device)
    base = torch.optim.Adadelta(model.parameters(), lr=1.0)
    with pytest.raises(TypeError, match=r"Adadelta, whose `rho` .* is not SAM's"):
        SAM(base, rho=0.1)
    assert base.param_groups[0]["rho"] == 0.9


@pytest.mark.parametrize("base", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop,
                                  torch.optim.Adagrad])  # fmt: skip
@pytest.mark.parametrize("adaptive", [False, True])
def test_maximizing_f_and_minimizing_minus_f_agree(device, batch, base, adaptive):
    ends = []
    for sign in (1, -1):
        model = samlib.mlp(hidden=(8,)).to(device)
        settings = {"lr": 0.01, "maximize": sign > 0, "weight_decay": 0.0}
        optimizer = SAM(base(model.parameters(), **settings), rho=0.2, adaptive=adaptive)

        def closure(model=model, optimizer=optimizer, sign=sign):
            optimizer.zero_grad()
            objective = sign * -F.cross_entropy(model(batch[0]), batch[1])
            objective.backward()
            return objective

        for _ in range(4):
            optimizer.step(closure)
        ends.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.allclose(*ends, atol=1e-6)


def split_groups(model, rho=0.2):
    """SAM that perturbs all but the first layer of an MLP."""
    first, rest = [*model.fc1.parameters()], [*model.fc2.parameters(), *model.fc3.parameters()]
    return SAM(torch.optim.SGD([{"params": first, "rho": 0.0}, {"params": rest}], lr=0.1), rho=rho, model=model)


@pytest.mark.parametrize("static", [False, True])
def test_a_group_that_is_not_perturbed_works_under_distributed_data_parallel(device, batch, tmp_path, static):
    if device.type != "cpu" or not torch.distributed.is_gloo_available():
        pytest.skip("one process with gloo is tried on the CPU")
    plain = samlib.mlp(hidden=(8, 8))
    other = copy.deepcopy(plain)
    alone, parallel = split_groups(plain), split_groups(other)
    for _ in range(3):
        alone.step(closure_for(plain, alone, batch))
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(other, static_graph=static)
        for _ in range(3):
            parallel.step(closure_for(wrapped, parallel, batch))
    finally:
        torch.distributed.destroy_process_group()
    for a, b in zip(plain.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-7)


class Checkpointed(nn.Module):
    """An MLP whose later layers are recomputed in the backward pass, with reentry: the input has no gradient."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return checkpoint(self.model[3:], self.model[:3](x), use_reentrant=True)


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_a_group_that_is_not_perturbed_works_with_reentrant_checkpointing(device, batch):
    plain = samlib.mlp(hidden=(8, 8)).to(device)
    other = copy.deepcopy(plain)
    ours, theirs = split_groups(plain), split_groups(other)
    wrapped, calls = Checkpointed(other), []
    for _ in range(3):
        ours.step(closure_for(plain, ours, batch))
        run = closure_for(wrapped, theirs, batch)
        theirs.step(lambda run=run: calls.append(1) or run())
    for a, b in zip(plain.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-7)
    assert len(calls) == 7  # found out once
    assert all(p.requires_grad for p in other.parameters())


def test_clipping_with_a_grad_scaler_unscales_once(device, batch):
    ends = []
    for scaled in (False, True):
        model = samlib.mlp(hidden=(8,)).to(device)
        optimizer = SAM(torch.optim.SGD(model.parameters(), lr=0.1), rho=0.1)
        scaler = torch.amp.GradScaler(device.type, init_scale=2.0**10, enabled=scaled)
        for _ in range(3):
            optimizer.zero_grad()
            scaler.scale(F.cross_entropy(model(batch[0]), batch[1])).backward()
            optimizer.first_step()
            scaler.scale(F.cross_entropy(model(batch[0]), batch[1])).backward()
            optimizer.restore()
            scaler.unscale_(optimizer.base_optimizer)
            assert nn.utils.clip_grad_norm_(model.parameters(), 0.05) > 0.05
            scaler.step(optimizer.base_optimizer)
            scaler.update()
        ends.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.allclose(*ends, atol=1e-6)


def test_unscaling_sam_and_stepping_its_base_is_an_error_not_a_second_division(device, batch):
    model = samlib.mlp(hidden=(8,)).to(device)
    optimizer = SAM(torch.optim.SGD(model.parameters(), lr=0.1), rho=0.1)
    scaler = torch.amp.GradScaler(device.type, init_scale=2.0**10)
    scaler.scale(F.cross_entropy(model(batch[0]), batch[1])).backward()
    with pytest.raises(RuntimeError, match=r"unscale_\(sam.base_optimizer\)"):
        scaler.unscale_(optimizer)


def test_an_overflow_never_reaches_running_statistics_with_or_without_the_model(device, batch):
    for known in (False, True):
        model = samlib.small_resnet().to(device).train()
        optimizer = SAM(torch.optim.SGD(model.parameters(), lr=0.1), rho=0.1, model=model if known else None)
        F.cross_entropy(model(batch[0]), batch[1]).backward()
        model.fc.weight.grad[0, 0] = torch.inf
        optimizer.first_step()
        F.cross_entropy(model(batch[0]), batch[1]).backward()
        optimizer.restore()
        assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


@pytest.mark.parametrize("value", [1.0, 0.0, torch.nan, torch.inf])
def test_the_way_without_a_look_at_the_norm_gives_the_same(device, monkeypatch, value):
    """What a GPU does, tried on any device: there nobody waits for the norm to see whether it is finite."""
    ends = []
    for looks in (True, False):
        params = [nn.Parameter(torch.linspace(-1, 1, 6, device=device).view(2, 3)) for _ in range(2)]
        optimizer = SAM(torch.optim.SGD(params, lr=0.1), rho=0.5)
        for p in params:
            p.grad = torch.full_like(p, value)
        params[0].grad[0, 0] = -3.0 if value == 1 else value
        with monkeypatch.context() as patched:
            if not looks:
                patched.setattr(torch.Tensor, "is_cpu", property(lambda _: False))
            optimizer.first_step()
        ends.append(torch.cat([p.detach().flatten() for p in params]))
        assert ends[-1].isfinite().all()
        assert torch.equal(ends[-1], torch.linspace(-1, 1, 6, device=device).repeat(2)) == (value != 1)
    assert torch.equal(*ends)


def test_a_copy_or_a_pickle_between_the_passes_is_an_error(device, batch):
    model = samlib.mlp(hidden=(4,)).to(device)
    optimizer = SAM(torch.optim.SGD(model.parameters(), lr=0.1), rho=0.1)
    F.cross_entropy(model(batch[0]), batch[1]).backward()
    optimizer.first_step()
    for call in (copy.deepcopy, pickle.dumps):
        with pytest.raises(RuntimeError, match="copy or pickle was called while the weights are perturbed"):
            call(optimizer)
    optimizer.restore()
    assert not copy.deepcopy(optimizer).perturbed


def test_a_copy_of_model_and_sam_together_goes_on_like_the_original(device, batch):
    model = samlib.mlp(hidden=(4,)).to(device)
    optimizer = SAM(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), rho=0.3, adaptive=True, model=model)
    optimizer.step(closure_for(model, optimizer, batch))
    twin, other = copy.deepcopy((model, optimizer))
    for net, one in ((model, optimizer), (twin, other)):
        one.step(closure_for(net, one, batch))
    assert other.adaptive
    assert other.model is twin
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


def test_instance_norms_running_statistics_do_not_see_the_perturbed_pass(device, batch):
    norm = nn.InstanceNorm2d(4, track_running_stats=True)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.Flatten(), nn.Linear(144, 10)).to(device).train()
    plain = copy.deepcopy(model)
    optimizer = SAM(torch.optim.SGD(model.parameters(), lr=0.1), rho=0.5, model=model)
    optimizer.step(closure_for(model, optimizer, batch))
    plain(batch[0])
    assert torch.equal(norm.running_mean, plain[1].running_mean)
    assert torch.equal(norm.running_var, plain[1].running_var)
    assert norm.num_batches_tracked == plain[1].num_batches_tracked


def test_complex_parameters_are_perturbed_like_their_two_parts(device):
    if device.type == "mps":
        pytest.skip("no complex gradients there")
    real = nn.Parameter(torch.tensor([[1.0, 2.0], [0.5, -1.0]], device=device))
    whole = nn.Parameter(torch.view_as_complex(real.detach().clone()))
    for adaptive in (False, True):
        moved = []
        for p, loss in ((real, lambda: (real**4).sum()), (whole, lambda: (torch.view_as_real(whole) ** 4).sum())):
            optimizer = SAM(torch.optim.SGD([p], lr=0.1), rho=0.3, adaptive=adaptive)
            optimizer.zero_grad()
            loss().backward()
            optimizer.first_step()
            moved.append((torch.view_as_real(p) if p.is_complex() else p).detach().clone())
            optimizer.restore()
        assert torch.allclose(*moved)
        assert not torch.allclose(moved[0], real)
    assert torch.equal(torch.view_as_real(whole.detach()), real.detach())


def test_rho_may_be_a_numpy_number(device):
    model = samlib.mlp(hidden=(4,)).to(device)
    optimizer = SAM(torch.optim.SGD(model.parameters(), lr=0.1), rho=np.float32(0.25))
    assert type(optimizer.param_groups[0]["rho"]) is float
    assert optimizer.param_groups[0]["rho"] == 0.25


def test_a_base_that_loads_a_checkpoint_by_itself_stays_sams(device, batch):
    model = samlib.mlp(hidden=(4,)).to(device)
    optimizer = SAM(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), rho=0.3)
    optimizer.step(closure_for(model, optimizer, batch))
    optimizer.base_optimizer.load_state_dict(optimizer.base_optimizer.state_dict())
    assert optimizer.param_groups is optimizer.base_optimizer.param_groups
    assert optimizer.state is optimizer.base_optimizer.state
    optimizer.step(closure_for(model, optimizer, batch))


def peak_over_weights(call, weights):
    """The most memory that a call takes at any moment, in units of the weights (CPU)."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        call()
    events = [e for e in record.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = np.cumsum([e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())])
    return held.max() / sum(w.numel() * w.element_size() for w in weights)


@pytest.mark.parametrize(("adaptive", "most"), [(False, 1.1), (True, 2.1)])
def test_the_ascent_step_takes_one_copy_of_the_weights_and_no_more_than_a_peer(device, adaptive, most):
    if device.type != "cpu":
        pytest.skip("counted on the CPU")
    peer = pytest.importorskip("pytorch_optimizer")

    def weights():
        params = [nn.Parameter(torch.randn(300, 1000)) for _ in range(4)]
        for p in params:
            p.grad = torch.randn_like(p)
        return params

    ours, theirs = weights(), weights()
    sam = SAM(torch.optim.SGD(ours, lr=0.1), rho=0.1, adaptive=adaptive)
    other = peer.SAM(theirs, torch.optim.SGD, rho=0.1, adaptive=adaptive, lr=0.1)
    taken = peak_over_weights(sam.first_step, ours)
    assert 0.9 < taken <= most
    assert taken <= peak_over_weights(lambda: other.first_step(zero_grad=True), theirs) + 0.01
