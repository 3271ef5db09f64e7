# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: Perturbing the parameters
#     part: core
#     minutes: 45
#     difficulty: medium
#     device: a laptop is enough, no GPU, no download
#     finds: SAM from scratch; sharpness as a worst case, and beside robustness; what BatchNorm must do
# ---

# %% [markdown]
# **After this lesson you can**
#
# - say what sharpness is, measure it, and say what the number leaves out;
# - write SAM yourself, and recognise the mistakes that still train;
# - make a network look sharp without changing one output, and choose a radius that this does not fool;
# - say where sharpness orders networks by their robustness, and where it does not;
# - handle BatchNorm in SAM's second pass.
#
# **You need** Python, PyTorch tensors, how a network is trained, and from lesson 01 the ball, the steepest step, the
# projection and robust accuracy.

# %% [markdown]
# ## 1 · How far does the loss rise?
#
# Take all weights and biases of a network as one long vector $w$. Its **training loss** $L(w)$ is the mean
# cross-entropy over the training images. Now add a **perturbation** $dw$, in any direction, whose Euclidean length over
# all weights together is at most **rho**. How far can the loss rise?
#
# $$ S(\rho) \;=\; \max_{\lVert dw\rVert \,\le\, \rho} L(w + dw) \;-\; L(w) $$
#
# This is **sharpness**: the worst case in a ball of radius rho around the weights. It is the attacker's question of
# lesson 01, with weights in place of pixels.
#
# Rho is a length in weight space and eps one in pixel space: they share no unit.
#
# Nobody can compute this maximum for a network. **Gradient ascent** estimates it, as PGD does: one step of length rho
# along the gradient, or many, each followed by a projection. What it finds is a *lower bound*.
#
# Here are two networks, one trained by SGD, one by SAM (sharpness-aware minimization, section 2). Both are *the 48-unit
# network on raw pixels* of lesson 00. rho = 0.4 suits it, and section 4's network; there it is another length.

# %%
import samlib

x_train, y_train, x_test, y_test = samlib.load_digits()
nets = {name: samlib.mlp(hidden=(48, 48), mean=0.0, std=1.0) for name in ("SGD", "SAM")}
samlib.train(nets["SGD"], x_train, y_train, method="sgd", progress=False)
samlib.train(nets["SAM"], x_train, y_train, method="sam", rho=0.4, progress=False)
x_train, x_test = x_train.double(), x_test.double()  # 64 bits: small differences count here
for name, net in nets.items():
    right = samlib.accuracy(net.double(), x_test, y_test)
    print(f"{name}: {100 * right:.1f} % of the test digits are right")

# %% tags=["guard"]
from samlib.duality import singular_range

assert sum(p.numel() for p in nets["SGD"].parameters()) == 5962
assert all(singular_range(net.fc1.weight)[0] > 0.01 for net in nets.values())

# %% [markdown]
# ### Predict
#
# A cheaper idea than gradients: try twenty random directions, and keep the worst.

# %%
from samlib.course.lessons import perturbing_the_parameters as lesson

lesson.bet_on_random.ask()

# %% [markdown]
# ### Move
#
# Raise `rho`, and compare three directions: *random*, the worst of twenty; *1 step* along the gradient; *20 steps* of
# ascent. On the left is the loss on the straight way there, on the right how far it rises (logarithmic scales).

# %%
losses = lesson.losses_on_the_way(nets, x_train, y_train)
lesson.loss_within_rho(losses)

# %% [markdown]
# ### Explain
#
# - **A random direction is not the worst one.** At rho = 0.4, twenty steps of ascent find more than a hundred times as
#   much.
# - **One step is not many.** Training has made the gradient small, and far out it misleads. SAM takes one step all the
#   same, in every step of training, and that shows.
# - **Within rho = 0.4 SAM's network is the flatter one, within rho = 0.01 the sharper one.** (Its loss begins higher;
#   sharpness counts the rise only.)

# %% tags=["guard"]
rise = {key: lesson.rise(values) for key, values in losses.items()}
assert all(rise[name, "20 steps", 0.4] > 100 * rise[name, "random", 0.4] for name in nets)
assert rise["SGD", "20 steps", 0.4] > 10 * rise["SGD", "1 step", 0.4]
assert rise["SGD", "20 steps", 0.4] > 5 * rise["SAM", "20 steps", 0.4]
assert rise["SGD", "20 steps", 0.01] < rise["SAM", "20 steps", 0.01]
assert losses["SAM", "random", 0.4][0] > 1.5 * losses["SGD", "random", 0.4][0]  # begins higher

# %% [markdown]
# ## 2 · SAM in a dozen lines
#
# **SAM** (Foret and others 2021) asks for weights whose *worst neighbour* has a low loss:
#
# $$ \min_w \; \max_{\lVert dw\rVert \le \rho} L(w + dw) $$
#
# Twenty steps of ascent before each step of training would be expensive. SAM's **ascent step** is *one*, along the
# gradient of the batch:
#
# $$ dw = \rho\,\frac{\nabla L(w)}{\lVert\nabla L(w)\rVert}, \qquad\text{then}\qquad
# w \;\leftarrow\; w - \text{step size}\cdot\nabla L(w + dw) . $$
#
# The gradient is taken at $w + dw$; the step starts at $w$.
#
# Here it is for two weights and the loss $L(u, v) = \frac12\,c(u)\,v^2$: a valley whose floor is a line of loss 0. The
# factor $c(u)$ says how steep its walls are.


# %%
import numpy as np


def steepness(u):
    return 1 + 4 * (u - 1) ** 2


def gradient(w):
    u, v = w
    return np.array([4 * (u - 1) * v**2, steepness(u) * v])


def train_in_the_valley(rho, steps=200, step_size=0.02):
    path, tops = [np.array([-1.0, 0.8])], []
    for _ in range(steps + 1):
        uphill = gradient(path[-1])
        tops.append(path[-1] + rho * uphill / max(np.linalg.norm(uphill), 1e-12))
        path.append(path[-1] - step_size * gradient(tops[-1]))
    return np.array(path), np.array(tops)


# %%
lesson.bet_on_the_valley.ask()

# %% [markdown]
# **Move** `steps` from 0 to 200, first with rho = 0, which is SGD, then with a larger `rho`. On the right is a cut
# through the valley where training now is.

# %%
paths = {rho: train_in_the_valley(rho) for rho in (0.0, 0.05, 0.1, 0.2, 0.4)}
lesson.training_in_the_valley(paths, steepness)

# %% [markdown]
# **Explain.** SGD walks down to the floor and stays, because the gradient there is zero. SAM's ascent step leads from
# the floor up a wall. Downhill from there leads back to the floor and, since the valley opens to the right, a little to
# the right. So SAM hops from wall to wall, and each hop takes it further along the floor, to where the walls are less
# steep. A larger rho drifts faster.

# %% tags=["guard"]
walls = [steepness(path[200][0]) for path, _ in paths.values()]
assert walls == sorted(walls, reverse=True)
assert walls[0] > 10 * walls[-1]
assert all(abs(path[200][1]) < 0.1 for path, _ in paths.values())

# %% [markdown]
# ### Exercise 1 · Write SAM (medium, 15 minutes)
#
# One step of SAM on one batch, without `samlib.SAM`. All weights of the network are one vector. `optimizer` is an
# optimizer of torch over them; let *it* take the last move, with the gradient that you leave in `.grad`. The loss is
# the mean cross-entropy. Return its value before the step, one number. Many wrong versions train too; the check knows a
# dozen of them.

# %%
import torch
import torch.nn.functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters


# %% tags=["stub"]
def sam_step(model, x, y, optimizer, rho):
    """model: x (b, 1, 8, 8) -> logits (b, 10); y (b,), int64 -> the loss before the step.

    Changes the model's weights as one step of SAM with radius rho does.
    """
    ...


# %% tags=["solution", "exercise:perturbing_the_parameters/sam step"]
def sam_step(model, x, y, optimizer, rho):
    """model: x (b, 1, 8, 8) -> logits (b, 10); y (b,), int64 -> the loss before the step."""
    weights = list(model.parameters())
    before = parameters_to_vector(weights).detach()  # all weights below each other
    loss = F.cross_entropy(model(x), y)
    gradient = parameters_to_vector(torch.autograd.grad(loss, weights))
    vector_to_parameters(before + rho * gradient / gradient.norm(), weights)  # uphill
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    vector_to_parameters(before, weights)  # and back
    optimizer.step()
    return loss.item()


# %%
lesson.sam_step.check(sam_step)  # lesson.sam_step.hint() and lesson.sam_step.solution() help

# %% [markdown]
# ## 3 · A number in some unit
#
# Within rho = 0.4, SAM's network has the smaller sharpness. Is it therefore the flatter *function*? Try to fool the
# number.
#
# Our networks use ReLU, and $\mathrm{ReLU}(a z) = a\,\mathrm{ReLU}(z)$ for every $a > 0$. So what one layer multiplies
# by $a$, the next can divide by $a$, and the outputs stay what they were.
#
# ### Exercise 2 · A rescaling that changes nothing (easy, 5 minutes)
#
# Write it for three layers: `layers` is a list of three pairs (weight matrix, bias). Multiply the first weight matrix
# by `a`, and change what else you must, so that no logit changes.


# %% tags=["stub"]
def rescale_layers(layers, a):
    """layers: [(W1, b1), (W2, b2), (W3, b3)], a > 0 -> layers of the same function, with a * W1."""
    ...


# %% tags=["solution", "exercise:perturbing_the_parameters/rescale layers"]
def rescale_layers(layers, a):
    """layers: [(W1, b1), (W2, b2), (W3, b3)], a > 0 -> layers of the same function, with a * W1."""
    (W1, b1), (W2, b2), last = layers
    return [(a * W1, a * b1), (W2 / a, b2), last]


# %%
lesson.rescale_layers.check(rescale_layers)

# %% [markdown]
# ### Predict

# %%
lesson.bet_on_the_rescaling.ask()

# %% [markdown]
# ### Move
#
# Move `a`: layer 1 of the SAM network is multiplied by a, layer 2 divided by it. The bars show how long each weight
# matrix is, the blue marks how far it can move within rho.
#
# Then switch the units of rho. **Absolute** is sharpness as above. **Relative** measures each weight matrix and bias
# $w_k$ in units of its own length: $dw_k = \lVert w_k\rVert\,u_k$, and all $u_k$ together are at most rho long. Last,
# make the radius small.

# %%
from samlib.duality import rescale
from samlib.sharpness import worst_case

twins = {a: rescale(nets["SAM"], a) for a in lesson.FACTORS}  # the same function, eleven times
sharpness = {}
for (units, size), rho in lesson.RADII.items():
    setting = {"rho": rho, "relative": "layer" if units == "relative" else None}
    sharpness["SGD", units, size] = worst_case(nets["SGD"], x_train, y_train, **setting)
    sharpness["SAM", units, size] = [worst_case(twin, x_train, y_train, **setting) for twin in twins.values()]
lesson.sharpness_of_one_function(twins, sharpness)

# %% [markdown]
# ### Explain
#
# - **“A smaller sharpness number is a flatter function” is wrong.** These eleven *twins* are one and the same function,
#   and in absolute units their sharpness differs by a factor of hundreds. At both ends of the slider SAM's network
#   looks sharper than SGD's, because a step of 0.4 is a long one for the layer that was made small.
# - **A relative radius does not see the rescaling.** Its units grow and shrink with the layers.
# - **It does not settle which network is flatter.** Within the large radius SAM's is, within the small one SGD's, in
#   both units. Close to the weights the length of the gradient decides, and SAM, which never comes to rest on the
#   floor, has the longer one. Further out the walls decide.
# - **SAM's ascent step is fooled too.** At a = 0.1 nearly all of it falls to the first layer, so the twins train on
#   differently. ASAM therefore measures each weight in units of its own size (`samlib.SAM(..., adaptive=True)`).
#
# Sharpness is a number in some unit, within some radius: name both.

# %% tags=["guard"]
from samlib.sharpness import ascent_shares

logits, large = nets["SAM"](x_test), sharpness["SAM", "absolute", "large"]
assert max((twin(x_test) - logits).abs().max() for twin in twins.values()) < 1e-10
assert max(large) > 100 * min(large)
assert min(large[:2] + large[-2:]) > sharpness["SGD", "absolute", "large"] > large[lesson.FACTORS.index(1.0)]
assert large[lesson.FACTORS.index(0.2)] > 50 * large[lesson.FACTORS.index(1.0)]
for units, size in lesson.RADII:
    sam, sgd = sharpness["SAM", units, size], sharpness["SGD", units, size]
    assert (sam[lesson.FACTORS.index(1.0)] < sgd) == (size == "large")
    assert units == "absolute" or max(sam) < 1.001 * min(sam)
slopes = {}
for name, net in nets.items():
    gradients = torch.autograd.grad(F.cross_entropy(net(x_train), y_train), list(net.parameters()))
    slopes[name] = parameters_to_vector(gradients).norm()
assert slopes["SAM"] > slopes["SGD"]
assert next(iter(ascent_shares(twins[0.1], x_train, y_train).values())) > 0.97

# %% [markdown]
# ### Exercise 3 · An ascent step that no rescaling fools (hard, 10 minutes)
#
# Write the first step of ascent for the relative radius. `weights` holds K tensors, `gradients` the K gradients of the
# same shapes. Return the K steps $dw_k$ that raise the loss most, as far as the gradient tells, among all with
#
# $$ \sqrt{\textstyle\sum_k \left(\lVert dw_k\rVert / \lVert w_k\rVert\right)^2} \;=\; \rho . $$


# %% tags=["stub"]
def relative_step(weights, gradients, rho):
    """K weights, K gradients of the same shapes, a radius -> K steps of the same shapes."""
    ...


# %% tags=["solution", "exercise:perturbing_the_parameters/relative step"]
def relative_step(weights, gradients, rho):
    """K weights, K gradients of the same shapes, a radius -> K steps of the same shapes."""
    scaled = [w.norm() * g for w, g in zip(weights, gradients, strict=True)]
    length = torch.cat([s.flatten() for s in scaled]).norm()
    return [w.norm() * rho * s / length for w, s in zip(weights, scaled, strict=True)]


# %%
lesson.relative_step.check(relative_step)

# %% [markdown]
# ## 4 · Is a flat minimum a robust one?
#
# A change of the weights that no logit sees, no attack sees either:

# %%
for a in (1.0, 0.2):
    robust = samlib.robust_accuracy(twins[a], x_test, y_test, 0.125)
    sharp = sharpness["SAM", "absolute", "large"][lesson.FACTORS.index(a)]
    print(f"a = {a:g}: sharpness within 0.4: {sharp:.2f}, robust accuracy at l_inf 0.125: {100 * robust:.1f} %")

# %% tags=["guard"]
assert abs(samlib.robust_accuracy(twins[1.0], x_test, y_test, 0.125) - robust) < 0.002

# %% [markdown]
# But nobody rescales on purpose. So take forty networks as training leaves them, all *the 256-unit network on
# normalised pixels*, which the measured tables of this course use as evidence: trained by SGD, by SAM with four radii,
# and by **adversarial training** (AT, on attacked images) with three eps, five seeds each. Sharpness is what 20 steps
# of ascent find on the training images; robust accuracy is under samlib's union of attacks, l_inf eps = 0.125, on the
# test images of one split.

# %%
lesson.bet_on_flatness.ask()

# %% [markdown]
# **Move** the radius from the largest to the smallest, switch the units, and let AT's networks join. Each mark is one
# run. A **rank correlation** of −1 would mean: the flatter of two is always the more robust.

# %%
from samlib.course import results

table = results.load("sharpness")
lesson.sharpness_and_robustness(table)

# %% [markdown]
# **Explain.**
#
# - **Over SAM's rho, at a large radius, sharpness orders well.** Among SGD's and SAM's networks the rank correlation is
#   about −0.9 at rho = 0.4. But SAM's rho moves both numbers: among the five seeds of one setting no order shows (about
#   −0.2).
# - **With AT's networks the order breaks.** Those of eps = 0.03125 are sharper within 0.4 than all of SAM's with rho of
#   0.1 and more, and yet more robust. Those of eps = 0.125 are as sharp as SAM's with rho = 0.2, and more than twice as
#   robust.
# - **At a small radius it breaks even without AT.** Within rho = 0.01 SAM's networks with rho = 0.4 are *sharper* than
#   SGD's. The sharpest of all are the most robust: AT with eps = 0.125.
#
# “A flat minimum is a robust one” is wrong: sharpness follows SAM's rho, at one radius. Lesson 05 proves a part of the
# link, for one digit, in the first layer.

# %% tags=["guard"]
within = {
    rho: {s: results.values(table, s, f"sharpness absolute {rho}") for s in lesson.SETTINGS} for rho in (0.01, 0.4)
}
kept = {s: results.values(table, s, "linf 0.125") for s in lesson.SETTINGS}
without = {
    (units, rho): lesson.rank_correlation(table, f"sharpness {units} {rho:g}", lesson.SETTINGS[:5])
    for units, rho in (("absolute", 0.4), ("absolute", 0.01), ("relative", 0.05), ("relative", 0.002))
}
assert -0.95 < without["absolute", 0.4] < -0.85
assert without["relative", 0.05] < -0.8
assert max(abs(without["absolute", 0.01]), abs(without["relative", 0.002])) < 0.3
assert lesson.rank_correlation(table, "sharpness absolute 0.4") > -0.6
ranks = [
    [np.argsort(np.argsort(found[s])) for s in lesson.SETTINGS[:5]] for found in (within[0.4], kept)
]  # of the seeds within each setting
assert -0.35 < np.corrcoef(*(np.concatenate(of) for of in ranks))[0, 1] < -0.1
assert [len(found) for found in kept.values()] == [5] * 8
weak, strong = "AT linf 0.03125", "AT linf 0.125"
assert min(within[0.4][weak]) > max(v for s in ("SAM 0.1", "SAM 0.2", "SAM 0.4") for v in within[0.4][s])
assert min(kept[weak]) > max(v for s in kept if s.startswith("SAM") for v in kept[s])
assert min(within[0.4]["SAM 0.2"]) < min(within[0.4][strong]) < max(within[0.4][strong]) < max(within[0.4]["SAM 0.2"])
assert min(kept[strong]) > 2 * max(kept["SAM 0.2"])
assert min(within[0.01]["SAM 0.4"]) > max(within[0.01]["SGD"])
assert min(within[0.01][strong]) > max(v for s in within[0.01] if s != strong for v in within[0.01][s])
assert min(kept[strong]) > max(v for s in kept if s != strong for v in kept[s])

# %% [markdown]
# ## 5 · Where it fails
#
# ### With BatchNorm, in the second pass
#
# BatchNorm normalises by the mean and variance of the *batch* in training mode, and keeps **running statistics**,
# averages of both, for evaluation mode. But SAM's second pass is at weights that the network will never have:
#
# ```python
# backward(); optimizer.first_step()     # the ascent step (samlib.SAM, in halves)
# net.eval()                             # "evaluation mode" only
# backward(); net.train()                # the second pass
# optimizer.second_step()                # back, and the optimizer's step
# ```
#
# The running statistics count *both passes*, or the *first pass only*, as with `samlib.SAM(optimizer, rho, model=net)`;
# or the second pass runs in *evaluation mode*, normalised by the running statistics.

# %%
lesson.bet_on_batchnorm.ask()

# %% [markdown]
# **Move** `running statistics, or mode` and `rho`. You see three recorded runs of a small ResNet on the digits; in the
# middle, for each channel of the last BatchNorm layer, its running variance divided by the true one, of all training
# images. Robust accuracy is under a shorter union, l_inf eps = 0.0625.

# %%
lesson.batchnorm_in_the_second_pass()

# %% [markdown]
# **Explain.**
#
# - **Evaluation mode breaks training, even at rho = 0**, where nothing is perturbed. So the mode is at fault: the
#   second gradient, the one that counts, holds mean and variance constant, but in training they follow the weights. It
#   is the gradient of another function. The training loss stays above 0.6, where the others end below 0.1, and every
#   run loses more than 20 points of robust accuracy.
# - **Counting both passes changes no weight**, because training mode does not use the running statistics. They become
#   worse estimates, at rho = 0 too, because each batch counts twice: variances are off by about 2 % on average instead
#   of 1 %. No run loses a point of clean accuracy, or three of robust accuracy.

# %% tags=["guard"]
runs = {(row["policy"], row["rho"], row["seed"]): row for row in lesson.recorded()}
off = {"first pass only": [], "both passes": []}
for (policy, rho, seed), row in runs.items():
    usual = runs["first pass only", rho, seed]
    if policy == "evaluation mode":
        assert row["loss"][-1] > 0.6
        assert usual["robust"] - row["robust"] > 0.2
    else:
        assert row["loss"] == usual["loss"]
        assert row["loss"][-1] < 0.1
        assert usual["clean"][-1] - row["clean"][-1] < 0.01
        assert usual["robust"] - row["robust"] < 0.03
        off[policy].append(np.abs(np.array(row["variance ratios"]) - 1).mean())
assert 0.015 < np.mean(off["both passes"]) < 0.025
assert 0.005 < np.mean(off["first pass only"]) < 0.0125
assert np.mean(off["both passes"][:3]) > 1.5 * np.mean(off["first pass only"][:3])  # at rho = 0

# %% [markdown]
# ### In general
#
# - **Ascent proves nothing.** It finds a high place, and a higher one may be near.
# - **A relative radius sees through its own rescalings only.** Ours has one unit for each matrix and bias, so rescaling
#   single neurons fools it again. ASAM's, with one unit for each weight, is not fooled.
# - **A long ascent step breaks training.** At rho = 0.8 about half of ten runs of the 256-unit network never fit their
#   training images, because that far out the loss no longer looks as the gradient says.

# %% tags=["guard"]
single, factors = rescale(nets["SAM"], 1.0), torch.ones(48, dtype=torch.float64)
factors[::2] = 0.1  # every other unit of the first layer
with torch.no_grad():
    single.fc1.weight.mul_(factors[:, None])
    single.fc1.bias.mul_(factors)
    single.fc2.weight.div_(factors)
assert (single(x_test) - logits).abs().max() < 1e-10
for units, rho in (("layer", 0.05), ("adaptive", 0.8)):
    was, now = (worst_case(net, x_train, y_train, rho, relative=units) for net in (nets["SAM"], single))
    assert now > 2 * was if units == "layer" else abs(now - was) < 0.01 * was
fitted = results.values(results.load("methods"), "SAM 0.8", "training accuracy")
assert len(fitted) == 10
assert 4 <= sum(value < 0.9 for value in fitted) <= 6

# %% [markdown]
# ## What you learned
#
# - Sharpness is how far the loss rises at worst within rho of the weights. One step finds part of it, a random
#   direction next to nothing.
# - SAM takes an ascent step of length rho over all weights together, takes the gradient there, comes back, and steps.
# - A rescaling changes sharpness in absolute units and no output. Name unit and radius.
# - At a large radius sharpness falls with SAM's rho as robustness rises; within one setting it orders nothing that
#   shows.
# - In SAM's second pass BatchNorm stays in training mode.
#
# ### Three questions

# %%
lesson.recall_two_passes.ask()

# %%
lesson.recall_unit.ask()

# %%
lesson.recall_flat.ask()

# %% [markdown]
# ### Sources
#
# - P. Foret, A. Kleiner, H. Mobahi, B. Neyshabur 2021, *Sharpness-Aware Minimization for Efficiently Improving
#   Generalization*, [arXiv 2010.01412](https://arxiv.org/abs/2010.01412): SAM.
# - L. Dinh, R. Pascanu, S. Bengio, Y. Bengio 2017, *Sharp Minima Can Generalize For Deep Nets*,
#   [arXiv 1703.04933](https://arxiv.org/abs/1703.04933): the rescaling.
# - J. Kwon, J. Kim, H. Park, I. K. Choi 2021, *ASAM*, [arXiv 2102.11600](https://arxiv.org/abs/2102.11600).
# - What sharpness explains, abstracts only: M. Andriushchenko and others 2023, [arXiv
#   2302.07011](https://arxiv.org/abs/2302.07011); K. Wen and others 2023, [arXiv
#   2307.11007](https://arxiv.org/abs/2307.11007); [arXiv 2510.12451](https://arxiv.org/abs/2510.12451).
# - Weights and robustness in AT: D. Wu and others 2020, [arXiv 2004.05884](https://arxiv.org/abs/2004.05884); D. Stutz
#   and others 2021, [arXiv 2104.04448](https://arxiv.org/abs/2104.04448).
# - Z. Wei, J. Zhu, Y. Zhang 2023, *Sharpness-Aware Minimization Alone can Improve Adversarial Robustness*,
#   [arXiv 2305.05392](https://arxiv.org/abs/2305.05392): the paper of this course.
# - The digits: E. Alpaydin and C. Kaynak 1998, UCI Machine Learning Repository, as shipped with scikit-learn.
