# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: Perturbing the input
#     part: core
#     minutes: 70
#     difficulty: medium
#     device: a laptop is enough, no GPU, no download
#     finds: FGSM and PGD from scratch; balls and projections; a robust accuracy is an upper bound, never a proof
# ---

# %% [markdown]
# **After this lesson you can**
#
# - say who attacks, before you attack: what the attacker knows, may change, and wants;
# - write the two attacks that this course uses, FGSM and PGD, and test them against a measurement instead of a library;
# - draw what a step, a ball and a projection are, in the two norms;
# - find the faults that make a network look robust, and say what an honest number promises, and what not.
#
# **You need** Python, PyTorch tensors, and what a gradient is. A **logit** is a network's score for a class; the
# network says the class with the largest. The **loss** $\ell$ is the *cross-entropy*: minus the logarithm of the
# probability that the network gives to the right class, so it is large where that is small.

# %% [markdown]
# ## 1 · Who attacks?
#
# A network classifies a digit correctly. How small a change makes it get the digit wrong? Before any code, four
# questions.
# Their answers together are called the **threat model**, and a robustness figure without one means nothing.
#
# | question | in this course |
# |---|---|
# | What does the attacker know? | everything: the network, its weights, the right answer (*white box*) |
# | What may be changed? | every pixel of the input. Never the weights, never the label |
# | How much? | the **norm** of the change $\delta$ (lesson 00's $dx$) is at most **eps**; pixels stay in [0, 1] |
# | To what end? | that the network says *any* wrong class (*untargeted*) |
#
# Two norms measure the change. **l_inf** is the largest change of a single pixel: each pixel has a budget of its own.
# **l_2** is the Euclidean length of the whole change: all pixels share one budget. (In code: `"linf"` and `"l2"`.) All
# changes within the budget make up a **ball**, of radius eps. Pixels run from 0 (paper) to 1 (ink), and eps is always
# in this unit.
#
# The two balls with the same eps are very different sets. **Predict** how different:

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
# **Explain.** The whole change can become 1 long. In 64 dimensions the l_inf ball reaches $\sqrt{64} = 8$ times as far
# into its corners as the l_2 ball of the same eps. So *never compare an eps in l_inf with one in l_2*. And a promise
# about one ball says little about the other, and nothing about a shift, a rotation or a shadow. They are other threats.

# %% [markdown]
# ## 2 · One step
#
# The attacker wants the loss high. For a small change $\delta$ the loss is nearly a plane,
#
# $$ \ell(x + \delta) \;\approx\; \ell(x) + \langle g, \delta\rangle , \qquad g = \nabla_x\,\ell\,(x), $$
#
# where $g$ holds one slope for each pixel and $\langle g, \delta\rangle$ multiplies pixel by pixel and adds up. Which
# $\delta$ in the ball makes that largest? We call it the **steepest step**; its norm is eps. **Predict:**

# %%
lesson.bet_on_the_step.ask()

# %% [markdown]
# **Move.** An image of only two pixels: a point in the plane. Turn the `gradient`, switch the `norm`, and watch where
# the steepest step (orange) goes. `step size` is the norm of the step. The curve on the right goes once around the edge
# of the ball and shows how much the loss would rise there, for a gradient of length 1; the orange mark is where a
# steepest step of norm eps ends.
#
# Then make `step size` larger than `eps`, and see what brings the point back: first into the ball (**projection**: the
# nearest point of the ball), then into the box of images (a **clamp**: each pixel is cut to [0, 1]).

# %%
one_step = lesson.one_step()
one_step

# %% [markdown]
# **Explain.** In l_2 the steepest step follows the gradient: eps times $g / \lVert g \rVert_2$. In l_inf it goes into a
# *corner*: each pixel spends its whole budget in the direction that its slope says, eps times $\operatorname{sign}(g)$.
# Turn the gradient from 15° to 75°: the l_inf step does not move at all, and past an axis it jumps to the next corner.
# Only the signs count. (On an axis one slope is 0, and that pixel stays where it is.)
#
# Still pictures, l_inf and then l_2, with a step longer than eps:

# %%
from IPython.display import display

display(*(one_step.still(norm=norm, eps=0.25, step_size=0.4) for norm in ("linf", "l2")))

# %% [markdown]
# From the centre of the ball, both projections went straight back. From elsewhere they differ: l_inf cuts the change of
# each pixel to [−eps, eps], l_2 shortens the change as a whole. Twelve changes outside, and where they are projected
# to:

# %%
lesson.projections()

# %% [markdown]
# Is there really nothing better in the ball than the steepest step? Try 100,000 random changes, for a gradient with 64
# slopes:

# %%
generator = torch.Generator().manual_seed(0)
slopes = torch.randn(64, generator=generator)
tried = 0.1 * (2 * torch.rand(100_000, 64, generator=generator) - 1)  # all within l_inf 0.1
steepest_rise = 0.1 * slopes.abs().sum()  # <g, 0.1 sign(g)>
print(f"rise of the loss, best of 100,000: {(tried @ slopes).max():.2f}")
print(f"rise of the loss, steepest step:   {steepest_rise:.2f}")

# %% tags=["guard"]
assert (tried @ slopes).max() < steepest_rise

# %% [markdown]
# Random changes do not come near. *Random directions are no substitute for the worst one.* You will meet this sentence
# again in the space of weights.
#
# ### Before you trust a gradient, measure it
#
# A network, trained here and now on the digits. Pixels go in as they are; its first layer **normalises** them: it
# subtracts the mean pixel, 0.305, and divides by the spread of the pixels, 0.376. (`double` makes it compute with 64
# bits, so that tiny differences are not lost in rounding; `eval` is the mode in which a network is used, which section
# 5 comes to.)

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
# PyTorch computes the slope of the loss in one pixel. So can you, by moving that pixel a little up and a little down
# and dividing by the way. That is a **finite difference**:

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
# Write it. `model` maps images (n, ...) to logits (n, classes). The check compares your step with finite differences.
# It also looks at what you leave behind: an attack must change neither `x` nor anything in the network, its weights'
# `.grad` included.


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
# *Sum or mean over the batch?* With the sum, each image gets the gradient of its own loss. With the mean it gets an
# $n$-th of that, and the sign of it is the same. (Unless the numbers become so small that they vanish; the sum is
# safer.)

# %% [markdown]
# ## 3 · Many steps
#
# FGSM believes the slope at its start for the whole way. But the loss of a network is no plane: it bends. So take
# shorter steps, look at the slope again after each, and come back into the ball and the box each time. That is **PGD**,
# *projected gradient descent* (on minus the loss, so the loss rises). From a start $x_0$ in the ball, here $x$ itself:
#
# $$ x_{k+1} \;=\; \operatorname{clamp}_{[0,1]}\Big( x +
# \operatorname{project}\big( x_k + \text{step size} \cdot \operatorname{steepest}(\nabla\ell(x_k)) - x \big)\Big) $$
#
# Here is a network whose loss bends. It classifies images of two pixels into two classes: class A lies above a wave,
# class B below it.

# %%
generator = torch.Generator().manual_seed(0)
images = torch.rand(600, 1, 1, 2, generator=generator)
first, second = images.flatten(1).T
labels = (second > 0.5 + 0.22 * torch.sin(9 * first)).long()
plane_net = samlib.mlp((32, 32), num_classes=2, input_shape=(1, 1, 2), mean=0.5, std=0.29)
samlib.train(plane_net, images, labels, epochs=150, batch_size=100, weight_decay=1e-4, progress=False)
print(f"{100 * samlib.accuracy(plane_net, images, labels):.1f} % of its training images are classified correctly")

# %% [markdown]
# The attack begins at an image of class A, (0.9, 0.8), a little above a crest of the wave. **Predict:**

# %%
lesson.bet_on_the_path.ask()

# %% [markdown]
# **Move.** Left: every point is an image. Purple is classified as A, green as B, and the darker, the surer; the black
# line is the boundary between them. The white point is the image. The attack raises the loss within the ball (orange),
# a part of which lies outside the box. Its end, a diamond, is filled if it is misclassified. Right: the logit of B
# minus that of A after each step. The higher it is, the higher is the loss.
#
# Begin with one step of 0.25; then make the steps shorter and more. What is the smallest eps on the slider that still
# succeeds?

# %%
path = lesson.path_in_the_plane(plane_net, start=(0.9, 0.8))
path


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
# **Explain.** The ten short steps end higher, and the network misclassifies. The one long step follows the slope at its
# start, to the lower left. A third of the way it is close to the black line; then it goes on, down the other side,
# because it never asks for the slope again. Ten short steps turn in time. They zigzag, because the sign of a slope
# knows only four directions here. The smallest eps of the slider that succeeds is 0.12, in both norms.
#
# Note the balance: steps that are too short for their number never reach the edge of the ball (20 steps of 0.01 get no
# farther than 0.2), and steps that are too long jump to and fro. A common choice is a step size of about 2.5 · eps /
# steps: enough to reach the edge from anywhere, and to move along it.
#
# Still: FGSM and PGD in the same ball, and PGD in the l_2 ball of radius 0.15.

# %%
ten_short = {"steps": 10, "step_size": 0.05}
display(path.still(), path.still(**ten_short), path.still(norm="l2", eps=0.15, **ten_short))

# %% [markdown]
# ### Exercise 2 · PGD, for any ball (medium, 10 minutes)
#
# The ball is an object with two answers: `ball.steepest(slopes)`, a step of norm 1, and `ball.project(delta)`, the
# nearest change inside. `gradient` is a function: give it images, it returns the slopes of their losses. (The check
# gives it finite differences.) Write the loop. If it never asks which norm it is, it will serve for weights as well, in
# lesson 02.


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
# *First the ball, then the box.* The clamp moves every pixel towards $x$, which is an image itself, so it never leaves
# the ball. In l_inf the result is the nearest point that lies in both. In l_2 it lies in both too, but is not always
# the nearest; attack code is commonly content with it.

# %% [markdown]
# ## 4 · A digit under attack
#
# Now 64 pixels. The network is the one from section 2. The attack is `samlib`'s PGD on the cross-entropy, 20 steps of
# eps / 8 from the digit itself, on one digit of each class that the network classifies correctly with a little to spare
# (no attack of l_inf 0.02 breaks it). **Predict:**

# %%
lesson.bet_on_the_pixels.ask()

# %%
digits, kinds = lesson.chosen_digits(net, x_test.double(), y_test)

# %% [markdown]
# **Move** `step` slowly from 0 to 20 and watch the logits: the bar of the right class (black) shrinks, that of the
# largest wrong one (orange) grows. About where it overtakes, the loss crosses the grey line: there the right class has
# a probability of one half. Then switch the `norm` and look at the change; its full colour means 0.3 or more. The `eps`
# slider shows two radii: the first counts for l_inf, the second, four times as large, for l_2.

# %%
attack = lesson.digit_under_attack(net, digits, kinds)
attack

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
# **Explain.** Nearly all of the 64 pixels are as far as they may go, so the l_inf change is flat: each pixel has spent
# its whole budget, on more ink or on less, or it is paper or ink already and cannot go on. (A white pixel that should
# become whiter stays.) The l_2 attack has one budget for all pixels and spends most of it on the few with steep slopes.
# You still recognise the digit.
#
# Is the change just noise? Give each pixel the same 0.125 with a random sign. And is it a quirk of this one network?
# Show the attacked digits to another, which began with other random weights:

# %%
signs = 2 * torch.randint(2, (1000, *digits.shape), generator=torch.Generator().manual_seed(0)) - 1
noisy = (digits + 0.125 * signs).clamp(0, 1).flatten(0, 1)
other = samlib.mlp(seed=1)
samlib.train(other, x_train, y_train, seed=1, progress=False)
by_noise = (net(noisy).argmax(1) == kinds.repeat(1000)).double().mean().item()
by_attack, by_transfer = ((model(ended).argmax(1) == kinds).sum() for model in (net, other.double()))
print(f"classified correctly at l_inf 0.125, random signs: {100 * by_noise:.1f} %")
print(f"attacked: {by_attack} of 10 by this network, {by_transfer} of 10 by the other")

# %% tags=["guard"]
assert by_noise > 0.97
assert by_attack <= 5
assert by_transfer <= 6

# %% [markdown]
# It is no noise, and no quirk. Random signs are harmless, and the attack on one network misleads the other as well: it
# **transfers**. Ten digits and two networks of one shape are no study, but a warning: an attacker may not even need to
# know the weights.
#
# Still, the digit 3 under both:

# %%
display(attack.still(digit=3, norm="linf"), attack.still(digit=3, norm="l2"))

# %% [markdown]
# ## 5 · An upper bound, never a proof
#
# **Robust accuracy** is the share of images that are classified correctly and stay so under *every* change within the
# ball. An attack tries some changes. What it breaks is broken. What it does not break may still fall to a better
# attack. So a measured robust accuracy is an **upper bound** of the true one. Whoever makes the attack weaker makes the
# number larger.
#
# Here is a small **ResNet**: layers of *convolutions* (little templates that slide over the image), with shortcuts
# around them. It also has layers called **BatchNorm**. They normalise what passes through: in **training mode** by the
# mean and spread of the batch at hand, in **evaluation mode** by those remembered from training. A network is used, and
# attacked, in evaluation mode; `samlib` sees to it.
#
# The threat: 100 test digits, l_inf eps = 0.0625. PGD starts at a random point of the ball; a **restart** is another
# run from another point, and an image counts as broken if any point of any run breaks it. There are two losses to
# maximise: the cross-entropy, and the **margin loss**, the best wrong logit minus the right one (lesson 00's margin
# with its sign turned: above 0 the image is misclassified).

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
# **Move.** Begin with few steps of 0.02 eps. How high can you make the number? How low? On the right are the 100
# digits: those on orange are broken, those on grey are misclassified without an attack. The black line is what all
# attacks behind these controls leave when they work *together*.

# %%
robust = lesson.robust_on_the_way(resnet, some_x, some_y, EPS)  # 40 steps, four runs, two losses, four step sizes
bound = lesson.upper_bound(robust, some_x)
bound

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
assert 22 < 100 * clean - left(40, 0.1, 1, "ce") < 38  # about 30 of them
assert union <= left(40, 0.1, 1, "ce")

# %% [markdown]
# **Explain.** Forty steps of eps / 10 break about 30 digits, where three broke a few. The first figure said more about
# the attack than about the network: one network, one eps, and a "robust accuracy" of anything between the largest of
# these numbers and the smallest. Steps that cannot reach the edge of the ball cost the most; restarts and another loss
# still find a few digits that one run missed. `samlib.robust_accuracy` therefore tries several attacks, one after
# another, and counts as broken what any of them breaks.
#
# The curve goes flat, and that is comforting, but *a flat curve is no proof*: it says that more of *this* attack does
# not help. Lesson 04 shows networks for which it goes flat far too high.
#
# Still: three short steps on the cross-entropy, and forty on the margin loss with four runs.

# %%
display(bound.still(), bound.still(steps=40, runs=4, loss="margin"))

# %% [markdown]
# In two dimensions one can simply look everywhere. For 200 images of the two-pixel network, l_inf eps = 0.15, and a
# grid of 61 × 61 points in each ball:

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

# %% [markdown]
# PGD with restarts comes down to the truth, or close to it, but only the last line *shows* that. (And even it tries no
# changes closer to each other than the 0.005 from one point of the grid to the next.) With 64 pixels and only three
# values each, there would be $3^{64}$ points to look at. So we attack, and say what we did.
#
# ### Exercise 3 · Where to start (medium, 8 minutes)
#
# A restart should begin anywhere in the ball with equal chance (**uniformly**). In l_inf that is easy: draw each
# pixel's change by itself. In l_2, much published code draws a direction, and then a radius uniformly from 0 to eps. In
# how many dimensions is that right? Write `l2_start`: changes drawn uniformly from the l_2 ball.


# %% tags=["stub"]
def l2_start(x, eps, generator):
    """Images x (n, ...), radius eps, a torch.Generator to draw from -> changes (n, ...), uniform."""
    ...


# %% tags=["solution", "exercise:perturbing_the_input/l2_start"]
def l2_start(x, eps, generator):
    """Images x (n, ...), radius eps, a torch.Generator to draw from -> changes (n, ...), uniform."""
    delta = torch.randn(x.shape, generator=generator, dtype=x.dtype).flatten(1)
    delta = delta / delta.norm(dim=1, keepdim=True)
    radius = eps * torch.rand(len(x), 1, generator=generator, dtype=x.dtype) ** (1 / delta.shape[1])
    return (radius * delta).view_as(x)


# %%
lesson.l2_start.check(l2_start)

# %% [markdown]
# A uniform radius is right in one dimension only. In 64, half of the ball lies farther out than 0.989 eps, and such
# starts hardly ever do. Does it matter? That is a question for a measurement: PGD on the ResNet in the l_2 ball of 0.5,
# ten steps of 0.125, six runs, from either kind of start.

# %%
ball, robust_to = samlib.balls.L2(0.5), {}
for name in ("uniform in the ball", "uniform radius"):
    generator, robust_to[name] = torch.Generator().manual_seed(0), torch.ones(100, dtype=torch.bool)
    for _ in range(6):
        delta = ball.random_start(some_x, generator)
        if name == "uniform radius":
            delta = 0.5 * torch.rand(100, 1, 1, 1, generator=generator) * ball.steepest(delta)
        ends = lesson.pgd_path(resnet, some_x, some_y, ball, 10, 0.125, (some_x + delta).clamp(0, 1))[-1]
        robust_to[name] &= resnet.eval()(ends).argmax(1) == some_y
both = [100 * value.double().mean().item() for value in robust_to.values()]
print(*(f"{name}: {value:.1f} % robust" for name, value in zip(robust_to, both, strict=True)), sep="\n")

# %% tags=["guard"]
assert abs(both[0] - both[1]) < 6
assert round(0.5 ** (1 / 64), 3) == 0.989

# %% [markdown]
# On this network, hardly: ten steps forget where they began. So nobody would see this fault in the result. That is a
# reason to get it right in the code, where a paper says *uniform in the ball*.
#
# ### Four faults
#
# A colleague reports that our ResNet is almost untouched by l_inf attacks of 0.0625. The honest figure first: PGD on
# the cross-entropy, 40 steps of eps / 10, one random start. Now one fault at a time:
#
# - *training mode*: the network is attacked and judged in training mode;
# - *eps in normalised pixels*: the attack works behind the layer that divides by 0.376, with the same number for eps;
# - *too few, too short steps*: three of eps / 10, from the digit itself;
# - *no clamp*: pixels may leave [0, 1].
#
# What does each do to the figure? **Predict:**

# %%
lesson.bet_on_the_faults.ask()

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
# short steps never see its edge. The missing clamp makes the attacker stronger than the threat model allows: darker
# than ink, lighter than paper. It makes the report worse, and is as wrong.
#
# Here is the colleague's code. All four are in it:


# %%
import copy


def claimed(net, x, y, eps):
    z = net.normalize(x)
    body = torch.nn.Sequential(*list(net)[1:])  # all layers after the normalisation
    z_adv = z
    for _ in range(3):
        z_adv = z_adv.detach().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(body(z_adv), y), z_adv)
        z_adv = z + (z_adv + eps / 10 * slope.sign() - z).clamp(-eps, eps)
    return (body(z_adv).argmax(1) == y).double().mean().item()


boast = claimed(copy.deepcopy(resnet).train(), some_x, some_y, EPS)  # in training mode, as it came from training
print(f"claimed: {100 * boast:.1f} % robust; clean accuracy is {100 * clean:.1f} %")

# %% tags=["guard"]
assert boast > 0.9

# %% [markdown]
# ### Exercise 4 · An honest report (medium, 12 minutes)
#
# Write `honest`, with none of the four faults, in plain PyTorch: the point is to see what a library takes care of.
# `net` comes in training mode, as from training; leave it as you find it. The check watches every image that your
# function shows to the network, and compares your figure with samlib's: take enough steps.


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
# From here on the course uses `samlib.pgd` and `samlib.robust_accuracy`, which take care of all this. Now you know what
# they do.
#
# ### Where it fails
#
# - **The loss goes flat.** Where a network is very sure, the cross-entropy's gradient is so small that it vanishes in
#   32-bit numbers, and PGD stands still. The network looks robust and is not. That is one kind of *gradient masking*,
#   and lesson 04 is about it.
# - **Hills.** PGD ends on the hill where it starts. Restarts try other hills; in 64 dimensions, and more so in the
#   3,072 of a small colour photograph (32 × 32 × 3), there are too many to try all.
# - **The ball is not the world.** l_inf and l_2 balls are a model of "a change that nobody notices". They are easy to
#   compute with. A shifted digit, a shadow, a pen of another colour lie outside.
# - **A number without its attack.** Robust accuracy names norm, eps, steps, step size, restarts, losses and the number
#   of images, or it says nothing.

# %% [markdown]
# ## What you learned
#
# - First the threat model: what the attacker knows, may change, how much, and to what end.
# - The steepest step is eps times $\operatorname{sign}(g)$ in l_inf, eps times $g/\lVert g\rVert_2$ in l_2. FGSM is one
#   such step; PGD is many, each followed by the way back into ball and box.
# - Three questions are all that PGD asks of a ball: where to start, which way is steepest, what is the nearest point
#   inside. Lesson 02 asks them of a ball of *weights*.
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
# - I. Goodfellow, J. Shlens, C. Szegedy 2015, [arXiv 1412.6572](https://arxiv.org/abs/1412.6572): FGSM.
# - A. Madry and others 2018, [arXiv 1706.06083](https://arxiv.org/abs/1706.06083): PGD, and training against it.
# - N. Carlini and others 2019, *On Evaluating Adversarial Robustness*, [arXiv
#   1902.06705](https://arxiv.org/abs/1902.06705): threat models, and a list of what goes wrong in reports.
# - F. Croce, M. Hein 2020, [arXiv 2003.01690](https://arxiv.org/abs/2003.01690): AutoAttack, several attacks together.
# - Z. Wei, J. Zhu, Y. Zhang 2023, [arXiv 2305.05392](https://arxiv.org/abs/2305.05392): the paper of this course; it
#   attacks with PGD.
# - The digits: E. Alpaydin and C. Kaynak 1998, UCI Machine Learning Repository, as shipped with scikit-learn.
