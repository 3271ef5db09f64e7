"""The training loop: methods, seeds, side effects, checkpoints."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import OrderedDict

import pytest
import torch
from torch import nn

import samlib
from samlib.data import flip_and_crop
from samlib.models import select_parameters
from samlib.training import METHODS, Recipe, make_optimizer, named_weights, train
from tests.norms import NORMS, typical_eps

STRENGTH = {"sam": {"rho": 0.1}, "at": {"eps": 0.1}, "at+sam": {"eps": 0.1, "rho": 0.1}}
STRENGTH |= {"sgd": {}, "input_noise": {"sigma": 0.1}, "weight_noise": {"rho": 0.1}}


def weights(model):
    return torch.cat([value.flatten().double().cpu() for value in model.state_dict().values()])


def fresh(device, build=samlib.mlp):
    return (build((32,)) if build is samlib.mlp else build()).to(device)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_the_digits(digits, device, method):
    model = fresh(device)
    history = train(model, *digits[:2], method, **STRENGTH[method], epochs=8, progress=False)
    assert samlib.accuracy(model, *digits[2:]) > 0.85
    assert history["loss"][-1] < history["loss"][0]
    assert {len(values) for values in history.values()} == {8}
    assert json.loads(json.dumps(history)) == history


@pytest.mark.parametrize("method", METHODS)
def test_a_run_follows_its_seed_and_nothing_else(digits, device, method):
    def run(seed):
        model = fresh(device)
        train(model, *digits[:2], method, **STRENGTH[method], epochs=2, seed=seed, progress=False)
        return weights(model)

    first = run(0)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert torch.equal(first, run(0))
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(first, run(1))


def test_the_learning_rate_falls_to_a_tenth_and_a_hundredth(digits, device):
    history = train(fresh(device), *digits[:2], epochs=20, lr=0.1, progress=False)
    assert history["lr"] == pytest.approx([0.1] * 15 + [0.01] * 3 + [0.001] * 2)


def test_sgd_equals_a_loop_written_out(digits, device):
    x, y = digits[0], digits[1]
    model, plain = fresh(device), fresh(device)
    train(model, x, y, epochs=4, seed=5, progress=False)
    generator = torch.Generator(device).manual_seed(5)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    for epoch in range(4):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 if epoch < 3 else 0.01
        for rows in torch.randperm(1200, generator=generator, device=device).split(128):
            optimizer.zero_grad()
            nn.functional.cross_entropy(plain(x[rows]), y[rows]).backward()
            optimizer.step()
    assert torch.allclose(weights(model), weights(plain), atol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("norm", NORMS)
def test_adversarial_training_makes_robust(digits, device, norm):
    eps = typical_eps(norm)
    robust = []
    for method, strength in [("sgd", {}), ("at", {"eps": eps, "norm": norm})]:
        model = fresh(device)
        train(model, *digits[:2], method, **strength, epochs=15, progress=False)
        robust.append(samlib.robust_accuracy(model, *digits[2:], eps, norm))
    assert robust[1] > robust[0] + 0.15


@pytest.mark.parametrize("method", ["at", "at+sam"])
def test_batchnorm_does_not_see_the_attack_or_the_perturbed_pass(digits, device, method):
    model = fresh(device, samlib.small_resnet)
    train(model, digits[0][:256], digits[1][:256], method, **STRENGTH[method], epochs=1, progress=False)
    assert model.bn.num_batches_tracked == 2  # one count for each of the two batches


def test_modes_are_as_before_afterwards(digits, device):
    model = fresh(device, samlib.small_resnet).train()
    model.bn.eval()
    train(model, digits[0][:256], digits[1][:256], epochs=1, progress=False)
    assert model.training
    assert not model.bn.training


def test_the_layers_that_sam_perturbs_can_be_chosen(device):
    model = fresh(device)
    recipe = dict.fromkeys(Recipe.__dataclass_fields__)
    recipe |= {"method": "sam", "rho": 0.3, "norm": None, "attack_steps": None, "epochs": 1, "batch_size": 8, "lr": 0.1}
    recipe |= {"momentum": 0.0, "weight_decay": 0.0, "seed": 0, "adaptive": False}
    optimizer = make_optimizer(model, Recipe(**{**recipe, "perturb": ("fc1",)}))
    assert [group["rho"] for group in optimizer.param_groups] == [0.3, 0.0]
    assert optimizer.param_groups[0]["params"] == [model.fc1.weight, model.fc1.bias]
    optimizer = make_optimizer(model, Recipe(**{**recipe, "perturb": ("fc1.weight", "fc2")}))
    assert optimizer.param_groups[0]["params"] == [model.fc1.weight, model.fc2.weight, model.fc2.bias]


def test_weight_noise_takes_the_gradient_elsewhere_and_comes_back(digits, device):
    plain, noisy = fresh(device), fresh(device)
    before = weights(noisy)
    train(plain, *digits[:2], epochs=1, lr=1e-8, momentum=0.0, weight_decay=0.0, progress=False)
    train(
        noisy, *digits[:2], "weight_noise", rho=5.0, epochs=1, lr=1e-8, momentum=0.0, weight_decay=0.0, progress=False
    )
    assert torch.allclose(weights(noisy), before, atol=1e-6)
    assert not torch.equal(weights(noisy), weights(plain))


def test_on_epoch_and_augment_are_called(digits, device):
    seen, drawn = [], []

    def augment(x, generator):
        drawn.append(len(x))
        return x

    train(
        fresh(device),
        digits[0][:200],
        digits[1][:200],
        epochs=3,
        progress=False,
        augment=augment,
        on_epoch=lambda h: seen.append(len(h["loss"])),
    )
    assert seen == [1, 2, 3]
    assert drawn == [128, 72] * 3


def test_progress_is_shown_only_when_asked_for(digits, device, capfd):
    train(fresh(device), *digits[:2], epochs=1, progress=False)
    assert capfd.readouterr().err == ""
    train(fresh(device), *digits[:2], "sam", rho=0.1, epochs=1)
    assert "sam" in capfd.readouterr().err


# ---- checkpoints -----------------------------------------------------------------------------------------------------


def interrupted_after(epochs):
    def stop(history):
        if len(history["loss"]) == epochs:
            raise KeyboardInterrupt

    return stop


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(digits, device, tmp_path, method):
    x, y, build = digits[0][:300], digits[1][:300], samlib.small_resnet
    arguments = {"method": method, **STRENGTH[method], "epochs": 6, "progress": False}
    whole = fresh(device, build)
    history = train(whole, x, y, **arguments)
    file = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        train(fresh(device, build), x, y, **arguments, checkpoint=file, on_epoch=interrupted_after(5))
    resumed = fresh(device, build)
    history_again = train(resumed, x, y, **arguments, checkpoint=file)
    assert torch.equal(weights(whole), weights(resumed))
    assert history["loss"] == history_again["loss"]
    assert not list(tmp_path.glob("*.part"))


def test_a_finished_run_is_read_not_run(digits, device, tmp_path):
    arguments = {"epochs": 2, "progress": False, "checkpoint": tmp_path / "run.pt"}
    first, again = fresh(device), fresh(device)
    history = train(first, *digits[:2], **arguments)
    assert train(again, *digits[:2], **arguments) == history
    assert torch.equal(weights(first), weights(again))


KILLED = """
import sys, torch, samlib
x, y, *_ = samlib.load_digits()
torch.set_num_threads(1)
model = samlib.small_resnet()
print("ready", flush=True)
samlib.train(model, x[:400], y[:400], "sam", rho=0.1, epochs=12, batch_size=50, checkpoint=sys.argv[1], progress=False)
torch.save(model.state_dict(), sys.argv[2])
"""


@pytest.mark.long
def test_a_run_killed_at_a_random_moment_and_resumed_ends_with_the_same_weights(tmp_path):
    def start(name):
        arguments = [sys.executable, "-c", KILLED, str(tmp_path / f"{name}.pt"), str(tmp_path / f"{name}-weights.pt")]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        return process

    process, begin = start("whole"), time.perf_counter()  # ready: from here on it trains
    assert process.wait() == 0
    seconds = time.perf_counter() - begin
    moments = random.Random(0)
    kills = 0
    for _ in range(2):
        process = start("killed")
        time.sleep(moments.uniform(0.1, 0.4) * seconds)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 1
    assert start("killed").wait() == 0
    whole, resumed = (torch.load(tmp_path / f"{name}-weights.pt") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("damage", ["cut short", "foreign", "not torch"])
def test_a_broken_or_foreign_file_is_refused_and_left_alone(digits, device, tmp_path, damage):
    file = tmp_path / "run.pt"
    train(fresh(device), *digits[:2], epochs=1, progress=False, checkpoint=file)
    content = file.read_bytes()
    if damage == "cut short":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "foreign":
        torch.save({"weights": torch.zeros(3)}, file)
    else:
        file.write_text("hello")
    before, model = file.read_bytes(), fresh(device)
    untouched = weights(model)
    with pytest.raises(ValueError, match=r"checkpoint=.*run.pt.*(not a whole checkpoint|not written by samlib)"):
        train(model, *digits[:2], epochs=1, progress=False, checkpoint=file)
    assert file.read_bytes() == before
    assert torch.equal(weights(model), untouched)


def test_a_checkpoint_of_another_run_is_refused_and_says_what_differs(digits, device, tmp_path):
    file, x, y = tmp_path / "run.pt", digits[0], digits[1]
    train(fresh(device), x, y, "sam", rho=0.1, epochs=1, progress=False, checkpoint=file)
    for other, message in [
        ({"rho": 0.2}, "rho: 0.1 there, 0.2 here"),
        ({"rho": 0.1, "seed": 1}, "seed: 0 there, 1 here"),
    ]:
        with pytest.raises(ValueError, match=message):
            train(fresh(device), x, y, "sam", **other, epochs=1, progress=False, checkpoint=file)
    with pytest.raises(ValueError, match="data: "):
        train(fresh(device), x[:100], y[:100], "sam", rho=0.1, epochs=1, progress=False, checkpoint=file)
    with pytest.raises(ValueError, match="initial weights: "):
        train(samlib.mlp((8,)).to(device), x, y, "sam", rho=0.1, epochs=1, progress=False, checkpoint=file)


def doubled(model, x, y):
    """Another loss."""
    logits = model(x)
    return 2 * torch.nn.functional.cross_entropy(logits, y), logits


@pytest.mark.parametrize(
    ("other", "differs"),
    [({"loss": doubled}, "loss: "), ({"augment": flip_and_crop(1)}, "augment: "), ({"augment": None}, "augment: ")],
)
def test_a_checkpoint_of_other_weights_loss_or_augmentation_is_refused(digits, device, tmp_path, other, differs):
    x, y = digits[0][:100], digits[1][:100]
    arguments = {"epochs": 1, "progress": False, "checkpoint": tmp_path / "run.pt"}
    train(fresh(device), x, y, **arguments, augment=flip_and_crop(2))
    with pytest.raises(ValueError, match=differs):
        train(fresh(device), x, y, **{**arguments, "augment": flip_and_crop(2), **other})
    with pytest.raises(ValueError, match="initial weights: "):
        train(samlib.mlp(seed=5).to(device), x, y, **arguments, augment=flip_and_crop(2))
    train(fresh(device), x, y, **arguments, augment=flip_and_crop(2))  # the same run goes on


def with_dropout(device):
    torch.manual_seed(3)
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.Dropout(0.5), torch.nn.Linear(32, 10)
    )
    return model.to(device)


def test_seed_fixes_dropout_and_a_resumed_run_draws_on_where_it_stopped(digits, device, tmp_path):
    x, y = digits[0][:300], digits[1][:300]
    arguments = {"epochs": 4, "progress": False, "seed": 7}
    whole, again, other = with_dropout(device), with_dropout(device), with_dropout(device)
    train(whole, x, y, **arguments)
    torch.manual_seed(99)  # the caller's generator matters nothing, and is left alone
    state = torch.get_rng_state()
    train(again, x, y, **arguments)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(weights(whole), weights(again))
    train(other, x, y, **{**arguments, "seed": 8})
    assert not torch.equal(weights(whole), weights(other))
    file, resumed = tmp_path / "run.pt", with_dropout(device)
    with pytest.raises(KeyboardInterrupt):
        train(with_dropout(device), x, y, **arguments, checkpoint=file, on_epoch=interrupted_after(3))
    train(resumed, x, y, **arguments, checkpoint=file)
    assert torch.equal(weights(whole), weights(resumed))


def test_a_loss_that_is_no_number_any_more_ends_the_run_and_says_when(digits, device, tmp_path):
    file = tmp_path / "run.pt"
    with pytest.raises(FloatingPointError, match=r"The loss became (nan|inf) in epoch \d of 9; try a smaller lr"):
        train(fresh(device), *digits[:2], epochs=9, lr=1e18, progress=False, checkpoint=file)


def test_a_last_batch_of_one_image_joins_the_one_before(digits, device):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(64), torch.nn.Linear(64, 10)).to(device)
    history = train(model, digits[0][:65], digits[1][:65], epochs=2, batch_size=16, progress=False)
    assert len(history["loss"]) == 2
    assert model[1].num_batches_tracked == 8


def test_perturb_takes_patterns_and_the_names_of_a_model_that_is_compiled_or_wrapped(device):
    model = samlib.small_resnet().to(device)
    norms = named_weights(model, "*bn*")
    assert {id(p) for p in norms} == {
        id(p) for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d) for p in m.parameters()
    }
    first = [id(p) for p in named_weights(model, "conv1")]
    for wrapped in (torch.compile(model), torch.nn.Sequential(OrderedDict(module=model))):
        assert [id(p) for p in named_weights(wrapped, "conv1")] == first


def test_perturb_takes_a_name_as_a_full_one_and_refuses_frozen_weights(device):
    inner = torch.nn.Sequential(OrderedDict(norm=torch.nn.BatchNorm2d(1)))
    model = torch.nn.Sequential(OrderedDict(norm=torch.nn.BatchNorm2d(1), block=inner)).to(device)
    assert len(named_weights(model, "norm")) == len(named_weights(model, "block.norm")) == 2
    assert len(named_weights(model, "*norm")) == 4
    model.block.requires_grad_(False)
    with pytest.raises(ValueError, match="whose weights are frozen"):
        named_weights(model, "block")


def test_a_weight_that_modules_share_is_found_by_the_name_of_each(device):
    model = torch.nn.Sequential(OrderedDict(fc1=torch.nn.Linear(4, 4), fc2=torch.nn.Linear(4, 4))).to(device)
    model.fc2.weight = model.fc1.weight
    assert {id(p) for p in named_weights(model, "fc2")} == {id(model.fc1.weight), id(model.fc2.bias)}
    assert list(select_parameters(model, ["fc2"])) == ["fc1.weight", "fc2.bias"]
    with pytest.raises(ValueError, match=r"perturb is 3; it must be one of 'fc1', 'fc2'"):
        select_parameters(model, [3], "perturb")


def test_a_model_that_writes_over_its_images_is_shown_the_same_ones_twice(digits, device):
    class Halves(torch.nn.Module):
        def __init__(self, halve):
            super().__init__()
            self.model, self.halve = samlib.mlp((8,)).to(device), halve

        def forward(self, x):
            return self.model(self.halve(x))

    in_place, beside = Halves(lambda x: x.mul_(0.5)), Halves(lambda x: x * 0.5)
    for model in (in_place, beside):
        train(model, digits[0][:64], digits[1][:64], "sam", rho=0.5, epochs=2, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(in_place.parameters(), beside.parameters(), strict=True))


def test_a_model_with_a_state_that_is_no_tensor_is_trained_and_resumed(digits, device, tmp_path):
    class Noted(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x.flatten(1))

        def get_extra_state(self):
            return {"note": 1}

        def set_extra_state(self, state):
            assert state == {"note": 1}

    for _ in range(2):
        torch.manual_seed(0)
        model = Noted(64, 10).to(device)
        train(model, digits[0][:32], digits[1][:32], epochs=1, checkpoint=tmp_path / "run.pt", progress=False)


def test_nothing_to_train_is_an_error(digits, device):
    for model in (samlib.mlp((8,)).to(device).requires_grad_(False), torch.nn.Flatten()):
        for method, strength in (("sgd", {}), ("weight_noise", {"rho": 0.1})):
            with pytest.raises(ValueError, match="model has no parameter to train"):
                train(model, digits[0][:32], digits[1][:32], method, epochs=1, progress=False, **strength)


def test_training_goes_on_where_gradients_are_switched_off(digits, device):
    expected, histories = fresh(device), []
    histories.append(train(expected, digits[0][:64], digits[1][:64], epochs=1, progress=False)["loss"])
    for off in (torch.no_grad, torch.inference_mode):
        model = fresh(device)
        with off():
            histories.append(train(model, digits[0][:64], digits[1][:64], epochs=1, progress=False)["loss"])
        assert all(torch.equal(a, b) for a, b in zip(expected.parameters(), model.parameters(), strict=True))
    assert histories[0] == histories[1] == histories[2]


def test_no_room_on_disk_is_an_os_error_that_leaves_the_last_checkpoint_whole(digits, device, tmp_path):
    file, arguments = tmp_path / "run.pt", {"epochs": 4, "progress": False, "checkpoint": tmp_path / "run.pt"}
    with pytest.raises(KeyboardInterrupt):
        train(fresh(device), *digits[:2], **arguments, on_epoch=interrupted_after(1))
    content = file.read_bytes()
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) // 2, old[1]))  # as full as a disk can be made here
        with pytest.raises(OSError, match=r"checkpoint=.*run.pt.*could not be written"):
            train(fresh(device), *digits[:2], **arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    assert file.read_bytes() == content
    assert os.listdir(tmp_path) == ["run.pt"]


# ---- speed -----------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_sam_takes_at_most_two_and_a_half_times_as_long_as_sgd(digits, device):
    """60 epochs of the digits MLP on one thread; the best of three pairs, and on the CPU its own time."""
    clock, threads = time.process_time if device.type == "cpu" else time.perf_counter, torch.get_num_threads()

    def seconds(method, **strength):
        begin = clock()
        train(samlib.mlp().to(device), *digits[:2], method, **strength, progress=False)
        return clock() - begin

    torch.set_num_threads(1)
    try:
        seconds("sam", rho=0.1)
        pairs = [(seconds("sgd"), seconds("sam", rho=0.1)) for _ in range(3)]
    finally:
        torch.set_num_threads(threads)
    assert min(sam / sgd for sgd, sam in pairs) <= 2.5, pairs
    assert min(sam for _, sam in pairs) <= 3, pairs
