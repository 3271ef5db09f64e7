# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: Perturbing the parameters
#     part: core
#     minutes: 60
#     difficulty: medium
#     device: a laptop is enough, no GPU, no download
#     finds: SAM from scratch; sharpness as a worst case; a meter that lies, and what fixes it
# ---

# %% [markdown]
# **After this lesson you can**
#
# - say what sharpness is, measure it, and say what the number leaves out;
# - write SAM yourself, and recognise the mistakes that still train;
# - make a flat network look sharp without changing a single output, and build a meter that this trick does not fool;
# - say which layers SAM's ascent step moves, and what happens when it is too long.
#
# **You need** Python, PyTorch tensors, how a network is trained, and lesson 01: its ball, its steepest step, its
# projection and its robust accuracy come back here.

# %% [markdown]
# ## 1 · How far does the loss rise?
#
# Take all weights and biases of a network and write them below each other: one long vector $w$. Its **training loss**
# $L(w)$ is the mean cross-entropy over the training images. Training has brought it down. Now move the weights, all at
# once, by some $dw$. How far can the loss rise, if $dw$ may have any direction, and a length of at most **rho**?
#
# $$ S(\rho) \;=\; \max_{\lVert dw\rVert \,\le\, \rho} L(w + dw) \;-\; L(w) $$
#
# This number is called **sharpness**: the **worst case in a ball** of radius rho around the weights. The length
# $\lVert dw\rVert$ is the Euclidean one, the root of the sum of squares over all weights together. It is the attacker's
# question of lesson 01, with weights in place of pixels. But rho is a length in weight space, and eps one in pixel
# space. They share no unit.
#
# Nobody can compute this maximum exactly for a network. What one can do is **gradient ascent**, as PGD does: go rho
# along the gradient, which is the steepest step; then, if you like, take more steps, and after each come back into the
# ball by the projection. (The ball is the l_2 ball; there is no box.) Ascent has been somewhere, so it gives a *lower
# bound*: the true maximum is at least that high.
#
# Two networks to measure, trained here and now on the digits: one in the usual way (SGD), one with SAM, sharpness-aware
# minimization, which you will write in section 2. Each has 64 pixels, two hidden layers of 48 units, and ten logits;
# pixels go in as they are.

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
print("weights and biases in each:", sum(p.numel() for p in nets["SGD"].parameters()))

# %% tags=["guard"]
assert sum(p.numel() for p in nets["SGD"].parameters()) == 5962

# %% [markdown]
# ### Predict
#
# Gradient ascent looks for the worst direction. A cheaper idea: try twenty directions at random, and keep the worst of
# them.

# %%
from samlib.course.lessons import perturbing_the_parameters as lesson

lesson.bet_on_random.ask()

# %% [markdown]
# ### Move
#
# Raise `rho`, and look at three directions in turn: *random*, the worst of twenty random ones; *1 step*, along the
# gradient; *20 steps*, to the highest place that 20 steps of ascent find.
#
# On the left is the loss of both networks on the straight way there, with a mark at rho. On the right is how far it
# rises within rho, in all three directions, with the numbers of the one that you have chosen. SGD is grey, SAM is blue.
# Both scales of height are logarithmic: each grey line on the left is ten times the one below, on the right a hundred
# times.

# %%
losses = lesson.losses_on_the_way(nets, x_train, y_train)
lesson.loss_within_rho(losses)

# %% [markdown]
# ### Explain
#
# - **A random direction is not the worst one.** At rho = 0.4 twenty steps of ascent find more than a hundred times what
#   the worst of twenty random directions does. In 5,962 dimensions a random direction is almost at right angles to
#   every steep one. The loss hardly moves, and a network looks flat that is not.
# - **One step is not many.** Training has made the gradient small. It still says which way is up, but it says little
#   about how the loss bends further out. At rho = 0.4, one step finds a small part of what 20 steps find.
# - **Within rho = 0.4, SAM's network is the flatter one.** It starts higher, and yet its worst place lies far lower
#   than SGD's.
# - **Within rho = 0.01, it is the sharper one.** Keep that in mind for section 3.

# %%
from samlib.sharpness import find_worst_case, worst_case

for rho in (0.01, 0.4):
    for name, net in nets.items():
        found = {"random": lesson.rise(losses[name, "random", rho])}
        found |= {kind: worst_case(net, x_train, y_train, rho, n) for kind, n in (("1 step", 1), ("20 steps", 20))}
        print(f"rho {rho:<4} {name}:", *(f"{kind} {rise:.6f}  " for kind, rise in found.items()))

# %% tags=["guard"]
rise = {key: lesson.rise(values) for key, values in losses.items()}
assert rise["SGD", "20 steps", 0.4] > 100 * rise["SGD", "random", 0.4]
assert rise["SGD", "20 steps", 0.4] > 10 * rise["SGD", "1 step", 0.4]
assert rise["SGD", "20 steps", 0.4] > 5 * rise["SAM", "20 steps", 0.4]
assert rise["SGD", "20 steps", 0.01] < rise["SAM", "20 steps", 0.01]
assert losses["SAM", "1 step", 0.4][0] > losses["SGD", "1 step", 0.4][0]

# %% [markdown]
# The same as a still picture: the three directions at rho = 0.4.

# %%
lesson.three_directions(losses)

# %% [markdown]
# And the loss after each of the 20 steps. The first step leads SGD's network about as high as SAM's. The next four find
# most of what there is to find, and the other fifteen add little.

# %%
path = {name: find_worst_case(net, x_train, y_train, rho=0.4, steps=20).losses for name, net in nets.items()}
lesson.loss_after_each_step(path)

# %% tags=["guard"]
assert path["SGD"][5] > 0.7 * path["SGD"][20] > 5 * path["SGD"][1]
assert abs(path["SGD"][1] - path["SAM"][1]) < 0.2 * path["SAM"][1]

# %% [markdown]
# ## 2 · SAM in a dozen lines
#
# If sharp places are unwelcome, why not train against them? **SAM** (Foret and others 2021) asks for weights whose
# *worst neighbour* has a low loss:
#
# $$ \min_w \; \max_{\lVert dw\rVert \le \rho} L(w + dw) $$
#
# Twenty steps of ascent before each training step would be expensive. SAM takes *one*, with the loss of the batch, the
# images of this training step:
#
# $$ dw = \rho\,\frac{\nabla L(w)}{\lVert\nabla L(w)\rVert}, \qquad\text{then}\qquad
# w \;\leftarrow\; w - \text{step size}\cdot\nabla L(w + dw) . $$
#
# Read the second formula twice. The gradient is taken where the ascent step leads, at $w + dw$. The step starts at $w$.
#
# Here it is for a loss of two weights, a valley whose floor is a line of loss 0: $L(u, v) = \frac12\,c(u)\,v^2$. The
# factor $c(u)$ says how steep the walls are at $u$: most at the left, least at $u = 1$.


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
# **Move** `steps` from 0 to 200, first with rho = 0, which is SGD, then with a larger `rho`. Along each grey line the
# loss is the same; the black one is the floor. On the right is a cut through the valley where training now is: its
# walls, and how steep they are.

# %%
paths = {rho: train_in_the_valley(rho) for rho in (0.0, 0.05, 0.1, 0.2, 0.4)}
lesson.training_in_the_valley(paths, steepness)

# %% [markdown]
# **Explain.** SGD walks down to the nearest point of the floor and stays there: the gradient is zero. SAM is never
# done. From the floor its ascent step goes up a wall. Downhill from up there leads back to the floor and, since the
# valley opens to the right, a little to the right. So SAM hops from one side of the floor to the other, and each hop
# takes it a bit further right: along the floor, to where the walls are least steep. A larger rho looks further up, and
# drifts faster.

# %%
for rho, (path, _) in paths.items():
    u = path[200][0]
    print(f"rho {rho:<4}  after 200 steps at u = {u:5.2f}, steepness {steepness(u):4.1f}")

# %% tags=["guard"]
walls = [steepness(path[200][0]) for path, _ in paths.values()]
assert walls == sorted(walls, reverse=True)
assert walls[0] > 10 * walls[-1]
assert all(abs(path[200][1]) < 0.1 for path, _ in paths.values())

# %% [markdown]
# Still: SGD and SAM with rho = 0.2, both after 100 steps. SAM's hops are so close together that they fill a band.

# %%
lesson.sgd_and_sam_in_the_valley(paths, steepness)

# %% [markdown]
# For a real network nothing is new: all its weights are one vector. `samlib.SAM` wraps an optimizer of torch. Here only
# its ascent step, and the way back:

# %%
import torch
import torch.nn.functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters

net = samlib.mlp(hidden=(48, 48), mean=0.0, std=1.0).double()
before = parameters_to_vector(net.parameters()).detach()
optimizer = samlib.SAM(torch.optim.SGD(net.parameters(), lr=0.1), rho=0.4)
F.cross_entropy(net(x_train[:128]), y_train[:128]).backward()
optimizer.first_step()  # up, along the gradient
moved = (parameters_to_vector(net.parameters()) - before).norm().item()
optimizer.restore()  # and back
same = torch.equal(parameters_to_vector(net.parameters()), before)
print(f"the weights moved by {moved:.6f} in all; back where they were, bit for bit: {same}")

# %% tags=["guard"]
assert abs(moved - 0.4) < 1e-9
assert same

# %% [markdown]
# ### Exercise 1 · Write SAM (medium, 15 minutes)
#
# One step of SAM on one batch, without `samlib.SAM`. `optimizer` is an optimizer of torch over all of the model's
# weights; let *it* take the last move, with the gradient that you leave in `.grad`. The loss is the mean cross-entropy.
# Return its value before the step, one number. The check compares your weights with those of `samlib.SAM`. Many wrong
# versions train too; it knows a dozen of them.


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
# ## 3 · The meter that lies
#
# So SAM's network has a lower sharpness at rho = 0.4. Does that make it the flatter *function*? A number should not be
# trusted before one has tried to fool it.
#
# Our networks use ReLU, which keeps what is positive and sets the rest to 0. So
# $\mathrm{ReLU}(a z) = a\,\mathrm{ReLU}(z)$ for every $a > 0$: what one layer multiplies by $a$, the next can divide by
# $a$, and the outputs stay what they were.
#
# ### Exercise 2 · A disguise (easy, 5 minutes)
#
# Write it for a network of three layers: `layers` is a list of three pairs (weight matrix, bias). Multiply the first
# weight matrix by `a`, and change what else you must, so that no logit changes.


# %% tags=["stub"]
def disguise(layers, a):
    """layers: [(W1, b1), (W2, b2), (W3, b3)], a > 0 -> layers of the same function, with a * W1."""
    ...


# %% tags=["solution", "exercise:perturbing_the_parameters/disguise"]
def disguise(layers, a):
    """layers: [(W1, b1), (W2, b2), (W3, b3)], a > 0 -> layers of the same function, with a * W1."""
    (W1, b1), (W2, b2), last = layers
    return [(a * W1, a * b1), (W2 / a, b2), last]


# %%
lesson.disguise.check(disguise)

# %% [markdown]
# ### Predict

# %%
lesson.bet_on_the_meter.ask()

# %% [markdown]
# ### Move
#
# Pull `a` to both ends: layer 1, weights and bias, is multiplied by a, and the weight matrix of layer 2 divided by it.
# On the right is the length of each layer's weight matrix, the root of the sum of its squared entries, and in blue how
# far a change within rho can move it.
#
# Then switch the units of rho. The **absolute** meter is sharpness as above, with rho = 0.4. The **relative** one
# measures each weight matrix and each bias in units of its own length. If $w_k$ is the $k$-th of them, its change is
# $dw_k = \lVert w_k\rVert\,u_k$, and all $u_k$ together may be rho long. With rho = 0.05, a matrix that takes all of it
# moves by 5 % of its length. (The blue marks then grow and shrink with the bars.)
#
# Last, make the radius small: 0.01 in absolute units, 0.002 in relative ones.

# %%
from samlib.duality import rescale

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
# - **The meter lies.** These are eleven *twins*: networks with different weights that are one and the same function. In
#   absolute units their sharpness differs by a factor of hundreds. At both ends of the slider, SAM's network looks
#   sharper than SGD's; at a = 0.2 its sharpness is more than fifty times what it was. To whoever uses it, nothing has
#   happened.
# - **Why.** At a = 0.2 the first layer is small, and a step of 0.4 is now a large one for it. At a = 10 it is so for
#   the second layer.
# - **The relative radius fixes that.** Its units grow and shrink with the layers, and the curve is flat.
# - **It does not settle which network is flatter.** Within the large radius SAM's is, within the small one SGD's, in
#   absolute and in relative units alike. Close to the weights the rise is rho times the length of the gradient, and
#   SAM, which never came to rest on the floor, has the longer gradient. Further out, how steep the walls are decides.
#
# *A smaller sharpness number is not a flatter function*: it is a number in some unit, within some radius. Name both.

# %%
logits = nets["SAM"](x_test)
change = max((twin(x_test) - logits).abs().max().item() for twin in twins.values())
large = sharpness["SAM", "absolute", "large"]
print(f"largest change of a logit: {change:.0e}")
print(f"sharpness within rho = 0.4, absolute: from {min(large):.3f} to {max(large):.1f}")

# %%
for name, net in nets.items():
    gradients = torch.autograd.grad(F.cross_entropy(net(x_train), y_train), list(net.parameters()))
    print(f"{name}: at the end of training the gradient is {parameters_to_vector(gradients).norm():.4f} long")

# %% tags=["guard"]
rival = sharpness["SGD", "absolute", "large"]
assert change < 1e-10
assert max(large) > 100 * min(large)
assert min(large[:2] + large[-2:]) > rival > large[lesson.FACTORS.index(1.0)]
assert large[lesson.FACTORS.index(0.2)] > 50 * large[lesson.FACTORS.index(1.0)]
for units, size in lesson.RADII:
    sam, sgd = sharpness["SAM", units, size], sharpness["SGD", units, size]
    assert (sam[lesson.FACTORS.index(1.0)] < sgd) == (size == "large")
    assert units == "absolute" or max(sam) < 1.001 * min(sam)

# %% [markdown]
# The same as still pictures, for a = 0.2: two meters and two radii. The curve of SAM's twins is flat with the relative
# meter, and it lies below SGD's line where the radius is large, above it where the radius is small.

# %%
lesson.sharpness_in_four_balls(sharpness)

# %% [markdown]
# And the pixels? A change of the weights that no logit sees, no attack sees either. Here is the robust accuracy on the
# test digits at l_inf eps = 0.125, as the attacks of `samlib.robust_accuracy` find it, for SAM's network and for its
# twin at a = 0.2:

# %%
robust = {a: samlib.robust_accuracy(twins[a], x_test, y_test, 0.125) for a in (1.0, 0.2)}
for a, share in robust.items():
    sharp = large[lesson.FACTORS.index(a)]
    print(f"a = {a:g}: robust accuracy {100 * share:.1f} %, sharpness within 0.4 (absolute) {sharp:.2f}")

# %% tags=["guard"]
assert abs(robust[1.0] - robust[0.2]) < 0.002

# %% [markdown]
# ### Exercise 3 · An ascent step that no disguise fools (hard, 10 minutes)
#
# Write the first step of ascent for the relative meter above. `weights` holds K tensors, `gradients` the K gradients
# of the same shapes. Return the K steps $dw_k$ that raise the loss most, as far as the gradient tells, among all with
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
# ## 4 · Where the ascent step goes, and when it is too long
#
# The disguise fools more than a meter. SAM has one rho for all layers, and its ascent step follows the gradient. So a
# layer with the share $s$ of the gradient's squared length gets the share $s$ of rho², and moves by $\sqrt{s}\,\rho$.
# (A layer is its weight matrix and its bias.) What if the layers change size?

# %%
lesson.bet_on_the_shares.ask()

# %% [markdown]
# **Move** `a` to both ends, for an ascent step in absolute units; then in relative ones. Each bar is rho² in one
# network, cut into the shares of its layers.

# %%
shares = lesson.shares_of_rho(nets, x_train, y_train)
lesson.share_of_each_layer(shares)

# %% [markdown]
# **Explain.** At a = 0.1 the first layer takes nearly all of the ascent step. A layer that is ten times smaller has a
# gradient that is ten times longer: the same small change now does ten times as much. At a = 10 it is the second layer
# that has become small, and it takes nearly all. So SAM itself is not blind to the disguise: *two networks that are the
# same function are trained differently from there*.
#
# In relative units the shares do not change. That is one reason for relative versions of SAM. The best known is ASAM,
# which measures every single weight in units of its own size (`samlib.SAM(..., adaptive=True)`).
#
# Look also at a = 1 in absolute units, the ascent step that SAM takes in training. In the SAM network the first layer
# takes more than half of it, in the SGD network less. Remember it: the first layer is the one next to the pixels, and
# lesson 03 shows that in this network perturbing it carries most of what SAM does for robustness. (In other networks it
# need not.)

# %%
from samlib.sharpness import ascent_shares

for name, net in nets.items():
    moves = [0.4 * share**0.5 for share in ascent_shares(net, x_train, y_train).values()]
    print(f"{name}, a = 1, rho = 0.4: layers 1, 2 and 3 move by", ", ".join(f"{move:.2f}" for move in moves))

# %% tags=["guard"]
for name in nets:
    for a, smaller in ((0.1, 0), (10.0, 1)):
        assert shares[name, a, "absolute"][smaller] > 0.97
    assert np.ptp([shares[name, a, "relative"] for a in lesson.FACTORS], axis=0).max() < 1e-6
assert shares["SAM", 1.0, "absolute"][0] > 0.5 > shares["SGD", 1.0, "absolute"][0]

# %% [markdown]
# Still: the absolute step for three factors a, and the relative one, whose shares are the same for every a.

# %%
lesson.shares_absolute_and_relative(shares)

# %% [markdown]
# ### How long may the ascent step be?
#
# In the valley, a larger rho always led further. What about twice the rho that we have used?

# %%
lesson.bet_on_rho.ask()

# %% [markdown]
# Here are ten training runs for each rho, of a larger network (two hidden layers of 256 units). They are read from a
# file, which one command remakes (`python -m samlib results`; lesson 03 says what the attack was). Each mark is one
# run, each line the mean of ten. On the left is how well a run fits its *training* images, on the right how robust it
# is on test images.

# %%
from samlib.course import results

methods = results.load("methods")
lesson.runs_at_each_rho(methods)

# %%
fitted = results.values(methods, "SAM 0.8", "training accuracy")
best = max(results.values(methods, "SAM 0.4", "linf 0.125"))
print(f"rho 0.8: {sum(value < 0.9 for value in fitted)} of {len(fitted)} runs collapse;")
print(f"every other one is more robust than the best of rho 0.4, at {100 * best:.1f} %")

# %% tags=["guard"]
robustness = results.values(methods, "SAM 0.8", "linf 0.125")
lost = [value < 0.9 for value in fitted]
assert 0.3 <= sum(lost) / len(lost) <= 0.7
assert [value < best for value in robustness] == lost
assert min(results.values(methods, "SAM 0.4", "training accuracy")) > 0.99
rivals = results.values(methods, "SGD", "linf 0.125")
assert min(results.values(methods, "SAM 0.4", "linf 0.125")) > max(rivals)

# %% [markdown]
# **Explain.** At rho = 0.8 about half of the runs never fit their training images: they *collapse* (hollow marks). Each
# of the others is more robust than any run at 0.4. The mean describes neither kind, so look at the marks.
#
# SAM's ascent step trusts the gradient over a distance of rho. Beyond some length the loss no longer looks as the
# gradient says, and a gradient found out there tells little about the place where the step begins. Here the best rho
# that is safe lies close to the cliff. Choose rho on images set aside from training, never on the test images.

# %% [markdown]
# ## 5 · Where it fails
#
# - **Ascent proves nothing.** It finds a high place, and a higher one may be near: every sharpness in this lesson is a
#   lower bound.
# - **The order depends on the radius**, even with a meter that no rescaling of layers fools. There is no such thing as
#   *the* flatter network without a radius.
# - **A flat minimum is not a robust one.** The twins of section 3 differ in sharpness by a factor of hundreds, and all
#   have the same robust accuracy. If sharpness and robustness are linked, then not through an absolute number. Lesson
#   05 finds the part of the link that can be proved: the first layer.
# - **A relative meter sees through its own rescalings only.** Ours has one unit for each matrix and bias, `"layer"`
#   below. Rescale single units of the network, each by its own factor, and it is fooled again. ASAM's, `"adaptive"`,
#   with one unit for each weight, is not:

# %%
single, factors = rescale(nets["SAM"], 1.0), torch.ones(48, dtype=torch.float64)
factors[::2] = 0.1  # every other unit of the first layer
with torch.no_grad():
    single.fc1.weight.mul_(factors[:, None])
    single.fc1.bias.mul_(factors)
    single.fc2.weight.div_(factors)  # what these units send on
for units, rho in (("layer", 0.05), ("adaptive", 0.8)):
    was, now = (worst_case(net, x_train, y_train, rho, relative=units) for net in (nets["SAM"], single))
    print(f"{units}, rho = {rho}: sharpness {was:.3f}, and {now:.3f} with single units rescaled")

# %% tags=["guard"]
assert (single(x_test) - logits).abs().max() < 1e-10
for units, rho in (("layer", 0.05), ("adaptive", 0.8)):
    was, now = (worst_case(net, x_train, y_train, rho, relative=units) for net in (nets["SAM"], single))
    assert now > 2 * was if units == "layer" else abs(now - was) < 0.01 * was

# %% [markdown]
# <details>
# <summary><b>Appendix · BatchNorm in the second pass</b> (open it if your network has BatchNorm)</summary>
#
# A BatchNorm layer does two things in training mode. It normalises by the mean and variance of the *batch*, and it
# keeps *running* averages of both, which evaluation mode uses later. SAM runs each batch twice, the second time at
# weights that the network will never have.
#
# - The second pass should normalise by the batch, as the first does: it is the loss of training that SAM perturbs. With
#   evaluation mode in the second pass, the two passes belong to two different functions.
# - The running averages should see the first pass only. `samlib.SAM(optimizer, rho, model=model)` sees to that. Without
#   `model`, they count each batch twice, and half of what they average was never a network of yours.
#
# The next cell counts how many batches the running averages have seen after one step.
#
# </details>

# %%
seen = {}
for told in (False, True):
    net = samlib.small_resnet()
    sam = samlib.SAM(torch.optim.SGD(net.parameters(), lr=0.1), rho=0.1, model=net if told else None)

    def closure(net=net):
        loss = F.cross_entropy(net(x_train[:128].float()), y_train[:128])
        loss.backward()
        return loss

    sam.step(closure)
    seen[told] = int(net.bn.num_batches_tracked)
print(f"(Appendix) batches counted by BatchNorm in one step: {seen[False]} without model=, {seen[True]} with it")

# %% tags=["guard"]
assert seen == {False: 2, True: 1}

# %% [markdown]
# ## What you learned
#
# - Sharpness is how far the loss rises at worst in a ball of radius rho around the weights. One step finds part of it,
#   a random direction next to nothing.
# - SAM's ascent step has length rho, in one joint norm over all weights. SAM takes the gradient there, comes back, and
#   lets the optimizer step.
# - In absolute units sharpness can be changed at will without changing a single output, and so can the share of the
#   ascent step that a layer receives. A relative radius fixes the rescaling. Which network is flatter still depends on
#   the radius.
# - A larger rho helps until training breaks.
#
# ### Three questions

# %%
lesson.recall_two_passes.ask()

# %%
lesson.recall_meter.ask()

# %%
lesson.recall_order.ask()

# %% [markdown]
# ### Sources
#
# - P. Foret, A. Kleiner, H. Mobahi, B. Neyshabur 2021, *Sharpness-Aware Minimization for Efficiently Improving
#   Generalization*, [arXiv 2010.01412](https://arxiv.org/abs/2010.01412): SAM.
# - L. Dinh, R. Pascanu, S. Bengio, Y. Bengio 2017, *Sharp Minima Can Generalize For Deep Nets*,
#   [arXiv 1703.04933](https://arxiv.org/abs/1703.04933): the rescaling that fools the meter.
# - J. Kwon, J. Kim, H. Park, I. K. Choi 2021, *ASAM*, [arXiv 2102.11600](https://arxiv.org/abs/2102.11600): a radius
#   relative to each weight.
# - Z. Wei, J. Zhu, Y. Zhang 2023, *Sharpness-Aware Minimization Alone can Improve Adversarial Robustness*,
#   [arXiv 2305.05392](https://arxiv.org/abs/2305.05392): the paper of this course.
# - The digits: E. Alpaydin and C. Kaynak 1998, UCI Machine Learning Repository, as shipped with scikit-learn.
