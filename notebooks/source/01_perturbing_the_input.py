# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: Perturbing the input
#     part: core
#     minutes: 45
#     difficulty: medium
#     device: a laptop is enough, no GPU, no download
#     finds: FGSM and PGD from scratch; balls and projections; a robust accuracy is an upper bound, never a proof
# ---

# %% [markdown]
# **After this lesson you can**
#
# - say who attacks, before you attack: what the attacker knows, may change, and wants;
# - write the two attacks that this course uses, FGSM and PGD;
# - draw what a step, a ball and a projection are, in two norms;
# - find the faults that make a network look robust, and say what an honest number promises, and what not.
#
# **You need** Python, PyTorch tensors, and what a gradient is. A **logit** is a network's score for a class; the
# largest is its answer. The **loss** $\ell$ is the *cross-entropy*: minus the logarithm of the probability that the
# network gives to the right class.

# %% [markdown]
# ## 1 · Who attacks?
#
# How small a change makes a network misclassify a digit? The answers to four questions are called the **threat model**.
# A robustness figure without one means nothing.
#
# | question | in this course |
# |---|---|
# | What does the attacker know? | everything: the network, its weights, the right answer (*white box*) |
# | What may be changed? | every pixel of the input. Never the weights, never the label |
# | How much? | the **norm** of the change $\delta$ (lesson 00's $dx$) is at most **eps**; pixels stay in [0, 1] |
# | To what end? | that the network says *any* wrong class (*untargeted*) |
#
# Two norms measure the change. **l_inf** is the largest change of a single pixel: each pixel has a budget of its own.
# **l_2** is the Euclidean length of the whole change: all pixels share one budget. All changes within the budget make
# up a **ball** of radius eps. Pixels run from 0 (paper) to 1 (ink), and eps is in this unit.
#
# **Predict** how different the two balls are:

# %%
from samlib.course.lessons import perturbing_the_input as lesson

lesson.bet_on_the_cube.ask()

# %%
import torch

corner = torch.full((64,), 0.125)  # every pixel moves as far as it may
print(f"l_inf {corner.abs().max():g}, l_2 {corner.norm():g}")

# %% tags=["guard"]
assert (corner.abs().max(), corner.norm()) == (0.125, 1.0)

# %% [markdown]
# **Explain.** In 64 dimensions the l_inf ball reaches $\sqrt{64} = 8$ times as far into its corners as the l_2 ball of
# the same eps. So never compare an eps in l_inf with one in l_2.
#
# A promise about one ball says little about the other, and nothing about a shift, a rotation or a shadow.

# %% [markdown]
# ## 2 · One step
#
# The attacker wants the loss high. For a small change $\delta$ the loss is nearly a plane,
#
# $$ \ell(x + \delta) \;\approx\; \ell(x) + \langle g, \delta\rangle , \qquad g = \nabla_x\,\ell\,(x), $$
#
# with one slope for each pixel in $g$. The $\delta$ in the ball that makes $\langle g, \delta\rangle$ largest is the
# **steepest step**; its norm is eps. **Predict:**

# %%
lesson.bet_on_the_step.ask()

# %% [markdown]
# **Move.** An image of two pixels is a point in the plane. Turn the `gradient` and switch the `norm`; the curve on the
# right says how much the loss would rise at each point of the ball's edge. Then make `step size` larger than eps = 0.25
# and see what brings the point back: first into the ball (**projection**: the nearest point of the ball), then into the
# box of images (a **clamp**: each pixel is cut to [0, 1]).

# %%
lesson.one_step()

# %% [markdown]
# **Explain.** In l_2 the steepest step follows the gradient: eps times $g / \lVert g \rVert_2$. In l_inf it goes into a
# *corner*, because each pixel spends its whole budget in the direction of its slope: eps times
# $\operatorname{sign}(g)$. Turn the gradient from 15° to 75°, and the l_inf step does not move.
#
# The projections differ too: l_inf cuts the change of each pixel to [−eps, eps], l_2 shortens the change as a whole.

# %% [markdown]
# Is nothing in the ball better than the steepest step? 100,000 random changes, for a gradient with 64 slopes:

# %%
generator = torch.Generator().manual_seed(0)
slopes = torch.randn(64, generator=generator)
tried = 0.1 * (2 * torch.rand(100_000, 64, generator=generator) - 1)  # all within l_inf 0.1
steepest_rise = 0.1 * slopes.abs().sum()  # <g, 0.1 sign(g)>
print(f"rise of the loss, best of 100,000: {(tried @ slopes).max():.2f}")
print(f"rise of the loss, steepest step:   {steepest_rise:.2f}")

# %% tags=["guard"]
assert (tried @ slopes).max() < 0.8 * steepest_rise  # not near

# %% [markdown]
# *Random directions are no substitute for the worst one.*
#
# ### Before you trust a gradient, measure it
#
# A network, trained here and now: *the 256-unit network on normalised pixels*, the one of this course's measured
# tables, for evidence. It takes pixels as they are; its first layer subtracts the mean pixel, 0.305, and divides by the
# pixels' spread, 0.376. (`double`: with 64 bits, so that tiny differences are not lost in rounding.)

# %%
import samlib
import torch.nn.functional as F

x_train, y_train, x_test, y_test = samlib.load_digits()
net = samlib.mlp()
samlib.train(net, x_train, y_train, progress=False)
net = net.double().eval()
print(f"{100 * samlib.accuracy(net, x_test.double(), y_test):.1f} % of the test digits are classified correctly")

# %% tags=["guard"]
assert abs(float(net.normalize.mean) - 0.305) < 0.001
assert abs(float(net.normalize.std) - 0.376) < 0.001

# %% [markdown]
# PyTorch computes the slope of the loss in one pixel. A **finite difference** measures it: move that pixel a little up
# and a little down, and divide by the way.

# %%
digit, label = x_test[:1].double(), y_test[:1]
moving = digit.clone().requires_grad_()
(by_torch,) = torch.autograd.grad(F.cross_entropy(net(moving), label), moving)
h, one_pixel = 1e-5, torch.zeros_like(digit)
one_pixel[0, 0, 3, 4] = 1
rise = F.cross_entropy(net(digit + h * one_pixel), label) - F.cross_entropy(net(digit - h * one_pixel), label)
print(f"slope of the loss in one pixel: measured {rise / (2 * h):.6f}, by torch {by_torch[0, 0, 3, 4]:.6f}")

# %% tags=["guard"]
assert torch.isclose(rise / (2 * h), by_torch[0, 0, 3, 4], rtol=1e-4)

# %% [markdown]
# One steepest l_inf step of norm eps, then the clamp, is an attack already: **FGSM**, the *fast gradient sign method*.
#
# ### Exercise 1 · FGSM (easy, 8 minutes)
#
# Write it. `model` maps images (n, ...) to logits (n, classes). Sum the loss over the images, so that each gets the
# gradient of its own. The check compares your step with finite differences, and looks at what you leave behind: return
# detached images; change neither `x` nor the network, its weights' `.grad` included.


# %% tags=["stub"]
def fgsm(model, x, y, eps):
    """Images x (n, ...) in [0, 1], labels y (n,), l_inf radius eps -> attacked images (n, ...)."""
    ...


# %% tags=["solution", "exercise:perturbing_the_input/fgsm"]
def fgsm(model, x, y, eps):
    """Images x (n, ...) in [0, 1], labels y (n,), l_inf radius eps -> attacked images (n, ...)."""
    copy = x.clone().requires_grad_()
    loss = F.cross_entropy(model(copy), y, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, copy)
    return (x + eps * gradient.sign()).clamp(0, 1)


# %%
lesson.fgsm.check(fgsm)  # lesson.fgsm.hint() and lesson.fgsm.solution() help

# %% [markdown]
# ## 3 · Many steps
#
# FGSM trusts the slope at its start for the whole way, but a network's loss bends. So take shorter steps, compute the
# slope again after each, and come back into the ball and the box each time. That is **PGD**, *projected gradient
# descent* (on minus the loss, so the loss rises). From a start $x_0$ in the ball, here $x$ itself:
#
# $$ x_{k+1} \;=\; \operatorname{clamp}_{[0,1]}\Big( x +
# \operatorname{project}\big( x_k + \text{step size} \cdot \operatorname{steepest}(\nabla\ell(x_k)) - x \big)\Big) $$
#
# Here is a network whose loss bends, for images of two pixels: class A lies above a wave, class B below it.

# %%
generator = torch.Generator().manual_seed(0)
images = torch.rand(600, 1, 1, 2, generator=generator)
first, second = images.flatten(1).T
labels = (second > 0.5 + 0.22 * torch.sin(9 * first)).long()
plane_net = samlib.mlp((32, 32), num_classes=2, input_shape=(1, 1, 2), mean=0.5, std=0.29)
samlib.train(plane_net, images, labels, epochs=150, batch_size=100, weight_decay=1e-4, progress=False)
print(f"{100 * samlib.accuracy(plane_net, images, labels):.1f} % of its training images are classified correctly")

# %% [markdown]
# The attack begins at (0.9, 0.8), an image of class A. **Predict:**

# %%
lesson.bet_on_the_path.ask()

# %% [markdown]
# **Move.** Left, every point is an image: purple where the network answers A, green where it answers B. The attack
# (black) raises the loss within the ball (orange). Right, the logit of B minus that of A after each step: the higher it
# is, the higher is the loss.
#
# Begin with one step of 0.25; then make the steps shorter and more. What is the smallest eps that still succeeds?

# %%
lesson.path_in_the_plane(plane_net, start=(0.9, 0.8))


# %% tags=["guard"]
def end_of(norm, eps, steps, step_size):
    """Logit of B minus logit of A where PGD from (0.9, 0.8) ends, an image of class A (number 1)."""
    x, y = torch.tensor([0.9, 0.8]).view(1, 1, 1, 2), torch.tensor([1])
    settings = {"steps": steps, "step_size": step_size, "random_start": False, "keep": "last"}
    a_and_b = plane_net(samlib.pgd(plane_net, x, y, eps, norm, **settings))[0]
    return (a_and_b[0] - a_and_b[1]).item()


assert end_of("linf", 0.25, 1, 0.25) < end_of("linf", 0.25, 1, 0.08) < 0 < end_of("linf", 0.25, 10, 0.05)
assert end_of("linf", 0.08, 20, 0.01) < 0
assert min(end_of(norm, 0.12, 20, 0.02) for norm in ("linf", "l2")) > 0

# %% [markdown]
# **Explain.** Ten short steps end higher, and the image is misclassified. The one long step follows the slope at its
# start; a third of the way along it is nearer to class B than at its end. Short steps turn in time. The smallest eps
# that succeeds is 0.12, in both norms.
#
# Too few short steps never reach the edge of the ball; too long ones jump to and fro. A common step size is 2.5 · eps /
# steps.

# %% [markdown]
# ### Exercise 2 · PGD, for any ball (medium, 10 minutes)
#
# `ball.steepest(slopes)` is a step of norm 1, `ball.project(delta)` the nearest change inside. `gradient` is a
# function: give it images, it returns the slopes of their losses. (The check gives it finite differences.) Write the
# loop. It must never ask which norm it is.


# %% tags=["stub"]
def pgd(gradient, x, start, ball, step_size, steps):
    """Images x and start (n, ...), start in the ball around x -> where the steps lead, (n, ...)."""
    ...


# %% tags=["solution", "exercise:perturbing_the_input/pgd"]
def pgd(gradient, x, start, ball, step_size, steps):
    """Images x and start (n, ...), start in the ball around x -> where the steps lead, (n, ...)."""
    x_adv = start
    for _ in range(steps):
        x_adv = x_adv + step_size * ball.steepest(gradient(x_adv))
        x_adv = (x + ball.project(x_adv - x)).clamp(0, 1)
    return x_adv


# %%
lesson.pgd.check(pgd)

# %% [markdown]
# ## 4 · A digit under attack
#
# Now 64 pixels, and the network of section 2. PGD takes 20 steps of eps / 8 on the cross-entropy, from the digit
# itself: one of each class, four of them below, none of which an attack of l_inf 0.02 breaks.

# %%
digits, kinds = lesson.chosen_digits(net, x_test.double(), y_test)

# %% [markdown]
# **Move** `step` from 0 to 20: the logit of the right class (black) falls, the largest wrong one (orange) rises. Switch
# the `norm` and compare the change. (`eps` is first for l_inf, then for l_2: four times as large, a handy range, no
# equality.) At which eps would you hesitate yourself?

# %%
lesson.digit_under_attack(net, digits, kinds)

# %%
ended = samlib.pgd(net, digits, kinds, 0.125, steps=20, step_size=0.125 / 8, random_start=False, keep="last")
lowest, highest = (digits - 0.125).clamp(min=0), (digits + 0.125).clamp(max=1)
share = (torch.minimum(ended - lowest, highest - ended) < 1e-9).double().mean().item()
print(f"l_inf 0.125: {100 * share:.0f} % of the pixels are as far as they may go")

# %% tags=["guard"]
by_l2 = samlib.pgd(net, digits, kinds, 0.5, "l2", steps=20, step_size=0.5 / 8, random_start=False, keep="last")
squares = (by_l2 - digits).flatten(1).square().sort(dim=1, descending=True).values
ten = (squares[:, :10].sum(1) / squares.sum(1)).mean().item()
assert share > 0.9
assert 0.6 < ten < 0.9, "the ten most changed of 64 pixels hold most of the squared length"

# %% [markdown]
# **Explain.** In l_inf nearly all pixels have spent their whole budget, on more ink or on less, or they are paper or
# ink already and cannot go on. In l_2 all share one budget, so most of it goes into the few with steep slopes.
#
# Is the change just noise, or a quirk of this network? Random signs of the same 0.125, and a network that began with
# other weights:

# %%
signs = 2 * torch.randint(2, (1000, *digits.shape), generator=torch.Generator().manual_seed(0)) - 1
noisy = (digits + 0.125 * signs).clamp(0, 1).flatten(0, 1)
other = samlib.mlp(seed=1)
samlib.train(other, x_train, y_train, seed=1, progress=False)
by_noise = (net(noisy).argmax(1) == kinds.repeat(1000)).double().mean().item()
by_attack, by_transfer = ((model(ended).argmax(1) == kinds).sum() for model in (net, other.double()))
print(f"classified correctly at l_inf 0.125, random signs: {100 * by_noise:.1f} %")
print(f"attacked, still classified correctly: {by_attack} of 10 by this network, {by_transfer} of 10 by the other")

# %% tags=["guard"]
assert by_noise > 0.97
assert by_attack <= 5
assert by_transfer <= 6

# %% [markdown]
# It is no noise: random signs are harmless. And no quirk: the attack on one network misleads the other too, it
# **transfers**. So an attacker may not even need to know the weights. (Ten digits and two networks are a warning, no
# study.)

# %% [markdown]
# ## 5 · An upper bound, never a proof
#
# **Robust accuracy** is the share of images that are classified correctly and stay so under *every* change within the
# ball. An attack tries some changes. What it breaks is broken; what it does not break may fall to a better attack.
#
# A measured robust accuracy is an upper bound of the true one, and a weaker attack makes the number larger.
#
# Here is a small **ResNet**. Its **BatchNorm** layers normalise what passes through: in **training mode** by the mean
# and spread of the batch at hand, in **evaluation mode** by those remembered from training. A network is used, and
# attacked, in evaluation mode.
#
# The threat: 100 test digits, l_inf eps = 0.0625. PGD starts at a point drawn uniformly from the ball; a **restart** is
# another run from another point, and an image counts as broken if any point of any run breaks it. Two losses: the
# cross-entropy, and the **margin loss**, the best wrong logit minus the right one.

# %%
resnet = samlib.small_resnet()
samlib.train(resnet, x_train, y_train, epochs=15, progress=False)
some_x, some_y, EPS = x_test[:100], y_test[:100], 0.0625
clean = samlib.accuracy(resnet, some_x, some_y)
print(f"{100 * clean:.1f} % of the 100 digits are classified correctly, no attack")

# %% [markdown]
# **Predict:**

# %%
lesson.bet_on_the_steps.ask()

# %% [markdown]
# **Move.** Begin with few steps of 0.02 eps. How high can you make the number? How low? Digits on orange are broken,
# those on grey misclassified without an attack. At 40 steps a black line appears: the digits that *none* of these
# attacks breaks. The upright bar is the 95 % interval: how sure a share of 100 digits is.

# %%
robust = lesson.robust_on_the_way(resnet, some_x, some_y, EPS)  # 40 steps, four runs, two losses, four step sizes
lesson.upper_bound(robust, some_x)

# %%
union = 100 * samlib.robust_accuracy(resnet, some_x, some_y, EPS)
print(f"samlib.robust_accuracy, the worst of several attacks: {union:.1f} %")


# %% tags=["guard"]
def left(steps, size, runs, loss):
    """Percent of the digits that are still robust."""
    return 100 * robust[loss, size][steps, :runs].all(0).double().mean().item()


all_together = 100 * torch.stack([mask[-1].all(0) for mask in robust.values()]).all(0).double().mean().item()
assert left(3, 0.1, 1, "ce") > left(40, 0.02, 1, "ce") > left(40, 0.1, 1, "ce") + 10
assert left(40, 0.1, 1, "ce") >= left(40, 0.1, 4, "ce") >= all_together
assert 24 < 100 * clean - left(40, 0.1, 1, "ce") < 37  # about 30 of them
assert 1 <= 100 * clean - left(3, 0.1, 1, "ce") <= 6  # a few
assert 0 <= left(40, 0.1, 1, "ce") - all_together <= 6  # a few more at best
assert left(40, 0.02, 1, "ce") - left(40, 0.1, 1, "ce") > left(40, 0.1, 1, "ce") - all_together  # short steps cost most
robust_share = left(40, 0.1, 1, "ce") / 100
assert 9 <= round(196 * (robust_share * (1 - robust_share) / 100) ** 0.5) <= 10
assert union <= left(40, 0.1, 1, "ce")

# %% [markdown]
# **Explain.** Forty steps of eps / 10 break about 30 digits, where three broke a few. Steps that cannot reach the edge
# of the ball cost the most; restarts and another loss find a few digits more at best. `samlib.robust_accuracy`
# therefore tries several attacks, and counts as broken what any of them breaks. (100 digits are few: some ± 9 points.
# Four times as many halve it.)
#
# A flat curve is no proof: it says that more of *this* attack does not help. Lesson 04 shows networks for which it goes
# flat far too high.
#
# In two dimensions one can simply try everything. 200 images of the two-pixel network, l_inf eps = 0.15, a grid of
# 61 × 61 points in each ball:

# %%
x, y, offsets = images[:200], labels[:200], torch.linspace(-0.15, 0.15, 61)
offsets = torch.stack(torch.meshgrid(offsets, offsets, indexing="xy"), -1).view(-1, 1, 1, 2)
with torch.no_grad():
    says = torch.stack([plane_net((image + offsets).clamp(0, 1)).argmax(1) for image in x])
everywhere = (says == y[:, None]).all(1)

# %%
attacked = {
    "FGSM": samlib.fgsm(plane_net, x, y, 0.15),
    "PGD, 10 steps": samlib.pgd(plane_net, x, y, 0.15),
    "PGD, 10 steps, 20 runs": samlib.pgd(plane_net, x, y, 0.15, restarts=20),
}
bounds = {name: samlib.accuracy(plane_net, x_adv, y) for name, x_adv in attacked.items()}
bounds["whole grid"] = everywhere.double().mean().item()
print(*(f"{name:25} {100 * value:5.1f} %" for name, value in bounds.items()), sep="\n")

# %% tags=["guard"]
fgsm_, pgd_, restarts_, truth = bounds.values()
assert fgsm_ >= pgd_ >= restarts_ >= truth - 0.01
assert restarts_ <= truth + 0.02  # or close to it

# %% [markdown]
# PGD with restarts comes down to the truth, or close to it, but only the last line *shows* that (up to the 0.005
# between two points of the grid). With 64 pixels and three values each, there would be $3^{64}$ points to try. So we
# attack, and say what we did.
#
# ### Four faults
#
# The same ResNet and digits, PGD on the cross-entropy, 40 steps of eps / 10, one random start; then with one fault at a
# time:
#
# - *training mode*: the network is attacked and judged in training mode;
# - *eps in normalised pixels*: the attack works behind the layer that divides by 0.376, with the same number for eps;
# - *too few, too short steps*: three of eps / 10, from the digit itself;
# - *no clamp*: pixels may leave [0, 1].

# %%
reported = lesson.four_faults(resnet, some_x, some_y, EPS)
lesson.faults_chart(reported)

# %% tags=["guard"]
no_fault, *too_high, too_low = reported.values()
assert min(too_high) > no_fault + 1
assert too_low < no_fault - 5

# %% [markdown]
# **Explain.** Three faults make the report better: that is why they live long. In training mode another network is
# attacked than the one that will be used. Behind the normalisation the ball has shrunk to 0.376 of its radius. Three
# short steps never reach its edge.
#
# The missing clamp makes the report worse, and is as wrong: the threat model does not allow such pixels.

# %% [markdown]
# ### Exercise 3 · An honest report (medium, 15 minutes)
#
# A colleague reports that our ResNet is almost untouched by l_inf attacks of 0.0625. Here is the code; all four faults
# are in it. Find them.


# %%
def claimed(net, x, y, eps):
    z = net.normalize(x)
    body = torch.nn.Sequential(*list(net)[1:])  # all layers after the normalisation
    z_adv = z
    for _ in range(3):
        z_adv = z_adv.detach().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(body(z_adv), y), z_adv)
        z_adv = z + (z_adv + eps / 10 * slope.sign() - z).clamp(-eps, eps)
    return (body(z_adv).argmax(1) == y).double().mean().item()


# %%
import copy

boast = claimed(copy.deepcopy(resnet).train(), some_x, some_y, EPS)  # in training mode, as it came from training
print(f"claimed: {100 * boast:.1f} % robust; clean accuracy is {100 * clean:.1f} %")

# %% tags=["guard"]
assert boast > 0.9

# %% [markdown]
# Write `honest`, without them, in plain PyTorch. `net` comes in training mode; leave it as you find it. The check
# watches every image that your function shows to the network, and compares your figure with samlib's: take enough
# steps.


# %% tags=["stub"]
def honest(net, x, y, eps):
    """Images x in [0, 1], labels y, l_inf radius eps in pixels -> robust accuracy, a fraction."""
    ...


# %% tags=["solution", "exercise:perturbing_the_input/honest"]
def honest(net, x, y, eps):
    """Images x in [0, 1], labels y, l_inf radius eps in pixels -> robust accuracy, a fraction."""
    was_training = net.training
    net.eval()
    x_adv = x
    for _ in range(20):
        x_adv = x_adv.detach().requires_grad_()
        loss = F.cross_entropy(net(x_adv), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x_adv)
        x_adv = (x + (x_adv + eps / 5 * gradient.sign() - x).clamp(-eps, eps)).clamp(0, 1)
    share = (net(x_adv).argmax(1) == y).double().mean().item()
    net.train(was_training)
    return share


# %%
lesson.honest.check(honest)

# %% [markdown]
# From here on the course uses `samlib.pgd` and `samlib.robust_accuracy`, which take care of all this.
#
# ### Where it fails
#
# - **The loss goes flat.** Where a network is very sure, the cross-entropy's gradient vanishes in 32-bit numbers, and
#   PGD stands still. The network looks robust and is not: one kind of *gradient masking* (lesson 04).
# - **Local maxima.** PGD ends at a maximum near its start. Restarts try others; in 64 dimensions there are too many.
# - **The ball is not the world.** A shifted digit, a shadow, a pen of another colour lie outside.
# - **A number without its attack.** Robust accuracy names norm, eps, steps, step size, restarts, losses and the number
#   of images, or it says nothing.

# %% [markdown]
# ## What you learned
#
# - First the threat model: what the attacker knows, may change, how much, and to what end.
# - The steepest step is eps times $\operatorname{sign}(g)$ in l_inf, eps times $g/\lVert g\rVert_2$ in l_2. FGSM is one
#   such step; PGD is many, each followed by the way back into ball and box.
# - PGD asks a ball three things: where to start, which way is steepest, what is the nearest point inside. Lesson 02
#   asks them of a ball of *weights*.
# - An attack gives an upper bound on robust accuracy. Training mode, wrong units and too few steps raise it; a missing
#   clamp breaks the threat model.
#
# ### Three questions

# %%
lesson.recall_bound.ask()

# %%
lesson.recall_sign.ask()

# %%
lesson.recall_threat.ask()

# %% [markdown]
# ### Sources
#
# - I. Goodfellow, J. Shlens, C. Szegedy 2015, [arXiv 1412.6572](https://arxiv.org/abs/1412.6572): FGSM. In steps: A.
#   Kurakin and others 2017, [arXiv 1607.02533](https://arxiv.org/abs/1607.02533).
# - A. Madry and others 2018, [arXiv 1706.06083](https://arxiv.org/abs/1706.06083): PGD, and training against it.
# - N. Carlini, D. Wagner 2017, [arXiv 1608.04644](https://arxiv.org/abs/1608.04644): the margin loss.
# - N. Carlini and others 2019, *On Evaluating Adversarial Robustness*, [arXiv
#   1902.06705](https://arxiv.org/abs/1902.06705): threat models, and a list of what goes wrong in reports.
# - F. Croce, M. Hein 2020, [arXiv 2003.01690](https://arxiv.org/abs/2003.01690): AutoAttack, several attacks together.
# - The digits: E. Alpaydin and C. Kaynak 1998, UCI Machine Learning Repository, as shipped with scikit-learn.
