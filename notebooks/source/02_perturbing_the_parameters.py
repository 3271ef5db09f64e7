# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: Perturbing the parameters
#     minutes: 45
#     difficulty: medium
#     device: a laptop is enough, no GPU, no download
# ---

# %% [markdown]
# **After this lesson you can**
#
# - say what sharpness is, measure it, and say what the number leaves out;
# - write SAM yourself, and recognise the mistakes that still train;
# - make a flat network look sharp without changing a single output, and build a meter that does not fall for it;
# - say where SAM's climb goes, and what happens when it is too long.
#
# **You need** Python, vectors, and that a network is trained by following gradients. Lesson 01 does the same to the input; you
# can take the two in any order.

# %% [markdown]
# ## 1 · How far does the loss rise?
#
# Take all weights and biases of a network and write them below each other: one long vector $w$. Its **training loss** $L(w)$ is
# the mean cross-entropy over the training images. Training has brought it down. Now move the weights, all at once, by some $dw$.
# How far can the loss rise, if $dw$ may have any direction, and a length of at most **rho**?
#
# $$ S(\rho) \;=\; \max_{\lVert dw\rVert \,\le\, \rho} L(w + dw) \;-\; L(w) $$
#
# This number is called **sharpness**, the **worst case in a ball** of radius rho around the weights. The length $\lVert dw\rVert$ is the Euclidean one,
# the root of the sum of squares over all weights together. Compare with an attack: the same question with pixels in
# place of weights, and a radius eps. rho is a length in weight space, eps one in pixel space. They never share a unit.
#
# Nobody can compute this maximum exactly for a network. What one can do is **climb**: go rho along the gradient, which is the steepest
# direction; then, if you like, take more steps, and after each come back into the ball. A climb gives a *lower bound*: the true
# maximum is at least that high.
#
# Two networks to measure, trained here and now: one in the usual way (SGD), one with SAM, which you will write in section 2.

# %%
import samlib

x_train, y_train, x_test, y_test = samlib.load_digits()
nets = {}
for name, method in [("SGD", {"method": "sgd"}), ("SAM", {"method": "sam", "rho": 0.4})]:
    nets[name] = samlib.mlp(hidden=(48, 48), mean=0.0, std=1.0)  # 64 pixels -> 48 -> 48 -> 10 digits
    samlib.train(nets[name], x_train, y_train, **method, progress=False)
    nets[name].double()  # 16 digits instead of 8: this lesson looks at small differences
    print(f"{name}: {100 * samlib.accuracy(nets[name], x_test.double(), y_test):.1f} % of the test digits are right")
x_train, x_test = x_train.double(), x_test.double()
weights = sum(p.numel() for p in nets["SGD"].parameters())
assert weights == 5962
print("weights and biases in each:", weights)

# %% [markdown]
# ### Predict
#
# A climb looks for the worst direction. A cheaper idea: throw dice, try twenty directions at random, and keep the worst.

# %%
from samlib.exercises import perturbing_the_parameters as lesson

lesson.bet_on_random.ask()

# %% [markdown]
# ### Move
#
# Raise `rho`, and look at the three directions in turn. On the left the loss of both networks on the way, in that direction; on the right how far
# it rises at the end of it, for all three. Both scales of height are logarithmic: each grey line on the right is ten times the one below.
# (A rise below 0.00001 is drawn at 0.00001.)

# %% tags=["hide-input"]
import numpy as np
import torch
from samlib.sharpness import along, climb

RHOS, KINDS, SHARES = [0.01, 0.05, 0.1, 0.2, 0.4, 0.8], ["random", "1 step", "20 steps"], np.linspace(0, 1, 17)


def random_directions(net, count=20):
    """Directions of length 1, uniform on the sphere, each as a change of every parameter by name."""
    generator, parameters = torch.Generator().manual_seed(0), dict(net.named_parameters())
    for _ in range(count):
        drawn = {n: torch.randn(p.shape, generator=generator).to(p.dtype) for n, p in parameters.items()}
        length = torch.cat([d.flatten() for d in drawn.values()]).norm()
        yield {n: d / length for n, d in drawn.items()}


# %% tags=["hide-input"]
WAYS = {}  # (network, kind, rho) -> losses on the way from the weights to distance rho, at the distances rho * SHARES
for name, net in nets.items():
    ends = torch.stack([along(net, x_train, y_train, d, [0.0, *RHOS]) for d in random_directions(net)])
    best = list(random_directions(net))[int(ends[:, -2].argmax())]  # the worst of the twenty at rho = 0.4
    for rho in RHOS:
        WAYS[name, "random", rho] = along(net, x_train, y_train, best, rho * SHARES).numpy()
        for steps in (1, 20):
            delta = climb(net, x_train, y_train, rho, steps).delta
            kind = f"{steps} step{'s' if steps > 1 else ''}"
            WAYS[name, kind, rho] = along(net, x_train, y_train, delta, SHARES).numpy()

# %% tags=["hide-input"]
from samlib import plots, widgets

figure = widgets.figure(8.4, 3.6)
slopes = plots.Climbs(figure, {"SGD": "grey", "SAM": "blue"}, KINDS)


def look(rho, kind, ways=WAYS, slopes=slopes, kinds=tuple(KINDS), shares=SHARES):
    rises = {n: [ways[n, k, rho].max() - ways[n, k, rho][0] for k in kinds] for n in ("SGD", "SAM")}
    slopes.show(rho, kind, {n: (rho * shares, ways[n, kind, rho]) for n in rises}, rises)
    said = ", ".join(f"{n} by {rise[kinds.index(kind)]:.5f}" for n, rise in rises.items())
    return f"Within rho {rho:g}, direction {kind}, the loss rises: {said}."


# %% tags=["hide-input"]
controls = {
    "rho": widgets.choice_slider("rho: radius in weight space", RHOS, 0.1),
    "kind": widgets.toggle("direction", KINDS, "random"),
}
widgets.live(figure, look, controls)

# %% [markdown]
# ### Explain
#
# - **A random direction is not the worst one.** In 5,962 dimensions a random direction is almost at right angles to every steep
#   one. The loss hardly moves, and a network looks flat that is not.
# - **One step is not many.** Training has made the gradient small, and near the floor it says little about the walls. At rho = 0.4,
#   one step finds a small part of what 20 steps find.
# - **SAM's network is flatter here.** It starts higher, and yet at rho = 0.4 its worst place lies far lower than SGD's.
# - **But look at rho = 0.01.** There SAM's network is the sharper one. Keep that in mind for section 3.

# %%
rise = {key: losses.max() - losses[0] for key, losses in WAYS.items()}
for rho in (0.01, 0.4):
    for name in nets:
        print(f"rho {rho:<4} {name}:", *(f"{kind} {rise[name, kind, rho]:.5f}  " for kind in KINDS))
assert rise["SGD", "20 steps", 0.4] > 100 * rise["SGD", "random", 0.4]
assert rise["SGD", "20 steps", 0.4] > 10 * rise["SGD", "1 step", 0.4]
assert rise["SGD", "20 steps", 0.4] > 5 * rise["SAM", "20 steps", 0.4]
assert rise["SGD", "20 steps", 0.01] < rise["SAM", "20 steps", 0.01]
assert WAYS["SAM", "1 step", 0.4][0] > WAYS["SGD", "1 step", 0.4][0]

# %% [markdown]
# The same as still pictures: the three directions at rho = 0.4, and then the loss after each of 20 steps.

# %% tags=["hide-input"]
from IPython.display import display

for kind in KINDS:
    alt = look(0.4, kind)
    display(widgets.still(figure, alt))

# %% tags=["hide-input"]
still = widgets.figure(8.4, 2.9)
panel = still.subplots()
still.subplots_adjust(left=0.08, right=0.99, top=0.97, bottom=0.17)
path = {}
for name, style in (("SGD", "grey"), ("SAM", "blue")):
    path[name] = climb(nets[name], x_train, y_train, 0.4, 20).losses
    panel.semilogy(path[name], label=name, markersize=4, **plots.STYLES[style])
panel.set(xlabel="steps of the climb, rho = 0.4", ylabel="mean training loss", xticks=range(0, 21, 2))
panel.legend(frameon=False)
assert path["SGD"][5] > 0.7 * path["SGD"][20] > 5 * path["SGD"][1]
widgets.still(
    still, "Loss over 20 steps of a climb: SGD's rises steeply over the first five, SAM's slowly and stays far below."
)

# %% [markdown]
# ## 2 · SAM in a dozen lines
#
# If sharp places are unwelcome, why not train against them? **SAM**, sharpness-aware minimization (Foret and others 2021), asks for
# weights whose *worst neighbour* has a low loss:
#
# $$ \min_w \; \max_{\lVert dw\rVert \le \rho} L(w + dw) $$
#
# A climb of 20 steps before each training step would be dear. SAM takes *one*, on the images of the batch:
#
# $$ dw = \rho\,\frac{\nabla L(w)}{\lVert\nabla L(w)\rVert}, \qquad\text{then}\qquad w \;\leftarrow\; w - \text{step size}\cdot\nabla L(w + dw) . $$
#
# Read the second formula twice. The gradient is taken at the top of the climb, $w + dw$. The step starts at $w$.
#
# Here it is for a loss of two weights, a valley whose floor is a line of loss 0: $L(u, v) = \frac12\,c(u)\,v^2$. The factor $c(u)$
# says how steep the walls are at $u$.


# %%
def curvature(u):
    return 1 + 4 * (u - 1) ** 2  # steep at the left, least at u = 1


def slope(w):
    u, v = w
    return np.array([4 * (u - 1) * v**2, curvature(u) * v])


def train_in_the_valley(rho, steps=200, step_size=0.02):
    path, tops = [np.array([-1.0, 0.8])], []
    for _ in range(steps + 1):
        gradient = slope(path[-1])
        tops.append(path[-1] + rho * gradient / max(np.linalg.norm(gradient), 1e-12))
        path.append(path[-1] - step_size * slope(tops[-1]))
    return np.array(path), np.array(tops)


# %%
lesson.bet_on_the_valley.ask()

# %% [markdown]
# **Move** `rho`, then go through the `steps`. The grey lines are heights of equal loss, the dotted green one the floor.

# %% tags=["hide-input"]
VALLEY = {rho: train_in_the_valley(rho) for rho in (0.0, 0.05, 0.1, 0.2, 0.4)}
u, v = np.linspace(-1.3, 1.5, 90), np.linspace(-0.7, 1.0, 60)
scene = widgets.figure(8.4, 4.0)
floor = plots.Valley(scene.add_axes([0.08, 0.13, 0.9, 0.79]), u, v, 0.5 * curvature(u) * v[:, None] ** 2)


def walk(rho, steps, valley=VALLEY, floor=floor):
    path, tops = valley[rho]
    (a, b), name = path[steps], f"SAM, rho = {rho:g}" if rho else "SGD"
    steep = 1 + 4 * (a - 1) ** 2
    floor.show(path[: steps + 1], tops[steps], f"{name}, {steps} steps: walls of steepness {steep:.1f}")
    return f"{name} after {steps} steps is at u = {a:.2f}, v = {b:.2f}, where the valley's walls have steepness {steep:.1f}."


# %% tags=["hide-input"]
controls = {
    "rho": widgets.choice_slider("rho: climb in weight space", [("0 (SGD)", 0.0), 0.05, 0.1, 0.2, 0.4], 0.0),
    "steps": widgets.choice_slider("steps of training", [0, 1, 2, 5, 10, 20, 50, 100, 200], 20),
}
widgets.live(scene, walk, controls)

# %% [markdown]
# **Explain.** SGD walks down to the nearest point of the floor and stays there: the gradient is zero. SAM is never done. From the
# floor it climbs a wall, finds there a gradient that points down and, since the valley opens to the right, a little to the right;
# the part downhill makes it cross the floor, the part to the right adds up. So it drifts to where the walls are least steep.
# A larger rho looks further up, and drifts faster.

# %%
for rho, (path, _) in VALLEY.items():
    print(f"rho {rho:<4}  after 200 steps at u = {path[200][0]:5.2f}, steepness {curvature(path[200][0]):4.1f}")
steepness = [curvature(path[200][0]) for path, _ in VALLEY.values()]
assert steepness == sorted(steepness, reverse=True)
assert steepness[0] > 10 * steepness[-1]
assert all(abs(path[200][1]) < 0.1 for path, _ in VALLEY.values())

# %% tags=["hide-input"]
for rho in (0.0, 0.2):
    alt = walk(rho, 100)
    display(widgets.still(scene, alt))

# %% [markdown]
# For a real network nothing is new: all its weights are one vector. `samlib.SAM` wraps any optimizer of torch; here only its climb:

# %%
import torch.nn.functional as F

net = samlib.mlp(hidden=(48, 48), mean=0.0, std=1.0).double()
before = [p.detach().clone() for p in net.parameters()]
optimizer = samlib.SAM(torch.optim.SGD(net.parameters(), lr=0.1), rho=0.4)
F.cross_entropy(net(x_train[:128]), y_train[:128]).backward()
optimizer.first_step()  # up, along the gradient
moved = torch.cat([(p - old).flatten() for p, old in zip(net.parameters(), before, strict=True)]).norm().item()
optimizer.restore()  # and back
assert abs(moved - 0.4) < 1e-9
assert all(torch.equal(p, old) for p, old in zip(net.parameters(), before, strict=True))
print(f"the weights moved by {moved:.6f} in all, and are back where they were, bit for bit")

# %% [markdown]
# ### Exercise 1 · Write SAM (medium, 12 minutes)
#
# One step of SAM on one batch, without `samlib.SAM`. `optimizer` is any optimizer of torch over all of the model's weights; let *it*
# take the last move, with the gradient that you leave in `.grad`. The loss is the mean cross-entropy. Many wrong versions train too,
# just not as well; the check knows a dozen of them.


# %% tags=["stub"]
def sam_step(model, x, y, optimizer, rho):
    """model: x (b, 1, 8, 8) -> logits (b, 10); y (b,), int64 -> the loss before the step, one number.

    Changes the model's weights as one step of SAM with radius rho does.
    """
    ...


# %% tags=["solution", "exercise:02 sam step"]
def sam_step(model, x, y, optimizer, rho):
    """model: x (b, 1, 8, 8) -> logits (b, 10); y (b,), int64 -> the loss before the step, one number."""
    weights = list(model.parameters())
    loss = F.cross_entropy(model(x), y)
    gradients = torch.autograd.grad(loss, weights)
    length = torch.cat([g.flatten() for g in gradients]).norm()
    before = [w.detach().clone() for w in weights]
    with torch.no_grad():
        for w, g in zip(weights, gradients, strict=True):
            w += rho * g / length
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    with torch.no_grad():
        for w, old in zip(weights, before, strict=True):
            w.copy_(old)
    optimizer.step()
    return loss.item()


# %%
lesson.sam_step.check(sam_step)  # lesson.sam_step.hint() and lesson.sam_step.solution() help

# %% [markdown]
# ## 3 · The meter that lies
#
# So SAM's network has a lower sharpness at rho = 0.4. Does that make it the flatter *function*? A number should not be trusted before
# one has tried to fool it.
#
# Our networks use ReLU, which keeps what is positive and sets the rest to 0. So $\mathrm{ReLU}(a z) = a\,\mathrm{ReLU}(z)$ for every $a > 0$:
# a layer can be made larger by $a$ and the next one smaller by $a$, and the outputs stay what they were.
#
# ### Exercise 2 · A disguise (easy, 5 minutes)
#
# Write it for a network of three layers: `layers` is a list of three pairs (weight matrix, bias). Multiply the first weight matrix
# by `a`, and change what else you must, so that no logit changes.


# %% tags=["stub"]
def disguise(layers, a):
    """layers: [(W1, b1), (W2, b2), (W3, b3)] of a ReLU network, a > 0 -> layers of the same function, with a * W1."""
    ...


# %% tags=["solution", "exercise:02 disguise"]
def disguise(layers, a):
    """layers: [(W1, b1), (W2, b2), (W3, b3)] of a ReLU network, a > 0 -> layers of the same function, with a * W1."""
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
# Pull `a` to both ends. Then switch the meter. The **absolute** one is sharpness as above. The **relative** one counts
# each weight matrix and each bias in units of its own length: $dw_k = \lVert w_k\rVert\,u_k$, and all $u_k$ together may be rho long. With
# rho = 0.05 a layer that carries all of it moves by 5 % of its size. Last, make the radius small. (Factor `a`:
# layer 1 times a, layer 2 divided by a. On the right the length of each layer's weight matrix.)

# %% tags=["hide-input"]
from samlib.duality import rescale
from samlib.sharpness import worst_case

FACTORS = [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0]
RADII = {
    ("absolute", "large"): 0.4,
    ("absolute", "small"): 0.01,
    ("relative", "large"): 0.05,
    ("relative", "small"): 0.002,
}
twins = {a: rescale(nets["SAM"], a) for a in FACTORS}  # the same function, eleven times
SIZES = {a: [getattr(twin, f"fc{k}").weight.detach().norm().item() for k in (1, 2, 3)] for a, twin in twins.items()}
SHARP = {}
for (meter, size), rho in RADII.items():
    setting = {"rho": rho, "relative": "layer" if meter == "relative" else None}
    SHARP["SGD", meter, size] = worst_case(nets["SGD"], x_train, y_train, **setting)
    SHARP["SAM", meter, size] = [worst_case(twin, x_train, y_train, **setting) for twin in twins.values()]

# %% tags=["hide-input"]
gauge = widgets.figure(8.4, 3.7)
dial = plots.Meter(gauge, FACTORS, "SAM", "SGD", ["layer 1", "layer 2", "layer 3"])


def measure(a, meter, size, dial=dial, sharp=SHARP, radii=RADII, sizes=SIZES, factors=tuple(FACTORS)):
    curve, fixed = sharp["SAM", meter, size], sharp["SGD", meter, size]
    dial.show(a, curve, fixed, sizes[a], f"{meter} radius, rho = {radii[meter, size]:g}")
    now = curve[factors.index(a)]
    who = "SAM's" if now > fixed else "SGD's"
    return f"{meter}, rho {radii[meter, size]:g}, a {a:g}: SAM {now:.4f}, SGD {fixed:.4f}; {who} looks sharper."


# %% tags=["hide-input"]
controls = {
    "a": widgets.choice_slider("a: factor of the rescaling", FACTORS, 1.0),
    "meter": widgets.toggle("meter: units of rho", ["absolute", "relative"], "absolute"),
    "size": widgets.toggle("radius", ["large", "small"], "large"),
}
widgets.live(gauge, measure, controls)

# %% [markdown]
# ### Explain
#
# - **The meter lies.** Eleven networks that are one and the same function, and in absolute units their sharpness differs by a factor of
#   hundreds. At both ends of the slider, SAM's network looks sharper than SGD's. To whoever uses it, nothing has happened.
# - **Why.** At a = 0.2 the first layer is small. A step of 0.4 is now a large one for it.
# - **The relative radius mends that.** Its units grow and shrink with the layers; the curve is flat.
# - **It does not settle which network is flatter.** With the large radius SAM's is, with the small one SGD's, in absolute and in
#   relative units alike. Close to the weights the rise is rho times the length of the gradient, and SAM, which never came to rest on the
#   floor, has the longer gradient. Further out the walls count. *A smaller sharpness number is not a flatter function*: it is a number in some unit,
#   at some radius. Name both.

# %%
logits = nets["SAM"](x_test)
change = max((twin(x_test) - logits).abs().max().item() for twin in twins.values())
assert change < 1e-10
large = SHARP["SAM", "absolute", "large"]
assert max(large) > 100 * min(large)
assert min(large[:2] + large[-2:]) > SHARP["SGD", "absolute", "large"] > large[FACTORS.index(1.0)]
for size in ("large", "small"):
    relative = SHARP["SAM", "relative", size]
    assert max(relative) < 1.001 * min(relative)
    for meter in ("absolute", "relative"):
        flatter = SHARP["SAM", meter, size][FACTORS.index(1.0)] < SHARP["SGD", meter, size]
        assert flatter == (size == "large")
print(f"largest change of a logit: {change:.0e}; sharpness, absolute, from {min(large):.3f} to {max(large):.1f}")

# %%
lengths = {}
for name, net in nets.items():
    gradients = torch.autograd.grad(F.cross_entropy(net(x_train), y_train), list(net.parameters()))
    lengths[name] = torch.cat([g.flatten() for g in gradients]).norm().item()
assert lengths["SAM"] > 2 * lengths["SGD"]
print("length of the gradient at the end of training:", {name: round(value, 4) for name, value in lengths.items()})

# %% [markdown]
# And the pixels? A change of the weights that no logit sees, no attack sees either. Robust accuracy (the share of test digits that
# withstand every attack) at l_inf eps = 0.125, for SAM's network and for its twin at a = 0.2, whose sharpness is more than fifty times as large:

# %%
robust = {a: samlib.robust_accuracy(twins[a], x_test, y_test, 0.125) for a in (1.0, 0.2)}
assert abs(robust[1.0] - robust[0.2]) < 0.002
assert large[FACTORS.index(0.2)] > 50 * large[FACTORS.index(1.0)]
print({f"a = {a:g}": f"{100 * value:.1f} %" for a, value in robust.items()})

# %% tags=["hide-input"]
for meter, size in (("absolute", "large"), ("relative", "large"), ("relative", "small")):
    alt = measure(0.2, meter, size)
    display(widgets.still(gauge, alt))

# %% [markdown]
# ### Exercise 3 · A climb that no disguise fools (hard, 10 minutes)
#
# Write the first step of the relative climb. `weights` and `gradients` are lists of K tensors of equal shapes; return the K steps
# $dw_k$ that raise the loss most (to first order) among all with
#
# $$ \sqrt{\textstyle\sum_k \left(\lVert dw_k\rVert / \lVert w_k\rVert\right)^2} \;=\; \rho . $$


# %% tags=["stub"]
def relative_step(weights, gradients, rho):
    """K weights, K gradients of the same shapes, a relative radius -> K steps of the same shapes."""
    ...


# %% tags=["solution", "exercise:02 relative step"]
def relative_step(weights, gradients, rho):
    """K weights, K gradients of the same shapes, a relative radius -> K steps of the same shapes."""
    scaled = [w.norm() * g for w, g in zip(weights, gradients, strict=True)]
    length = torch.cat([s.flatten() for s in scaled]).norm()
    return [w.norm() * rho * s / length for w, s in zip(weights, scaled, strict=True)]


# %%
lesson.relative_step.check(relative_step)

# %% [markdown]
# ## 4 · Where the climb goes, and where it breaks
#
# The disguise fools more than a meter. SAM shares one rho among all layers: a layer with the share $s$ of the gradient's squared length receives
# the share $s$ of rho², and moves by $\sqrt{s}\,\rho$. What if the layers change size?

# %%
lesson.bet_on_the_shares.ask()

# %% [markdown]
# **Move** `a` to both ends, for a climb in absolute units; then in relative ones.

# %% tags=["hide-input"]
from samlib.sharpness import climb_shares

LAYERS = ["fc1", "fc2", "fc3"]


def shares_of(net, relative, x=x_train, y=y_train):
    """Each layer's share of rho² in the climb's first step."""
    if not relative:
        return [climb_shares(net, x, y)[layer] for layer in LAYERS]
    parameters = {n: p.detach() for n, p in net.named_parameters()}
    delta = climb(net, x, y, 0.01, 1, relative="layer").delta
    squares = {n: float((d.norm() / parameters[n].norm()) ** 2) for n, d in delta.items()}
    return [sum(s for n, s in squares.items() if n.startswith(layer)) / sum(squares.values()) for layer in LAYERS]


# %% tags=["hide-input"]
PARTS = {
    (name, a, meter): shares_of(rescale(nets[name], a), meter == "relative")
    for name in nets
    for a in FACTORS
    for meter in ("absolute", "relative")
}

# %% tags=["hide-input"]
pie = widgets.figure(8.4, 3.3)
axes = pie.add_axes([0.08, 0.1, 0.91, 0.8])
bars = plots.Shares(axes, ["layer 1", "layer 2", "layer 3"], {"SGD": "grey", "SAM": "blue"}, "share of rho² (%)")


def share_out(a, meter, parts=PARTS, bars=bars):
    shares = {name: parts[name, a, meter] for name in ("SGD", "SAM")}
    bars.show(shares, f"{meter} climb, both networks rescaled by a = {a:g}")
    said = "; ".join(f"{name} {', '.join(f'{100 * s:.0f} %' for s in found)}" for name, found in shares.items())
    return f"Shares of the three layers in a climb measured in {meter} units, a = {a:g}: {said}."


# %% tags=["hide-input"]
controls = {
    "a": widgets.choice_slider("a: factor of the rescaling", FACTORS, 1.0),
    "meter": widgets.toggle("climb: units of rho", ["absolute", "relative"], "absolute"),
}
widgets.live(pie, share_out, controls)

# %% [markdown]
# **Explain.** When a layer is made ten times smaller, its gradient grows tenfold, and it draws the whole climb to itself; at the
# other end of the slider the second layer does. SAM itself is not blind to the disguise: *two networks that are the same function are trained
# differently from there*. That is one reason for relative versions of SAM, such as ASAM (`samlib.SAM(..., adaptive=True)`).
#
# Look also at a = 1. In the SAM network the first layer takes more than half of the climb, in the SGD network less. Remember it:
# the first layer is the one next to the pixels, and lesson 03 shows that in this network its climb carries most of what SAM does for
# robustness. (In other networks it need not.)

# %%
assert all(PARTS[name, 0.1, "absolute"][0] > 0.97 and PARTS[name, 10.0, "absolute"][1] > 0.97 for name in nets)
assert PARTS["SAM", 1.0, "absolute"][0] > 0.5 > PARTS["SGD", 1.0, "absolute"][0]
for name in nets:
    relative = np.array([PARTS[name, a, "relative"] for a in FACTORS])
    assert np.ptp(relative, axis=0).max() < 1e-6
    absolute = PARTS[name, 1.0, "absolute"]
    moves = ", ".join(f"{layer} {0.4 * share**0.5:.2f}" for layer, share in zip(LAYERS, absolute, strict=True))
    print(f"{name}, a = 1: of rho = 0.4 the layers move by {moves}")

# %% tags=["hide-input"]
for a in (0.1, 1.0):
    alt = share_out(a, "absolute")
    display(widgets.still(pie, alt))

# %% [markdown]
# ### How long may the climb be?
#
# So far a larger rho was better. Here are ten training runs for each rho, of a larger network (256 and 256 units), read from a file
# (`python -m samlib results` remakes it). Each dot is one run: how well it fits its *training* images, and how robust it is.

# %% tags=["hide-input"]
from samlib import results

methods = results.load("methods")
names = ["SGD", "SAM 0.05", "SAM 0.1", "SAM 0.2", "SAM 0.4", "SAM 0.8"]
still = widgets.figure(8.4, 3.4)
panels = still.subplots(1, 2)
for panel, measured in zip(panels, ("training accuracy", "linf 0.125"), strict=True):
    for i, name in enumerate(names):
        style = {"SGD": "grey", "SAM 0.8": "orange"}.get(name, "blue")
        plots.strip(panel, i, [100 * value for value in results.values(methods, name, measured)], style)
    panel.set_xticks(range(6), ["0 (SGD)", *(name.split()[1] for name in names[1:])])
    panel.set_xlabel("rho")
plots.percent_axis(panels[0], "training accuracy (%)")
plots.percent_axis(panels[1], "robust accuracy, l_inf 0.125 (%)")
still.subplots_adjust(left=0.07, right=0.99, top=0.97, bottom=0.15, wspace=0.2)
widgets.still(
    still,
    "Up to rho 0.4 all runs fit and robustness rises; at rho 0.8 about half of the runs collapse, the others are best.",
)

# %%
fitted, robustness = (results.values(methods, "SAM 0.8", measured) for measured in ("training accuracy", "linf 0.125"))
collapsed = [value < 0.9 for value in fitted]
best = max(results.values(methods, "SAM 0.4", "linf 0.125"))
assert 0.3 <= sum(collapsed) / len(fitted) <= 0.7
assert all((value > best) != lost for value, lost in zip(robustness, collapsed, strict=True))
assert min(results.values(methods, "SAM 0.4", "training accuracy")) > 0.99
print(
    f"rho 0.8: {sum(collapsed)} of {len(fitted)} runs collapse; every other one is more robust than the best of rho 0.4"
)

# %% [markdown]
# At rho = 0.8 about half of the runs never fit their training images, and each of the others is more robust than any run at 0.4. SAM's climb
# trusts the gradient over a distance of rho. Beyond some length the loss is nothing like its straight picture, and the gradient found
# there says little about where the step begins. Here the best rho that is safe lies close to the cliff. It is chosen on images set aside, never on the
# test images.

# %% [markdown]
# ## 5 · Where it fails
#
# - **A climb proves nothing.** It finds a high place, and a higher one may be near: every sharpness in this lesson is a lower bound.
# - **The order depends on the radius**, even with a meter that no rescaling fools. There is no such thing as *the* flatter network
#   without a radius.
# - **A flat minimum is not a robust one.** The twins of section 3 have any sharpness you like and one robustness. A link between the two, if there
#   is one, cannot go through an absolute number. Lesson 05 finds the part of it that can be proved: the first layer.
# - **A relative meter knows its own rescalings only.** Ours counts by tensor. Rescale single units, each by its own factor, and it is
#   fooled again; ASAM's, entry by entry, is not.

# %%
single = rescale(nets["SAM"], 1.0)
with torch.no_grad():
    factors = torch.ones(48, dtype=torch.float64)
    factors[::2] = 0.1  # every other unit of the first layer, and its outgoing weights the other way
    single.fc1.weight.mul_(factors[:, None])
    single.fc1.bias.mul_(factors)
    single.fc2.weight.div_(factors)
assert (single(x_test) - logits).abs().max() < 1e-10
for relative, rho in (("layer", 0.05), ("adaptive", 0.8)):
    was, now = (worst_case(net, x_train, y_train, rho, relative=relative) for net in (nets["SAM"], single))
    print(f"{relative}, rho {rho}: {was:.3f}, units rescaled: {now:.3f}")
    assert (now > 2 * was) == (relative == "layer")
    assert relative == "layer" or abs(now - was) < 0.01 * was

# %% [markdown]
# <details>
# <summary><b>Appendix · BatchNorm in the second pass</b> (open it if your network has BatchNorm)</summary>
#
# A BatchNorm layer does two things in training mode. It normalises by the mean and variance of the *batch*, and it keeps *running*
# averages of both, which evaluation mode uses later. SAM runs each batch twice, the second time at weights that the network will never have.
#
# - The second pass should normalise by the batch, as the first does: it is the loss of training that SAM climbs. With evaluation mode in
#   the second pass, the two passes belong to two different functions.
# - The running averages should see the first pass only. `samlib.SAM(optimizer, rho, model=model)` sees to that. Without `model`, they
#   count each batch twice, and half of what they average was never a network of yours.
#
# The next cell counts how many batches the running averages have seen after one step.
#
# </details>

# %% tags=["hide-input"]
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
assert seen == {False: 2, True: 1}
print(f"batches that BatchNorm has counted after one step: {seen[False]} without model=, {seen[True]} with it")

# %% [markdown]
# ## What you learned
#
# - Sharpness is the worst case of the loss in a ball of radius rho around the weights. One step finds part of it, a random direction next to
#   nothing.
# - SAM climbs by rho with one joint norm over all weights, takes the gradient there, comes back, and lets the optimizer step.
# - In absolute units sharpness can be changed at will without changing a single output, and so can the share of the climb that a layer receives.
#   A relative radius mends the rescaling. Which network is flatter can still depend on the radius.
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
# - P. Foret, A. Kleiner, H. Mobahi, B. Neyshabur 2021, *Sharpness-Aware Minimization for Efficiently Improving Generalization*,
#   [arXiv 2010.01412](https://arxiv.org/abs/2010.01412): SAM.
# - L. Dinh, R. Pascanu, S. Bengio, Y. Bengio 2017, *Sharp Minima Can Generalize For Deep Nets*,
#   [arXiv 1703.04933](https://arxiv.org/abs/1703.04933): the rescaling that fools the meter.
# - J. Kwon, J. Kim, H. Park, I. K. Choi 2021, *ASAM*, [arXiv 2102.11600](https://arxiv.org/abs/2102.11600): a radius relative to each weight.
# - Z. Wei, J. Zhu, Y. Zhang 2023, *Sharpness-Aware Minimization Alone can Improve Adversarial Robustness*,
#   [arXiv 2305.05392](https://arxiv.org/abs/2305.05392): the paper of this course.
# - The digits: E. Alpaydin and C. Kaynak 1998, UCI Machine Learning Repository, as shipped with scikit-learn.
