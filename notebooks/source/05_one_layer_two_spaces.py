# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: One layer, two spaces
#     part: core
#     minutes: 50
#     difficulty: hard
#     device: a laptop is enough, no GPU, no download
#     finds: >-
#       a ball and an ellipse; SAM's ascent step as a change of the pixels; two exchange rates for rho and eps; what a
#       batch does to SAM's perturbation
# ---

# %% [markdown]
# **After this lesson you can**
#
# - draw what a change of the weights and what a change of the pixels can do to a layer's output: a ball and an ellipse;
# - say what SAM's ascent step looks like as a change of the pixels, and when no picture can do the same;
# - translate a radius rho of weights into a radius eps of pixels, and say why there are two answers;
# - say what a batch does to SAM's perturbation.
#
# **You need** lesson 00 (one perturbation in two places), what an attack is (lesson 01) and what SAM's ascent step is
# (lesson 02). From linear algebra: a matrix turns a circle into an ellipse.

# %% [markdown]
# ## 1 · Ball or ellipse?
#
# A layer reads $x$ and gives **features** $z = Wx + b$, one for each unit; all that follows sees $z$ alone. With
# $g = \nabla_z\ell$, the gradient of a digit's loss in its features, lesson 00 found
#
# $$ \nabla_x\,\ell = W^{\mathsf T} g \qquad\qquad \nabla_W\,\ell = g\,x^{\mathsf T} . $$
#
# SAM's ascent step, one digit at a time and in this layer's weights, is
# $dW = \rho\,g x^{\mathsf T}/(\lVert g\rVert\lVert x\rVert)$: a step of length rho up the second gradient. (The
# appendix says what the bias adds.) An attack of length eps goes up the first,
# $dx = \varepsilon\,W^{\mathsf T} g/\lVert W^{\mathsf T} g\rVert$. Now carry both into the *features*, where they can
# be compared:
#
# $$ dW\,x = \rho\lVert x\rVert\,\frac{g}{\lVert g\rVert} \qquad\qquad
# W\,dx = \varepsilon\,\frac{W W^{\mathsf T} g}{\lVert W^{\mathsf T} g\rVert} . $$
#
# SAM's step goes *along* $g$: it is itself an attack, on the features. The attack's step is turned by $WW^{\mathsf T}$,
# towards the directions of the layer's large singular values. And *all* that they can do, with any direction:
#
# - weights within rho of $W$ reach every $v$ with $\lVert v\rVert \le \rho\lVert x\rVert$: a **ball**, whatever $W$ is;
# - pixels within eps of $x$ reach $W\,dx$: an **ellipse**, with half-axes eps times the **singular values** of $W$, the
#   factors by which it stretches. (The largest is $\sigma_{\max}$, the smallest $\sigma_{\min}$; their ratio is the
#   **condition number** $\kappa$.)
#
# To see it, take a layer of two pixels and two features.

# %%
import math

import torch
from samlib.duality import dz_by_input, dz_by_weights
from samlib.course.lessons import one_layer_two_spaces as lesson

g = lesson.GRADIENT  # (2, 1): the loss rises to the right, and a little upwards


def layer(kappa, angle):
    """A layer (2, 2) that keeps areas; its long axis stands at `angle` degrees to g."""
    turn = torch.atan2(g[1], g[0]) + math.radians(angle)
    long = torch.stack([turn.cos(), turn.sin()])
    across = torch.stack([-turn.sin(), turn.cos()])
    return torch.stack([long * kappa**0.5, across / kappa**0.5], dim=1)


# %% [markdown]
# ### Predict

# %%
lesson.bet_on_the_shape.ask()

# %% [markdown]
# ### Move
#
# On the right the features, with lines of equal loss; beyond the black line the digit is misclassified. (The curved
# loss stands for the rest of the network. The bias is set so that the digit stays in the middle, and
# $\lVert x\rVert = 1$.) On the left is the plane of the pixels. What the weights do is drawn there as the change of the
# pixels that would do the same; section 2 comes to that. In this plane the pixels reach a ball, and the *weights* an
# ellipse.
#
# Raise `kappa` to 4, then turn the `angle` from 0 to 90. Then try `eps`: with it the pixels' ellipse has the area of
# the weights' ball, just fits *inside* it, or just goes *around* it.

# %%
lesson.ball_and_ellipse()

# %% [markdown]
# ### Explain
#
# - **kappa = 1.** Ball and ellipse coincide in both planes, and so do the steps. Here one eps *is* one rho.
# - **kappa = 4, angle 0.** The long axis points up the slope: the pixels reach further, and the attack raises the loss
#   more.
# - **kappa = 4, angle 90.** The short axis points up the slope. Now SAM's step raises the loss more. Only the layer was
#   turned: no singular value and no radius has changed. The steps still point the same way.
# - **In between** they do not. At 75 degrees they are more than 60 degrees apart: the attack turns to where the layer
#   stretches.
# - **inside, around.** A small eps whose ellipse lies within the ball, a large one whose ellipse holds it. Between the
#   two, neither set contains the other. Section 3 makes a theorem of it.
# - **Which one is the ellipse?** Compare the planes: in the pixels' plane it is the weights. Each space finds the other
#   one crooked.
#
# The next cell checks the ball: how far do a million random changes of the weights, each rho long, move the features?
# After it, the features' plane for three layers as a still picture.

# %%
generator, x = torch.Generator().manual_seed(0), torch.tensor([0.6, -0.8], dtype=torch.float64)
changes = torch.randn(1_000_000, 2, 2, generator=generator, dtype=torch.float64)
changes *= 0.4 / changes.flatten(1).norm(dim=1)[:, None, None]  # each of length rho = 0.4
moved = (changes @ x).norm(dim=1)
ascent = 0.4 * torch.outer(g / g.norm(), x / x.norm())  # SAM's step
print(f"rho ‖x‖ = {0.4 * x.norm():.4f}; the furthest of a million reaches {moved.max():.4f}")
print(f"SAM's ascent step reaches {(ascent @ x).norm():.4f}")

# %% tags=["guard"]
assert 0.399 < moved.max() <= 0.4 * x.norm() + 1e-12  # to the edge of the ball, and not beyond
assert torch.allclose(ascent @ x, dz_by_weights(g, x, 0.4))

# %%
lesson.three_layers()

# %%
print("loss by the attack's step minus loss by SAM's:")
apart, gains = {}, {}
for angle in (0, 75, 90):
    ours, theirs = dz_by_weights(g, x, 0.4), dz_by_input(layer(4, angle), g, 0.4)
    apart[angle], gains[angle] = lesson.angle_between(ours, theirs), lesson.toy_loss(theirs) - lesson.toy_loss(ours)
    print(f"angle {angle:2}, steps {apart[angle]:2.0f}° apart: {gains[angle]:5.2f}")

# %% tags=["guard"]
assert max(apart[0], apart[90]) < 0.01 < 60 < apart[75]
assert gains[0] > 0 > gains[90]
assert torch.equal(layer(3, 20), lesson.layer(3, 20))  # the scene shows this layer

# %% [markdown]
# ### Exercise 1 · Same way, and apart (medium, 8 minutes)
#
# For $g = (2, 1)$, find two layers from two pixels to two features. The first has a condition number of at least 5, and
# the two steps point the *same way* (within one degree). The second has a condition number of at most 4, and they are
# at least 60 degrees *apart*. You may use `layer` from above, or write your own matrices. While you are at it: can the
# steps ever stand at 90 degrees?

# %% tags=["stub"]
two_layers = {"same way": ..., "apart": ...}

# %% tags=["solution", "exercise:one_layer_two_spaces/steps"]
two_layers = {"same way": layer(5, 90), "apart": layer(4, math.degrees(math.atan(4)))}

# %%
lesson.steps.check(two_layers)  # lesson.steps.hint() and lesson.steps.solution() help

# %% [markdown]
# ## 2 · And back: what does SAM's step look like in pixels?
#
# Before each step, SAM moves the weights by a length rho in the direction that raises the loss most, its ascent step.
# Its move of the *first layer*, $dW$ and $db$, does to $z$ what some change of the pixels would do:
# $dx = W^{+}(dW\,x + db)$, with $W^{+}$ the pseudo-inverse. For a layer of 48 units on 64 pixels it is exact, because
# 64 pixels can be set so that 48 units get any 48 numbers; with more units than pixels it would not be. (SAM spreads
# rho over all layers; here the first layer gets all of it, to be seen more clearly.)
#
# Two networks, as in lessons 00 and 02, and one digit of each class that both classify correctly:

# %%
import samlib
from samlib.duality import singular_range

x_train, y_train, x_test, y_test = samlib.load_digits()
nets = {}
for name, method in [("SGD", {"method": "sgd"}), ("SAM", {"method": "sam", "rho": 0.4})]:
    nets[name] = samlib.mlp(hidden=(48, 48), mean=0.0, std=1.0)  # 64 -> 48 -> 48 -> 10
    samlib.train(nets[name], x_train, y_train, **method, progress=False)
    nets[name].double()
    low, high = singular_range(nets[name].fc1.weight.detach())
    print(f"{name}: singular values from {low:.2f} to {high:.2f}, condition number {high / low:.0f}")
x_train, x_test = x_train.double(), x_test.double()
right = (nets["SGD"](x_test).argmax(1) == y_test) & (nets["SAM"](x_test).argmax(1) == y_test)
ten = [int((right & (y_test == digit)).nonzero()[3]) for digit in range(10)]

# %%
import torch.nn.functional as F
from samlib.duality import input_equivalent

net, rho = nets["SGD"], 0.4
digits = x_test[ten].flatten(1)
loss = F.cross_entropy(net(x_test[ten]), y_test[ten])
gradients = torch.autograd.grad(loss, [net.fc1.weight, net.fc1.bias])
length = torch.cat([gradient.flatten() for gradient in gradients]).norm()
d_weight, d_bias = (rho * gradient / length for gradient in gradients)  # SAM's ascent step, for these ten digits
dx = input_equivalent(net.fc1.weight.detach(), d_weight, digits, d_bias)
by_weights = net[3:](digits @ (net.fc1.weight + d_weight).T + net.fc1.bias + d_bias)
by_pixels = net[3:](net.fc1(digits + dx))
outside = ((digits + dx < 0) | (digits + dx > 1)).double().mean()
print(f"the logits differ by at most {(by_weights - by_pixels).abs().max():.0e};", end=" ")
print(f"{100 * outside:.0f} % of the shifted pixels have left [0, 1]")

# %% tags=["guard"]
assert (by_weights - by_pixels).abs().max() < 1e-9
assert 0.02 < outside < 0.8

# %%
lesson.step_in_pixels(digits, dx)

# %% [markdown]
# Above, SAM's ascent step as each digit feels it, with its length; below, the digit with that added. All ten share one
# change of the weights, so they feel it in nearly the same direction: it is written mostly by the digits with the
# largest loss, and an attack would give each its own. Pixels that are no pixels any more are marked: orange is blacker
# than ink, light blue whiter than paper. SAM may go where no attacker can.

# %% [markdown]
# ## 3 · The sandwich
#
# Let $S(\rho)$ be the highest loss that weights within rho can cause for a digit, and $A(r)$ the highest that pixels
# within $r$ can. The ball of radius $\rho\lVert x\rVert$ lies between two ellipses, so the worst loss in it lies
# between theirs:
#
# $$ A\!\left(\frac{\rho\lVert x\rVert}{\sigma_{\max}}\right) \;\le\; S(\rho) \;\le\;
# A\!\left(\frac{\rho\lVert x\rVert}{\sigma_{\min}}\right) $$
#
# The left half always holds. The right half needs every feature to be within reach of the pixels: **full row rank**, at
# most as many units as pixels and none a combination of others. Otherwise $\sigma_{\min}$ counts as 0, and there is no
# upper slice.
#
# So rho has *two* translations into eps, and they differ by the condition number. What does that mean for a real layer?
#
# Below, the SGD network with relatives of its first layer. They have the same axes and the same mean singular value
# $\bar\sigma$ (the geometric mean). But the singular values are drawn together,
# $\sigma_i \to \bar\sigma\,(\sigma_i/\bar\sigma)^t$ with $t$ from 1 to 0, until all are equal. The bias is set so that
# the digit's features, and all that follows, stay what they are.

# %%
lesson.bet_on_the_sandwich.ask()

# %% [markdown]
# **Move** `kappa` from the right end, which is the real layer, to the left, for several `rho` and digits. The scale is
# logarithmic. The three losses were searched for by gradient ascent, 20 steps from several starts. One of these starts
# is what the search below it found, so the order holds for what is found, too: what there is to learn here is how far
# apart the three are.

# %%
found = lesson.sandwiches(nets["SGD"], x_test[ten], y_test[ten])
sandwich = lesson.sandwich(found)
sandwich

# %% [markdown]
# **Explain.** The middle curve is flat (but for what the search misses): the weights' ball does not ask how the layer
# treats pixels. At the right end the two pixel radii differ by a factor of about 30, and their losses by a factor of
# hundreds (at rho = 0.1): *a theorem that is true and says little*. To the left the slices close, and where all
# singular values are equal, rho and eps translate by one factor. **rho and eps share no unit**; a layer gives them an
# exchange rate, and a real layer gives two, far apart.
#
# Look also at which slice is nearer: the lower. The real layer's attack, which goes to its large singular values, is
# close to what the weights do. The loose slice pays for directions that the layer nearly ignores. To get as far there,
# an attacker at rho = 0.1 needs an eps nearly as long as the digit itself.

# %%
length, sigmas = found.lengths[8], found.sigmas
print(f"digit 8 is {length:.2f} long")
for rho in (0.05, 0.1, 0.2, 0.4):
    low, middle, high = found.losses[8, rho][:, -1]  # of the layer itself
    near, far = rho * length / sigmas[0], rho * length / sigmas[-1]
    print(f"digit 8, rho {rho:<4}: eps {near:.2f} or {far:5.2f}; losses {low:.3f} <= {middle:.3f} <= {high:.1f}")

# %% tags=["guard"]
for losses in found.losses.values():
    assert (losses[0] <= losses[1] + 1e-9).all()
    assert (losses[1] <= losses[2] + 1e-9).all()
    assert losses[1].max() - losses[1].min() < 0.6 * losses[1].mean()
assert found.losses[8, 0.1][2, -1] > 200 * found.losses[8, 0.1][0, -1]
assert 0.8 < 0.1 / sigmas[-1] < 1  # eps over ‖x‖
assert 20 < sigmas[0] / sigmas[-1] < 40
assert max(s[2, 0] / s[0, 0] for s in found.losses.values()) < 2

# %%
sandwich.still(kappa=found.kappas[-1])

# %%
sandwich.still(kappa=found.kappas[2])

# %% [markdown]
# ### The same for gradients, on every test digit
#
# Close to the digit the loss is straight, and the sandwich becomes one of gradients:
#
# $$ \sigma_{\min}\lVert\nabla_W\ell\rVert \;\le\; \lVert x\rVert\,\lVert\nabla_x\ell\rVert \;\le\;
# \sigma_{\max}\lVert\nabla_W\ell\rVert . $$
#
# Read the right half: *a loss that is flat in the first layer's weights is flat in the pixels, as far as the layer's
# largest singular value allows*. It is a road from a flat minimum to a robust network on which each step can be proved.
# (With lesson 02's warning: rescale the layer, and $\nabla_W\ell$ and $\sigma$ change against each other; one without
# the other says nothing.)

# %%
lesson.gradients(nets, x_test, y_test)

# %%
from samlib.duality import at_layer, gradient_sandwich

near_top, by_chance = {}, {}
for name, net in nets.items():
    at = at_layer(net, x_test, y_test)
    bounds, sigmas = gradient_sandwich(at.weight, at.g, at.x), torch.linalg.svdvals(at.weight)
    near_top[name] = (bounds.value / bounds.upper).median()
    by_chance[name] = sigmas.square().mean().sqrt() / sigmas[0]
    print(f"{name}: the median digit lies at {100 * near_top[name]:.0f} % of the upper line,", end=" ")
    print(f"a random g at {100 * by_chance[name]:.0f} %")

# %% tags=["guard"]
for name, net in nets.items():
    at = at_layer(net, x_test, y_test)
    bounds = gradient_sandwich(at.weight, at.g, at.x)
    assert (bounds.lower <= bounds.value * (1 + 1e-9)).all()
    assert (bounds.value <= bounds.upper * (1 + 1e-9)).all()
    assert bounds.value.max() > 1e7 * bounds.value.min()  # seven orders of magnitude
    assert 0.5 < near_top[name] < 0.9
    assert near_top[name] > 1.5 * by_chance[name]

# %% [markdown]
# No digit lies outside. Most lie close to the upper line, about twice as high as a $g$ in a random direction would
# (root mean square): training has brought $g$ and the directions of the layer's large singular values together. For a
# trained network the right half of this sandwich is not only true; for most digits it is tight within a factor of two.
#
# ### Exercise 2 · What no picture can do (medium, 6 minutes)
#
# A first layer may have more units than pixels. Then part of what its weights do belongs to no picture at all. Given
# `W` (m, n) and a change `dz` (m,) of the features, return the shortest change `dx` of the pixels that brings $W\,dx$
# as near to `dz` as possible, and the `rest` of `dz` that stays out of reach.


# %% tags=["stub"]
def reach(W, dz):
    """W (m, n), dz (m,) -> (dx (n,), the rest (m,))."""
    ...


# %% tags=["solution", "exercise:one_layer_two_spaces/reach"]
def reach(W, dz):
    """W (m, n), dz (m,) -> (dx (n,), the rest (m,))."""
    dx = torch.linalg.pinv(W) @ dz
    return dx, dz - W @ dx


# %%
lesson.reach.check(reach)

# %% [markdown]
# How much of the length of SAM's feature perturbation (first layer, one digit at a time) is out of reach? For 256 units
# on 64 pixels, before and after training, and for the 48 units of our network:

# %%
wide = {name: samlib.mlp((256,), mean=0.0, std=1.0) for name in ("untrained", "SGD", "SAM")}
samlib.train(wide["SGD"], x_train.float(), y_train, "sgd", progress=False)
samlib.train(wide["SAM"], x_train.float(), y_train, "sam", rho=0.4, progress=False)
layers, unreached = {f"256 units, {name}": net.double() for name, net in wide.items()}, []
for name, net in (layers | {"48 units, SGD": nets["SGD"]}).items():
    at = at_layer(net, x_test, y_test)
    dz = dz_by_weights(at.g, at.x, 0.1)
    rest = dz - dz @ torch.linalg.pinv(at.weight).T @ at.weight.T
    unreached.append((rest.norm(dim=1) / dz.norm(dim=1)).mean().item())
    print(f"{name:20} {100 * unreached[-1]:3.0f} % of the length is out of reach")

# %% tags=["guard"]
untrained, sgd, sam, narrow = unreached
assert narrow < 1e-6 < 0.2 < sgd < sam < 0.6 < 0.85 < untrained < 0.88

# %% [markdown]
# In a random layer three quarters of all directions of $z$ are out of reach (192 of 256). A perturbation in a random
# direction has three quarters of its *squared* length there: of its length, the root of that, 87 %. Training turns the
# gradients towards what pixels can do, and still leaves about a third (SGD) to a half (SAM).

# %% [markdown]
# ## 4 · A batch shares one ascent step
#
# So far each digit had an ascent step of its own. SAM makes *one* for a batch, up the sum of all gradients,
# $G = \sum_i g_i x_i^{\mathsf T}$. Digit $j$ then gets
#
# $$ dz_j \;=\; \rho\,\frac{G\,x_j}{\lVert G\rVert}
# \;=\; \rho\,\frac{\sum_i g_i\,\langle x_i, x_j\rangle}{\lVert G\rVert} , $$
#
# a mixture of everyone's gradients, weighted by similarity. Two things may go wrong with it: it may be short, and it
# may point the wrong way. If $\langle g_j, dz_j\rangle < 0$, the step goes *downhill* for digit $j$: its loss falls. No
# attack aims there.

# %%
lesson.bet_on_the_batch.ask()

# %% [markdown]
# **Move.** Each dot is an example, with two features and a gradient drawn at random (Gaussian, each number by itself).
# Grey: the perturbation that it would get alone. Blue or purple: what it gets from the batch. (At most 16 are drawn.)
# `similarity` is the cosine between any two inputs, all of equal length. The right picture gives the mean over 100
# draws.

# %%
lesson.shared_step()

# %% [markdown]
# **Explain.** There are two kinds of dilution, and the similarity chooses between them.
#
# - **Nothing in common (similarity 0).** Nobody feels the others: every perturbation points up its own slope, and is
#   short. The length is $1/\sqrt{B}$ of that alone (root mean square), exactly.
# - **All alike (similarity 1).** Everyone gets the same perturbation, at full length, and for some it goes the wrong
#   way. With more examples more of them lose: with these Gaussian gradients of two numbers, more than a third at
#   $B = 16$. (With more units fewer do: two random gradients then hardly have a direction in common.)
# - **In between**, a bit of both.
#
# Real digits are alike: two of them have, on average, a cosine of 0.7. Their gradients are not Gaussian. What SAM's
# ascent step in the first layer (weights and bias) does to batches of *training digits*, for our two networks:

# %%
from samlib.duality import downhill, dz_by_sam_step

generator, felt = torch.Generator().manual_seed(0), {}
for name, net in nets.items():
    at = at_layer(net, x_train, y_train)
    for size in (8, 32, 128):
        picks = [torch.randperm(len(x_train), generator=generator)[:size] for _ in range(50)]
        shared = [dz_by_sam_step(at.g[i], at.x[i], 0.1, bias=True) for i in picks]
        alone = [dz_by_weights(at.g[i], at.x[i], 0.1, bias=True) for i in picks]
        length = (sum(dz.square().mean() for dz in shared) / sum(dz.square().mean() for dz in alone)).sqrt()
        down = torch.stack([downhill(at.g[i], dz).double().mean() for i, dz in zip(picks, shared, strict=True)]).mean()
        felt[name, size] = (float(length), float(down))
        print(f"{name}, B = {size:3}: {length:.0%} of the length, {down:.0%} downhill")

# %% tags=["guard"]
cosines = F.normalize(at.x, dim=1) @ F.normalize(at.x, dim=1).T
assert 0.65 < cosines.mean() < 0.75
assert all(0.65 < length < 0.85 and 0.2 < down < 0.55 for length, down in felt.values())

# %%
lesson.drawn_and_real({size: both for (name, size), both in felt.items() if name == "SGD"})

# %%
alike = lesson.dilution()[1.0][1]  # share that goes downhill, at batch sizes 1, 2, 4, ...
print(f"all alike: {alike[4]:.0f} % go downhill at B = 16, {alike[6]:.0f} % at B = 64")

# %% tags=["guard"]
import numpy as np

assert np.allclose(lesson.dilution()[0.0][0], 100 / np.sqrt(lesson.SIZES))
assert not lesson.dilution()[0.0][1].any()
assert np.allclose(lesson.dilution()[1.0][0], 100)
assert alike[lesson.SIZES.index(16)] > 33

# %% [markdown]
# So in a batch of digits SAM's perturbation keeps most of its length, whatever the batch size, and loses its direction:
# for a quarter to a half of the digits it points downhill. It would be natural to conclude that this is why SAM is
# weaker than an attack on each digit. Hold the thought until lesson 06.
#
# ### Exercise 3 · Eight digits (medium, 8 minutes)
#
# Find eight test digits whose joint ascent step *helps* at least six of them: SAM's step in the first layer of the SGD
# network, weights and bias, rho = 0.1, for these eight alone. Their mean loss rises (to first order it must).
# `try_eight` shows what happens to any eight; random ones hardly ever do it.

# %%
net, test_layer = nets["SGD"], at_layer(nets["SGD"], x_test, y_test)


def try_eight(indices, net=net, test_layer=test_layer):
    """Print each digit's loss before and after the joint ascent step."""
    before, after = lesson.losses_after_ascent(net, test_layer, y_test, indices, rho=0.1)
    says = net(x_test[list(indices)]).argmax(1)
    for i, said, a, b in zip(indices, says.tolist(), before.tolist(), after.tolist(), strict=True):
        print(f"{i:4}: a {int(y_test[i])}, classified as {said}; loss {a:8.5f} -> {b:8.5f}")


try_eight(range(8))

# %% tags=["stub"]
eight = ...  # a list of eight indices into x_test

# %% tags=["solution", "exercise:one_layer_two_spaces/eight digits"]
says = net(x_test).argmax(1)
hard = int(F.cross_entropy(net(x_test), y_test, reduction="none").argmax())  # the largest loss
fans = (y_test == says[hard]) & (says == y_test)  # digits of the class that it is taken for
eight = [hard, *fans.nonzero()[:7, 0].tolist()]

# %%
lesson.eight_digits(nets["SGD"], x_test, y_test, rho=0.1).check(eight)  # .hint() and .solution(), too

# %%
generator, helped = torch.Generator().manual_seed(0), torch.zeros(150)
for trial in range(150):
    any_eight = torch.randperm(597, generator=generator)[:8]
    before, after = lesson.losses_after_ascent(net, test_layer, y_test, any_eight, 0.1)
    helped[trial] = (after < before).sum()
print(f"of 150 random eights, the ascent step helps {helped.mean():.1f} digits on average;")
print(f"six or more in {100 * (helped >= 6).double().mean():.0f} % of them")

# %% tags=["guard"]
assert (helped >= 6).double().mean() < 0.15

# %% [markdown]
# ## 5 · Where it fails
#
# - **One layer.** All of this is about the first layer. What SAM does to later layers need not be a change of any
#   picture, and in a ResNet they matter just as much (lesson 03).
# - **Convolutions** share their weights between places, so a change of weights moves all places at once, and what it
#   reaches is no ball. The identities hold as they stand for layers that multiply by one matrix.
# - **More units than pixels.** No upper slice, and part of SAM's perturbation belongs to no picture (exercise 2).
# - **The box.** Pixels end at 0 and 1; neither ball nor ellipse knows that.
# - **The loose end.** Condition numbers of 30 and more make the sandwich true and nearly empty.

# %% [markdown]
# <details>
# <summary><b>Appendix · Short proofs</b> (each with the steps spelled out)</summary>
#
# Throughout, $\lVert A\rVert$ of a matrix is the root of the sum of its squared entries. For an outer product,
# $\lVert u v^{\mathsf T}\rVert = \lVert u\rVert\lVert v\rVert$; and
# $\lVert A x\rVert \le \lVert A\rVert \lVert x\rVert$ (Cauchy and Schwarz, row by row).
#
# **Ball.** *Weights within rho reach exactly the ball of radius* $\rho\lVert x\rVert$. Not more:
# $\lVert dW\,x\rVert \le \lVert dW\rVert\lVert x\rVert \le \rho\lVert x\rVert$. All of it: for any $v$ in the ball take
# $dW = v x^{\mathsf T}/\lVert x\rVert^2$. Then $dW\,x = v\,(x^{\mathsf T}x)/\lVert x\rVert^2 = v$, and its length is
# $\lVert v\rVert\lVert x\rVert/\lVert x\rVert^2 = \lVert v\rVert/\lVert x\rVert \le \rho$.
#
# **SAM's step.** $\nabla_W\ell = g x^{\mathsf T}$ has length $\lVert g\rVert\lVert x\rVert$. SAM goes rho along it:
# $dW = \rho\, g x^{\mathsf T}/(\lVert g\rVert\lVert x\rVert)$, and
# $dW\,x = \rho\, g\,\lVert x\rVert^2/(\lVert g\rVert\lVert x\rVert) = \rho\lVert x\rVert\, g/\lVert g\rVert$. If the
# bias moves too, it is one more weight that sees a 1: write $\lVert x\rVert^2 + 1$ for $\lVert x\rVert^2$.
#
# **Steps apart** (exercise 1). Let $W$ keep areas, so that $WW^{\mathsf T}$ stretches its long axis by $\kappa$ and the
# other by $1/\kappa$. If $g$ stands at the angle $\theta$ to the long axis, the attack's step stands at $\varphi$ with
# $\tan\varphi = \tan\theta/\kappa^2$. The difference $\theta - \varphi$ is largest where $\tan\theta = \kappa$. There
# $\tan(\theta - \varphi) = (\kappa - 1/\kappa)/2$: always less than 90 degrees, and 60 degrees from
# $\kappa = 2 + \sqrt 3$ on.
#
# **Sandwich.** *Left half.* Take the worst $dx$ with $\lVert dx\rVert \le \rho\lVert x\rVert/\sigma_{\max}$. It moves
# the features by $v = W\,dx$, of length at most $\sigma_{\max}\lVert dx\rVert \le \rho\lVert x\rVert$. By *Ball*, some
# weights within rho do the same. So the weights' worst is at least as bad. *Right half.* Take the worst $dW$ with
# $\lVert dW\rVert\le\rho$. Since $W$ has full row rank, $dx = W^{+}dW\,x$ gives $W\,dx = dW\,x$. The pseudo-inverse
# stretches by at most $1/\sigma_{\min}$, so
# $\lVert dx\rVert \le \lVert dW\,x\rVert/\sigma_{\min} \le \rho\lVert x\rVert/\sigma_{\min}$. So the pixels' worst
# within that radius is at least as bad.
#
# **Gradients.** $\lVert x\rVert\lVert\nabla_x\ell\rVert = \lVert x\rVert\lVert W^{\mathsf T} g\rVert$, and
# $\lVert W^{\mathsf T} g\rVert$ lies between $\sigma_{\min}\lVert g\rVert$ (full row rank) and
# $\sigma_{\max}\lVert g\rVert$. Now $\lVert x\rVert\lVert g\rVert$ is $\lVert\nabla_W\ell\rVert$.
#
# **Batches.** SAM's step is $dW = \rho\, G/\lVert G\rVert$ with $G = \sum_i g_i x_i^{\mathsf T}$, and
# $G\,x_j = \sum_i g_i\langle x_i, x_j\rangle$. *Orthogonal inputs of length* $\lVert x\rVert$:
# $G x_j = g_j\lVert x\rVert^2$, and the pieces $g_i x_i^{\mathsf T}$ are orthogonal too, so that
# $\lVert G\rVert^2 = \lVert x\rVert^2\sum_i\lVert g_i\rVert^2$. Hence $\sum_j\lVert dz_j\rVert^2
# = \rho^2\lVert x\rVert^4\sum_j\lVert g_j\rVert^2/\lVert G\rVert^2 = \rho^2\lVert x\rVert^2$,
# a mean square of $\rho^2\lVert x\rVert^2/B$. (Without a bias: the bias is a pixel that all inputs share, and makes
# them alike.) *Equal inputs*: $G = (\sum_i g_i)\,x^{\mathsf T}$, and everyone gets $\rho\lVert x\rVert$ along
# $\sum_i g_i$; example $j$ goes downhill if $\langle g_j, \sum_i g_i\rangle < 0$.
#
# </details>

# %% [markdown]
# ## What you learned
#
# - In a layer's features, weights within rho reach a ball of radius $\rho\lVert x\rVert$; pixels within eps reach an
#   ellipse, stretched as the layer stretches.
# - SAM's ascent step in the first layer is a change of the pixels, $W^{+}(dW\,x + db)$, where the layer has full row
#   rank.
# - rho translates into two radii of pixels, $\rho\lVert x\rVert/\sigma_{\max}$ and $\rho\lVert x\rVert/\sigma_{\min}$;
#   only a layer with equal singular values has one exchange rate.
# - A batch shares one ascent step: unlike inputs share its length, alike ones its direction, and some go downhill.
#
# ### Three questions

# %%
lesson.recall_ball.ask()

# %%
lesson.recall_units.ask()

# %%
lesson.recall_batch.ask()

# %% [markdown]
# ### Sources
#
# - Z. Wei, J. Zhu, Y. Zhang 2023, *Sharpness-Aware Minimization Alone can Improve Adversarial Robustness*, [arXiv
#   2305.05392](https://arxiv.org/abs/2305.05392): SAM and adversarial training as two ways to perturb features. Its
#   extended version: Y. Zhang and others 2024, *On the Duality Between Sharpness-Aware Minimization and Adversarial
#   Training*, [arXiv 2402.15152](https://arxiv.org/abs/2402.15152).
# - C. Ma, L. Ying 2021, [arXiv 2105.13462](https://arxiv.org/abs/2105.13462): through the first layer, flatness in the
#   weights bounds the gradient in the input.
# - P. Foret, A. Kleiner, H. Mobahi, B. Neyshabur 2021, [arXiv 2010.01412](https://arxiv.org/abs/2010.01412): SAM.
# - M. Andriushchenko, N. Flammarion 2022, [arXiv 2206.06232](https://arxiv.org/abs/2206.06232): SAM's ascent step on
#   parts of a batch.
# - Ball, ellipse and sandwich are derived for this course (the tests of `samlib.duality` check every equality and
#   inequality), and all figures are measured for it. They are not the papers'.
# - The digits: E. Alpaydin and C. Kaynak 1998, UCI Machine Learning Repository, as shipped with scikit-learn.
