# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: One layer, two spaces
#     part: core
#     minutes: 45
#     difficulty: hard
#     device: a laptop is enough, no GPU, no download
#     finds: >-
#       what dual means; SAM's ascent step as a change of the pixels; two exchange rates for rho and eps; what a batch
#       does to SAM's perturbation
# ---

# %% [markdown]
# **After this lesson you can**
#
# - say what *dual* means here, and what it does not mean;
# - turn SAM's ascent step into a change of the pixels, and say when no picture can do the same;
# - translate a radius rho of weights into a radius eps of pixels, and say why there are two answers;
# - say what sharing one ascent step does to each example's perturbation.
#
# **You need** lesson 00 (one perturbation in two places), what an attack is (lesson 01) and what SAM's ascent step is
# (lesson 02). From linear algebra: a matrix turns a circle into an ellipse.

# %% [markdown]
# ## 1 · Dual: one identity, read in two directions
#
# A layer turns pixels $x$ into **features** $z = Wx + b$; all that follows sees $z$ alone. So a change of the weights
# and a change of the pixels are the same to the network where
#
# $$ dW\,x = W\,dx . $$
#
# **This identity, read in two directions, is what *dual* means in this course.**
#
# - From pixels to weights, always: $dW = W\,dx\,x^{\mathsf T}/\lVert x\rVert^2$ (lesson 00).
# - From weights to pixels, $dx = W^{+}dW\,x$ with the pseudo-inverse $W^{+}$, which gives the shortest such $dx$, where
#   $W$ has **full row rank**: no more units than pixels, none a combination of others.
#
# *Dual does not mean equally strong.* What is a short change in one space may be a long one in the other. To compare
# them, carry both into the features. Let $g = \nabla_z\ell$ be the gradient of a digit's loss. Then
# $\nabla_W\ell = g\,x^{\mathsf T}$ and $\nabla_x\ell = W^{\mathsf T}g$. SAM's ascent step goes up the first by rho
# (here for one digit alone, without the bias), an attack up the second by eps:
#
# $$ dW\,x = \rho\lVert x\rVert\,\frac{g}{\lVert g\rVert} \qquad\qquad
# W\,dx = \varepsilon\,\frac{W W^{\mathsf T} g}{\lVert W^{\mathsf T} g\rVert} . $$
#
# SAM's step goes along $g$: it is an attack on the features. The attack's step is turned by $WW^{\mathsf T}$ towards
# the directions of large **singular values**: the long half-axes of the ellipse that $W$ makes of a circle.

# %%
from samlib.course.lessons import one_layer_two_spaces as lesson

lesson.bet_on_the_shape.ask()

# %% [markdown]
# With every direction allowed,
#
# - weights within rho reach a **ball** of features, of radius $\rho\lVert x\rVert$, whatever $W$ is;
# - pixels within eps reach an **ellipse**, with half-axes eps times the singular values of $W$.
#
# The largest singular value is $\sigma_{\max}$, the smallest $\sigma_{\min}$; their ratio is the **condition number**
# $\kappa$. Take a layer of two pixels and two features:

# %%
import math

import torch

g = lesson.GRADIENT  # (2, 1): the loss rises to the right, and a little upwards


def layer(kappa, angle):
    """A layer (2, 2) that keeps areas; its long axis stands at `angle` degrees to g."""
    turn = torch.atan2(g[1], g[0]) + math.radians(angle)
    long = torch.stack([turn.cos(), turn.sin()])
    across = torch.stack([-turn.sin(), turn.cos()])
    return torch.stack([long * kappa**0.5, across / kappa**0.5], dim=1)


# %% [markdown]
# **Move.** On the right the features, on the left the pixels; thin lines join equal losses. (The curved loss stands for
# the rest of the network, and $\lVert x\rVert = 1$.) Raise `kappa` to 4, then turn the `angle` from 0 to 90. Then
# choose `eps` so that the pixels' ellipse just fits *inside* the weights' ball, or just goes *around* it.

# %%
lesson.ball_and_ellipse()

# %% [markdown]
# **Explain.**
#
# - **kappa 1.** Ball and ellipse coincide. Here one eps *is* one rho.
# - **kappa 4, angle 0.** The long axis points up the slope, so the attack raises the loss more.
# - **kappa 4, angle 90.** The short axis points up the slope, so SAM's step raises it more, although no singular value
#   and no radius has changed.
# - **kappa 4, between.** In the features the steps point apart. How far, is exercise 1.
# - **Which one is the ellipse?** In pixel space it is the weights.

# %% tags=["guard"]
from samlib.duality import dz_by_input, dz_by_weights

x = torch.tensor([0.6, -0.8], dtype=torch.float64)  # of length 1
apart, gains = {}, {}
for angle in (0, 75, 90):
    ours, theirs = dz_by_weights(g, x, 0.4), dz_by_input(layer(4, angle), g, 0.4)
    apart[angle], gains[angle] = lesson.angle_between(ours, theirs), lesson.toy_loss(theirs) - lesson.toy_loss(ours)
assert max(apart[0], apart[90]) < 0.01 < 60 < apart[75]
assert gains[0] > 0 > gains[90]
assert torch.equal(layer(3, 20), lesson.layer(3, 20))  # the scene shows this layer
changes = torch.randn(100_000, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
changes *= 0.4 / changes.flatten(1).norm(dim=1)[:, None, None]
assert 0.398 < (changes @ x).norm(dim=1).max() <= 0.4 + 1e-12  # weights reach the ball's edge, and no further

# %% [markdown]
# ### Exercise 1 · Same way, and apart (medium, 8 minutes)
#
# For $g = (2, 1)$, find two layers from two pixels to two features. The first has a condition number of at least 5, and
# the two steps point the *same way* (within one degree). The second has a condition number of at most 4, and they are
# at least 60 degrees *apart*. Use `layer`, or write your own matrices. Can the steps ever stand at 90 degrees?

# %% tags=["stub"]
two_layers = {"same way": ..., "apart": ...}

# %% tags=["solution", "exercise:one_layer_two_spaces/steps"]
two_layers = {"same way": layer(5, 90), "apart": layer(4, math.degrees(math.atan(4)))}

# %%
lesson.steps.check(two_layers)  # lesson.steps.hint() and lesson.steps.solution() help

# %% [markdown]
# ## 2 · And back: SAM's ascent step in pixels
#
# Two networks, one trained by SGD and one by SAM with rho = 0.4: *the 48-unit network on raw pixels* (full row rank, so
# pixels and first-layer weights translate exactly; theory), not the 256-unit network on normalised pixels of the
# measured tables (evidence). For both, rho = 0.4 is the value at which the effect shows, not one unit.

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

# %% [markdown]
# SAM's ascent step for one 3, in the first layer alone (SAM itself spreads rho over all layers), and on the way back
# to pixels, with the bias: $dx = W^{+}(dW\,x + db)$.

# %%
import torch.nn.functional as F

net, rho, x = nets["SGD"], 0.2, x_test[ten[3]].flatten()
W, b = net.fc1.weight, net.fc1.bias
gradients = torch.autograd.grad(F.cross_entropy(net(x.view(1, 1, 8, 8)), torch.tensor([3])), [W, b])
length = torch.cat([gradient.flatten() for gradient in gradients]).norm()
dW, db = (rho * gradient / length for gradient in gradients)  # SAM's ascent step
dx = torch.linalg.pinv(W) @ (dW @ x + db)
by_weights, by_pixels = net[3:]((W + dW) @ x + b + db), net[3:](W @ (x + dx) + b)
print(f"the logits differ by at most {(by_weights - by_pixels).abs().max():.0e}")

# %% [markdown]
# The logits agree because they must: an identity, not evidence for anything.

# %%
lesson.bet_on_the_way_back.ask()

# %% [markdown]
# **Move** `rho`, the `network` and the digit. The attack goes up the input gradient by the *same length*. Then let 8 or
# 128 training digits share the step (section 4).

# %%
lesson.way_back(nets, x_train, y_train, x_test[ten])

# %% [markdown]
# **Explain.** SAM's step is noise to the eye. An attack as long does far more: on average it raises the loss over five
# times as much, at every setting. **Dual, and not equally strong.** (How long the change is for one rho depends on the
# layer: SAM's makes it longer than SGD's.) That is no contradiction: SAM's step is the steepest of its length in the
# *weights*. $W^{+}$ makes its parts along small singular values long in the pixels, where they do little.
#
# About a third of the shifted pixels (20 to 42 %, on average over test digits) leave [0, 1], because most pixels are
# paper or ink to begin with. SAM may go where no attacker can.

# %% tags=["guard"]
from samlib.duality import at_layer, dz_by_weights

assert (by_weights - by_pixels).abs().max() < 1e-9
some = range(0, 597, 6)
for one in nets.values():
    before = F.cross_entropy(one(x_test[::6]), y_test[::6]).item()
    for m in (1, 8, 128):
        shared = [(x_test[i : i + 1], int(y_test[i])) for i in some]
        batches = [at_layer(one, *lesson.shared_with(x_train, y_train, *pair, m)) for pair in shared]
        for radius in (0.1, 0.2, 0.4):
            ways = [lesson.two_ways(one, at, y, radius) for at, (_, y) in zip(batches, shared, strict=True)]
            ours, theirs = (sum(way[i].loss for way in ways) / len(ways) - before for i in (0, 1))
            assert theirs > 5 * ours > 0, (m, radius, ours, theirs)
            assert 0.20 < sum(way[0].outside for way in ways) / len(ways) < 0.42
            assert all((way[0].logits["weights"] - way[0].logits["pixels"]).abs().max() < 1e-9 for way in ways)
assert ((x_test == 0) | (x_test == 1)).double().mean() > 0.5  # most pixels are paper or ink
longer = {}
for name, one in nets.items():
    at = at_layer(one, x_test, y_test)
    longer[name] = (dz_by_weights(at.g, at.x, 0.1, bias=True) @ torch.linalg.pinv(at.weight).T).norm(dim=1).median()
assert longer["SAM"] > 1.2 * longer["SGD"]

# %% [markdown]
# ## 3 · The sandwich: two exchange rates
#
# Let $H(\rho)$ be the highest loss that first-layer weights within rho can cause for *one* digit, and $A(r)$ the
# highest that pixels within $r$ can. The ball of radius $\rho\lVert x\rVert$ lies between two ellipses, so its worst
# loss lies between theirs:
#
# $$ A\!\left(\frac{\rho\lVert x\rVert}{\sigma_{\max}}\right) \;\le\; H(\rho) \;\le\;
# A\!\left(\frac{\rho\lVert x\rVert}{\sigma_{\min}}\right) $$
#
# The lower bound always holds, the upper one where $W$ has full row rank.
#
# What does that mean for a real layer? Below are the SGD network's first layer and layers with the same singular
# vectors, whose singular values are drawn together until all are equal (same geometric mean; the bias keeps the digit's
# features where they are).

# %%
lesson.bet_on_the_sandwich.ask()

# %% [markdown]
# **Move** `kappa` from the right end, the real layer, to the left, for several digits and `rho`. (Losses by gradient
# ascent, 20 steps from 7 starts, one of them the end of the next lower search: so the order is kept.)

# %%
found = lesson.sandwiches(nets["SGD"], x_test[ten], y_test[ten])
lesson.sandwich(found)

# %% [markdown]
# **Explain.** The middle curve is flat (but for what the search misses), because the weights' ball does not depend on
# singular values. The two pixel radii differ by the condition number: for the real layer by a factor of about 30, and
# for digit 8 at rho = 0.1 their losses by hundreds: true, and nearly empty. To the left the bounds close.
#
# **rho and eps share no unit; a layer gives them an exchange rate, and a real layer gives two, far apart.**
#
# The lower bound is the nearer one. The upper one pays for directions that the layer nearly ignores: to match
# rho = 0.1 there, an attacker needs an eps nearly as long as the digit itself.

# %% tags=["guard"]
sigmas = found.sigmas
for losses in found.losses.values():
    assert (losses[0] <= losses[1] + 1e-9).all()
    assert (losses[1] <= losses[2] + 1e-9).all()
    assert losses[1].max() - losses[1].min() < 0.6 * losses[1].mean()
    assert losses[1, -1] / losses[0, -1] < losses[2, -1] / losses[1, -1]  # the lower bound is nearer
    assert losses[2, 0] / losses[0, 0] < 1.5  # where the picture says that the bounds meet
assert 200 < found.losses[8, 0.1][2, -1] / found.losses[8, 0.1][0, -1] < 1000
assert 0.8 < 0.1 / sigmas[-1] < 1  # eps over ‖x‖
assert 27 < sigmas[0] / sigmas[-1] < 35

# %% [markdown]
# ### What is proved about flatness
#
# Close to the digit the loss is straight, and the sandwich becomes one of gradients:
#
# $$ \sigma_{\min}\lVert\nabla_W\ell\rVert \;\le\; \lVert x\rVert\,\lVert\nabla_x\ell\rVert \;\le\;
# \sigma_{\max}\lVert\nabla_W\ell\rVert . $$
#
# **Move** `eps` away from 0. Each dot is a test digit, its height the rise of the loss within eps, over eps.

# %%
lesson.gradients(nets, x_test, y_test)

# %% tags=["guard"]
from samlib.duality import gradient_sandwich

for one in nets.values():
    at = at_layer(one, x_test, y_test)
    bounds = gradient_sandwich(at.weight, at.g, at.x)
    assert (bounds.lower <= bounds.value * (1 + 1e-9)).all()
    assert (bounds.value <= bounds.upper * (1 + 1e-9)).all()
    assert (bounds.value > bounds.upper / 2).double().mean() > 0.5  # most digits, within a factor of two
    for eps, share in ((0.1, 0.6), (0.4, 0.9)):
        rise = at.x.norm(dim=1) * lesson.rise_per_length(one, x_test, y_test, eps)
        assert (rise > bounds.upper).double().mean() > share

# %% [markdown]
# **Explain.** At eps = 0, the gradient, most digits lie within a factor of two of the upper line. So where a digit's
# *own* loss is flat in the first layer's weights, its input gradient is small, as far as $\sigma_{\max}$ allows. A flat
# *mean*, as in lesson 02, proves it only where nothing cancels, as at minima that fit every digit. (Ma and Ying 2021
# have a link between flat minima and the gradient of the network's function. And lesson 02's warning holds: rescale the
# layer, and $\nabla_W\ell$ and $\sigma$ change against each other.)
#
# **Proved is a small input gradient, at the digits themselves. Robustness at a finite eps is not.**
#
# The loss bends upwards: at eps = 0.1 most digits are above the line that bounds their gradient, at 0.4 nearly all.

# %% [markdown]
# ## 4 · A shared ascent step: m-SAM
#
# So far each digit had an ascent step of its own. SAM makes *one* for a batch, up the sum of all gradients,
# $G = \sum_i g_i x_i^{\mathsf T}$. Digit $j$ then gets
#
# $$ dz_j \;=\; \rho\,\frac{G\,x_j}{\lVert G\rVert}
# \;=\; \rho\,\frac{\sum_i g_i\,\langle x_i, x_j\rangle}{\lVert G\rVert} , $$
#
# a mixture of everyone's gradients, weighted by similarity.

# %%
lesson.bet_on_the_batch.ask()

# %% [markdown]
# **Move.** Each dot is an example with two features and a Gaussian gradient; grey is what it would get alone.
# `similarity` is the cosine between any two inputs, all of equal length.

# %%
lesson.shared_step()

# %% [markdown]
# **Explain.** Where $\langle g_j, dz_j\rangle < 0$, the step goes *downhill*: the loss of digit $j$ falls.
#
# - **Nothing in common (similarity 0).** Nobody feels the others: every perturbation points up its own slope, and has
#   $1/\sqrt m$ of its length (root mean square).
# - **All alike (similarity 1).** Everyone gets the same perturbation at full length, and at $m = 16$ it goes downhill
#   for a third of them. (With more features, for fewer. In a real batch a few digits with large gradients decide.)
#
# Real digits are alike: two of them have a cosine of 0.7 on average. SAM's ascent step in the first layer, shared by
# m *training digits*:

# %%
from samlib.duality import at_layer, downhill, dz_by_sam_step, dz_by_weights

generator, felt = torch.Generator().manual_seed(0), {}
for name, net in nets.items():
    at = at_layer(net, x_train, y_train)
    for m in (8, 32, 128):
        picks = [torch.randperm(len(x_train), generator=generator)[:m] for _ in range(50)]
        shared = torch.stack([dz_by_sam_step(at.g[i], at.x[i], 0.1, bias=True) for i in picks])
        alone = torch.stack([dz_by_weights(at.g[i], at.x[i], 0.1, bias=True) for i in picks])
        down = torch.stack([downhill(at.g[i], dz) for i, dz in zip(picks, shared, strict=True)])
        felt[name, m] = (shared.square().mean() / alone.square().mean()).sqrt().item(), down.double().mean().item()
        print(f"{name}, m = {m:3}: {felt[name, m][0]:.0%} of the length, {felt[name, m][1]:.0%} downhill")

# %% tags=["guard"]
import numpy as np

cosines = F.normalize(at.x, dim=1) @ F.normalize(at.x, dim=1).T
assert 0.65 < cosines.mean() < 0.75
assert all(0.65 < length < 0.85 and 0.25 <= down <= 0.5 for length, down in felt.values())
curves = lesson.shared_step_curves()
assert np.allclose(curves[0.0][0], 100 / np.sqrt(lesson.SIZES))
assert not curves[0.0][1].any()
assert np.allclose(curves[1.0][0], 100)
assert 30 < curves[1.0][1][lesson.SIZES.index(16)] < 38

# %% [markdown]
# The perturbation keeps most of its length, and for a quarter to a half of the digits it points downhill.
#
# Does sharing matter, then? The literature has a name for it, **m-SAM**: one ascent step for each m examples (Foret and
# others 2021 call it m-sharpness; Andriushchenko and Flammarion 2022). The m is the same, the question is not. There it
# is *generalisation*, and smaller m helps. Here it is the *direction* of one perturbation, before any training.
#
# **A shared step loses its direction. Whether training suffers is a question for lesson 06.**
#
# ### Exercise 2 · Eight digits (medium, 8 minutes)
#
# Find eight test digits of which the joint ascent step *lowers* the loss of at least six: SAM's step in the first layer
# of the SGD network, weights and bias, rho = 0.1, for these eight alone. Their mean loss rises (to first order it
# must). `try_eight` shows what happens to any eight; random ones hardly ever do it.

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

# %% tags=["guard"]
generator, helped = torch.Generator().manual_seed(0), torch.zeros(150)
for trial in range(150):
    any_eight = torch.randperm(597, generator=generator)[:8]
    before, after = lesson.losses_after_ascent(net, test_layer, y_test, any_eight, 0.1)
    helped[trial] = (after < before).sum()
assert (helped >= 6).double().mean() < 0.15  # random ones hardly ever do it

# %% [markdown]
# ### Exercise 3 · A run that could refute the explanation (hard, 10 minutes)
#
# The first-layer explanation says: *SAM's networks are more robust, and only because perturbing first-layer weights is
# a disguised change of the pixels.* Design a run, compared with another one, and an outcome that the explanation
# forbids. Robust accuracies differ if the 95 % interval of their difference, over splits of the data, leaves out 0.

# %% tags=["stub"]
design = {
    "network": ...,  # "48-48", "256-256" or "ResNet"
    "perturb": ...,  # in SAM's ascent step: "first layer", "later layers" or "all layers"
    "against": ...,  # "SGD" or "SAM on all layers"
    "rho": ...,  # "0.4" or "chosen on validation images"
    "refuted if": ...,  # the run's robust accuracy is "higher", "not higher", "lower" or "not lower" than the other's
}

# %% tags=["solution", "exercise:one_layer_two_spaces/refute"]
design = {
    "network": "48-48",
    "perturb": "later layers",
    "against": "SGD",
    "rho": "chosen on validation images",
    "refuted if": "higher",
}

# %%
lesson.refute.check(design)

# %% [markdown]
# ## 5 · Where it fails
#
# - **One layer.** All of this is about the first layer. What SAM does to later layers need not be a change of any
#   picture (exercise 3).
# - **Convolutions** share their weights between places, so what they reach is no ball.
# - **The box.** Pixels end at 0 and 1; neither ball nor ellipse knows that.
# - **More units than pixels.** The sandwich has no upper bound, the gradients have no lower line, and part of SAM's
#   perturbation belongs to no picture:

# %%
wide = {name: samlib.mlp((256,), mean=0.0, std=1.0) for name in ("untrained", "SGD", "SAM")}
samlib.train(wide["SGD"], x_train.float(), y_train, "sgd", progress=False)
samlib.train(wide["SAM"], x_train.float(), y_train, "sam", rho=0.4, progress=False)
unreached = {}
for name, net in wide.items():
    at = at_layer(net.double(), x_test, y_test)
    dz = dz_by_weights(at.g, at.x, 0.1)
    rest = dz - dz @ torch.linalg.pinv(at.weight).T @ at.weight.T
    unreached[name] = (rest.norm(dim=1) / dz.norm(dim=1)).mean().item()
    print(f"256 units, {name:9}: {unreached[name]:.0%} of the perturbation's length is out of the pixels' reach")

# %% tags=["guard"]
assert 0.2 < unreached["SGD"] < unreached["SAM"] < 0.6 < 0.85 < unreached["untrained"] < 0.88

# %% [markdown]
# <details>
# <summary><b>Appendix · Short proofs</b></summary>
#
# $\lVert A\rVert$ of a matrix is the root of the sum of its squared entries, so
# $\lVert u v^{\mathsf T}\rVert = \lVert u\rVert\lVert v\rVert$ and
# $\lVert A x\rVert \le \lVert A\rVert \lVert x\rVert$ (Cauchy and Schwarz, row by row). Where the bias moves too, it is
# one more weight that sees a 1: write $\lVert x\rVert^2 + 1$ for $\lVert x\rVert^2$.
#
# **Ball.** $\lVert dW\,x\rVert \le \rho\lVert x\rVert$. Any $v$ in that ball is reached: $dW = v
# x^{\mathsf T}/\lVert x\rVert^2$ has $dW\,x = v$ and length $\lVert v\rVert/\lVert x\rVert \le \rho$.
#
# **SAM's step.** $dW = \rho\, g x^{\mathsf T}/(\lVert g\rVert\lVert x\rVert)$, so
# $dW\,x = \rho\lVert x\rVert\, g/\lVert g\rVert$.
#
# **Steps apart** (exercise 1). Let $WW^{\mathsf T}$ multiply the long axis by $\kappa$ and the short one by $1/\kappa$.
# If $g$ stands at $\theta$ to the long axis, the attack's step stands at $\varphi$ with
# $\tan\varphi = \tan\theta/\kappa^2$. The difference is largest where $\tan\theta = \kappa$; there
# $\tan(\theta - \varphi) = (\kappa - 1/\kappa)/2$: always below 90 degrees, and 60 from $\kappa = 2 + \sqrt 3$ on.
#
# **Sandwich.** *Lower.* If $\lVert dx\rVert \le \rho\lVert x\rVert/\sigma_{\max}$, then
# $\lVert W\,dx\rVert \le \rho\lVert x\rVert$, and by *Ball* some weights within rho do the same. *Upper.* If
# $\lVert dW\rVert\le\rho$ and $W$ has full row rank, $dx = W^{+}dW\,x$ gives $W\,dx = dW\,x$, and
# $\lVert dx\rVert \le \rho\lVert x\rVert/\sigma_{\min}$, since no singular value of $W^{+}$ is above $1/\sigma_{\min}$.
#
# **Gradients.** $\lVert W^{\mathsf T} g\rVert$ lies between $\sigma_{\min}\lVert g\rVert$ (full row rank) and
# $\sigma_{\max}\lVert g\rVert$, and $\lVert x\rVert\lVert g\rVert = \lVert\nabla_W\ell\rVert$.
#
# **Batches.** *Orthogonal inputs of one length, no bias*: $G x_j = g_j\lVert x\rVert^2$ and
# $\lVert G\rVert^2 = \lVert x\rVert^2\sum_i\lVert g_i\rVert^2$, so
# $\sum_j\lVert dz_j\rVert^2 = \rho^2\lVert x\rVert^2$: a mean square of $\rho^2\lVert x\rVert^2/m$. *Equal inputs*:
# $G = (\sum_i g_i)\,x^{\mathsf T}$, so everyone gets $\rho\lVert x\rVert$ along $\sum_i g_i$.
#
# </details>

# %% [markdown]
# ## What you learned
#
# - *Dual* is the identity $dW\,x = W\,dx$, read in two directions; it says nothing about strength.
# - In the features, weights within rho reach a ball and pixels within eps an ellipse.
# - SAM's ascent step in the first layer is the change $W^{+}(dW\,x + db)$ of the pixels, where the layer has full row
#   rank; part of it leaves [0, 1].
# - rho translates into two radii of pixels, $\rho\lVert x\rVert/\sigma_{\max}$ and $\rho\lVert x\rVert/\sigma_{\min}$.
# - Where a digit's own loss is flat in the first layer's weights, its input gradient is small. No more is proved.
# - Unlike inputs that share an ascent step share its length, alike ones its direction.
#
# ### Three questions

# %%
lesson.recall_units.ask()

# %%
lesson.recall_flat.ask()

# %%
lesson.recall_batch.ask()

# %% [markdown]
# ### Sources
#
# - Z. Wei, J. Zhu, Y. Zhang 2023, [arXiv 2305.05392](https://arxiv.org/abs/2305.05392): SAM and adversarial training as
#   two ways to perturb features. Extended: Y. Zhang and others 2024, *On the Duality Between Sharpness-Aware
#   Minimization and Adversarial Training*, [arXiv 2402.15152](https://arxiv.org/abs/2402.15152).
# - C. Ma, L. Ying 2021, [arXiv 2105.13462](https://arxiv.org/abs/2105.13462): flat minima regularise the input gradient
#   (abstract).
# - P. Foret and others 2021, [arXiv 2010.01412](https://arxiv.org/abs/2010.01412): SAM.
# - M. Andriushchenko, N. Flammarion 2022, [arXiv 2206.06232](https://arxiv.org/abs/2206.06232): m-SAM
#   (abstract).
# - Ball, ellipse and sandwich are derived, and all figures measured, for this course.
# - The digits: E. Alpaydin and C. Kaynak 1998, UCI Machine Learning Repository, as shipped with scikit-learn.
