# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: Write the attack into the weights
#     minutes: 40
#     difficulty: easy
#     device: a laptop is enough, no GPU, no download
#     finds: "one kick, in the pixels or in the weights: for this digit no one can tell"
# ---

# %% [markdown]
# **After this lesson you can**
#
# - carry a change of a picture over into the weights of a network, so that the network's answer for this picture is the
#   same;
# - say which *other* pictures feel the change of the weights, and how much;
# - say what two families of methods have in common that never meet in a textbook: those that perturb the input and those that
#   perturb the weights.
#
# **You need** Python, matrices and vectors, and that a network is trained by following gradients.

# %% [markdown]
# ## 1 · One kick, two places
#
# A network reads 8×8 pictures of digits. Its first layer has 48 **units**. Each holds 64 weights, one for each pixel: a little
# picture itself, a **template**. A unit multiplies the template with the digit, pixel by pixel, and adds up. In one line, with
# the templates as rows of a matrix $W$ and the pixels as a vector $x$: the layer gives $z = Wx + b$, and all that follows sees
# only $z$.
#
# Now someone changes the digit a little, by $dx$, so that the network errs: an **adversarial attack**. How little is measured by
# **eps**, the Euclidean length of $dx$, with pixels from 0 (paper) to 1 (ink). We call $dx$ the **kick**.
#
# The layer passes it on as $W\,dx$. So here is a thought: leave the digit alone, and change the *templates* by some $dW$ such
# that $dW\,x = W\,dx$. This does it:
#
# $$ dW \;=\; \frac{W\,dx\;x^{\mathsf T}}{\lVert x\rVert^{2}} \qquad\text{because}\qquad dW\,x = W\,dx\,\frac{x^{\mathsf T}x}{\lVert x\rVert^{2}} = W\,dx . $$
#
# First two networks, trained here and now: one in the usual way (SGD), one with **SAM**, sharpness-aware minimization. SAM trains
# with a detour: before each step it moves the weights by a length **rho** to where the loss is higher, and steps with the gradient
# found there.

# %%
import samlib

x_train, y_train, x_test, y_test = samlib.load_digits()
nets = {}
for name, strength in [("SGD", {"method": "sgd"}), ("SAM", {"method": "sam", "rho": 0.4})]:
    nets[name] = samlib.mlp(hidden=(48, 48), mean=0.0, std=1.0)  # 64 pixels -> 48 -> 48 -> 10 digits
    samlib.train(nets[name], x_train, y_train, **strength, progress=False)
    nets[name].double()
    read = samlib.accuracy(nets[name], x_test.double(), y_test)
    print(f"{name} reads {100 * read:.1f} % of the test digits correctly")

# %% [markdown]
# One digit of each kind that both read correctly, and attacks on it at every eps. (They are found by projected gradient descent,
# PGD, which lesson 01 builds: 40 steps from one random start, each pushing the score of the right digit below the best other
# one, within Euclidean length eps.)

# %%
x, y = x_test.double(), y_test
right = (nets["SGD"](x).argmax(1) == y) & (nets["SAM"](x).argmax(1) == y)
x, y = x[right], y[right]
chosen = [int((y == digit).nonzero()[3]) for digit in range(10)]
EPS = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5]
attacked = {
    (name, eps): samlib.pgd(net, x[chosen], y[chosen], eps, "l2", steps=40, loss="margin")
    for name, net in nets.items()
    for eps in EPS
}

# %% [markdown]
# ### Predict
#
# Below you will switch the kick from the pixels to the weights. Decide before you do.

# %%
from samlib.course.lessons.write_the_attack_into_the_weights import exercises as lesson

lesson.bet_on_the_bars.ask()

# %%
lesson.bet_on_the_others.ask()

# %% [markdown]
# ### Move
#
# Raise `eps` until the network errs. Then switch `kick` between *pixels* and *weights*, and look at three things: the bars, the
# templates, the other digits.
#
# *What is where.* Top: the digit, what is added to its pixels, what the network sees, and ten bars for what it says; black ticks mark
# what it said before the kick. Middle: the two units that the kick moves most, as templates (orange is positive, purple negative),
# their change, and the result. Bottom: seven other digits; above each, what multiple of the kick it feels, and its class with what
# the network reads (✓ right, ✗ wrong).

# %% tags=["hide-input"]
import torch

from samlib.course import plots, widgets
from samlib.duality import weight_equivalent


def similar_digits(i, count=7, x=x, chosen=chosen):
    """Indices of digits between the most similar one to digit i and the least, by <x, x_j> / ||x||²."""
    flat = x.flatten(1)
    felt = flat @ flat[chosen[i]] / flat[chosen[i]].square().sum()
    order = felt.argsort(descending=True)
    order = order[order != chosen[i]]
    places = torch.linspace(0, 1, count).square() * (len(order) - 1)
    return [(int(order[int(p)]), float(felt[order[int(p)]])) for p in places]


OTHERS = [similar_digits(i) for i in range(10)]

# %% tags=["hide-input"]
hero = widgets.figure(8.4, 5.3)
mosaic = plots.Mosaic(hero.add_axes([0.0, 0.0, 1.0, 0.98]), 3, 7)
bars = plots.Probabilities(hero.add_axes([0.52, 0.74, 0.46, 0.235]))


def kicked(net, i, dx, kick):
    """The digit as the network is shown it, the first layer's weights as they now are, and their change."""
    weight, digit = net.fc1.weight.detach(), x[chosen[i]].flatten()
    d_weight = weight_equivalent(weight, dx, digit) if kick == "weights" else torch.zeros_like(weight)
    return digit + (dx if kick == "pixels" else 0), weight + d_weight, d_weight


@torch.no_grad()
def says(net, weight, images):
    """Class probabilities (n, 10) with `weight` in the first layer; net[3:] is all that follows it."""
    return net[3:](images @ weight.T + net.fc1.bias).softmax(1)


# %% tags=["hide-input"]
def templates(net, dx, clean, d_weight, picture):
    """Second row: two units, each as it was, its change, and as it is; the units that this kick moves most."""
    before = net.fc1.weight.detach()
    units = (before @ dx).abs().topk(2).indices.tolist() if dx.any() else [0, 1]
    tiles = {}
    for k, unit in enumerate(units):
        row = [
            (before[unit], f"unit {unit}"),
            (d_weight[unit], "+ its change"),
            (before[unit] + d_weight[unit], "= now"),
        ]
        for j, (values, caption) in enumerate(row):
            tiles[1, 4 * k + j] = (plots.signed(picture(values), 0.6 if j != 1 else 0.15), caption, "black")
    return tiles


def others(net, digit, weight, picture):
    """Third row: other digits, never touched, read by the network as it now is, and what share of the kick they feel."""
    tiles = {}
    for place, (j, felt) in enumerate(OTHERS[digit]):
        image, felt = x[j].flatten(), felt if weight is not net.fc1.weight and (weight != net.fc1.weight).any() else 0.0
        said = int(says(net, weight, image[None]).argmax())
        flips = said != int(y[j])
        caption = f"feels {felt:.2f}\n{int(y[j])} → {said} {'✗' if flips else '✓'}"
        tiles[2, place] = (plots.grey(picture(image)), caption, plots.RED if flips else "#00664b")
    return tiles


# %% tags=["hide-input"]
def draw(eps, kick, digit, network, nets=nets, x=x, y=y, attacked=attacked):
    net, clean = nets[network], x[chosen[digit]].flatten()
    dx = attacked[network, eps][digit].flatten() - clean
    shown, weight, d_weight = kicked(net, digit, dx, kick)
    now, before = (says(net, w, image[None])[0] for w, image in ((weight, shown), (net.fc1.weight, clean)))
    bars.show(now.numpy(), before.numpy(), digit)
    picture = lambda v: v.view(8, 8).numpy()  # noqa: E731
    tiles = {
        (0, 0): (plots.grey(picture(clean)), "digit x", "black"),
        (0, 1): (plots.signed(picture(shown - clean), 0.5), "added", "black"),
        (0, 2): (plots.grey(picture(shown)), "what the net sees", "black"),
    }
    tiles |= templates(net, dx, clean, d_weight, picture) | others(net, digit, weight, picture)
    mosaic.show(tiles)
    said = f"says {int(now.argmax())} with probability {now.max():.2f}"
    flipped = sum("✗" in caption for (row, _), (_, caption, _) in tiles.items() if row == 2)
    said += f"; {flipped} of seven other digits are misread"
    return f"The kick of length {eps:g} is in the {kick}: the {network} network {said}; the digit is a {digit}."


# %% tags=["hide-input"]
controls = {
    "eps": widgets.choice_slider("eps: length of the kick (l_2)", EPS, 0.75),
    "kick": widgets.toggle("kick: where it goes", ["pixels", "weights"], "pixels"),
    "digit": widgets.choice_slider("digit", range(10), 3),
    "network": widgets.toggle("network trained with", ["SGD", "SAM"], "SGD"),
}
widgets.live(hero, draw, controls)

# %% [markdown]
# ### Explain
#
# - **The bars stand still.** For this digit, kick in the pixels and kick in the weights are the same thing. This is exact, not
#   approximate; the next cell checks it to a billionth.
# - **A ghost.** The change of each template is a faint copy of the digit itself: every row of $dW$ is a multiple of $x$. Weights
#   are changed by what they see.
# - **Other digits feel it by their similarity.** Nobody touched them, but they pass through the same templates. A digit
#   $x'$ feels the kick times $\langle x, x'\rangle / \lVert x\rVert^{2}$: the more, the more ink it has in the same places. An attack on
#   pixels is private; one on weights is shared.
# - **The SAM network** takes a longer kick before it errs: not for each digit, but for most. The second cell below counts. Why that
#   is so is what this course is about.
#
# (**Logits** are the ten scores that the network gives before they are turned into probabilities.)

# %%
import torch
from samlib.duality import weight_equivalent

worst = torch.zeros(())
for (name, _), images in attacked.items():
    weight, bias, rest = nets[name].fc1.weight, nets[name].fc1.bias, nets[name][3:]
    for i in range(10):
        digit, kick = x[chosen[i]].flatten(), (images[i] - x[chosen[i]]).flatten()
        in_pixels = rest(weight @ (digit + kick) + bias)
        in_weights = rest((weight + weight_equivalent(weight, kick, digit)) @ digit + bias)
        worst = torch.maximum(worst, (in_pixels - in_weights).abs().max()).detach()
assert worst < 1e-9
print(f"{len(attacked) * 10} kicks, two networks: the logits differ by at most {worst:.0e}")


# %%
def first_misread(name, i):
    """The smallest eps at which a network misreads the digit i under attack."""
    return next(eps for eps in EPS if nets[name](attacked[name, eps][i : i + 1]).argmax() != i)


needed = {name: [first_misread(name, i) for i in range(10)] for name in nets}
keeps = {name: 100 * samlib.robust_accuracy(net, x, y, 0.5, "l2") for name, net in nets.items()}
assert sum(needed["SAM"]) > sum(needed["SGD"])
assert keeps["SAM"] > keeps["SGD"] + 5
print("first eps at which digits 0 to 9 are misread, SGD:", *needed["SGD"])
print("                                             SAM:", *needed["SAM"])
print("of all digits that both read correctly, eps = 0.5 leaves")
print(*(f"{name} {share:.0f} %" for name, share in keeps.items()))

# %% [markdown]
# The same as a still picture: the digit 3, eps = 0.75, the kick in the pixels and then in the weights.

# %% tags=["hide-input"]
from IPython.display import display

for kick in ("pixels", "weights"):
    alt = draw(0.75, kick, 3, "SGD")
    display(widgets.still(hero, alt))

# %% [markdown]
# ## 2 · Two gradients, one rule
#
# Where does an attack get its kick from, and where does training get its step? Both from one number, the loss $\ell$ of this
# digit, and both through $z$. Let $g$ be the gradient of the loss with respect to $z$: one number for each unit. Then
#
# $$ \nabla_{x}\,\ell \;=\; W^{\mathsf T} g \qquad\qquad \nabla_{W}\,\ell \;=\; g\,x^{\mathsf T} $$
#
# *The gradient of the picture is made of weights; the gradient of the weights is made of the picture.* Read both again: on the
# left the templates are added up, each with its $g$, and come out in the pixels. On the right the digit is written into every
# template, each with its $g$. It is one rule, read in two directions.

# %%
import torch.nn.functional as F

net, digit = nets["SGD"], x[chosen[3]].flatten().clone().requires_grad_()
z = net.fc1(digit)
loss = F.cross_entropy(net[3:](z)[None], torch.tensor([3]))
weight = net.fc1.weight
g, of_digit, of_weight = torch.autograd.grad(loss, [z, digit, weight])
assert torch.allclose(of_digit, weight.T @ g)
assert torch.allclose(of_weight, torch.outer(g, digit))
print("both identities hold")

# %% tags=["hide-input"]
figure = widgets.figure(8.4, 1.75)
strip = plots.Mosaic(figure.add_axes([0, 0, 1, 0.98]), 1, 7)
units = g.abs().topk(2).indices.tolist()
flat, largest = digit.detach(), float(of_digit.abs().max())
picture = lambda v: v.detach().view(8, 8).numpy()  # noqa: E731
strip.show(
    {
        (0, 0): (plots.grey(picture(flat)), "the digit x", "black"),
        (0, 1): (plots.signed(picture(weight[units[0]]), 0.6), f"template {units[0]}", "black"),
        (0, 2): (plots.signed(picture(weight[units[1]]), 0.6), f"template {units[1]}", "black"),
        (0, 3): (plots.signed(picture(of_digit), largest), "gradient of x", "black"),
        (0, 5): (
            plots.signed(picture(of_weight[units[0]]), 1.2 * float(g.abs().max())),
            f"gradient of {units[0]}",
            "black",
        ),
        (0, 6): (
            plots.signed(picture(of_weight[units[1]]), 1.2 * float(g.abs().max())),
            f"gradient of {units[1]}",
            "black",
        ),
    }
)
alt = "The gradient of the digit is a patchwork of templates; the gradient of each template is the digit itself, light or dark."
widgets.still(figure, alt)

# %% [markdown]
# ### Exercise 1 · The cheapest change of the weights (medium, 6 minutes)
#
# Many $dW$ do to $x$ what $dx$ does. Is the one of section 1 the shortest, or can something be saved? Write the shortest, where the length
# of a matrix is the root of the sum of its squared entries. `W` is (m, n), `dx` and `x` are (n,).


# %% tags=["stub"]
def cheapest(W, dx, x):
    """W (m, n), dx (n,), x (n,) -> the shortest dW (m, n) with dW @ x == W @ dx."""
    ...


# %% tags=["solution", "exercise:write_the_attack_into_the_weights/cheapest"]
def cheapest(W, dx, x):
    """W (m, n), dx (n,), x (n,) -> the shortest dW (m, n) with dW @ x == W @ dx."""
    return torch.outer(W @ dx, x) / (x @ x)


# %%
lesson.cheapest.check(cheapest)  # lesson.cheapest.hint() and lesson.cheapest.solution() help

# %% [markdown]
# ### Exercise 2 · Who feels it? (easy, 4 minutes)
#
# With the cheapest $dW$ for digit `x`, every other digit feels some multiple of the kick. Compute the multiples for `others`, (k, n).


# %% tags=["stub"]
def felt(x, others):
    """x (n,), others (k, n) -> what multiple of the kick each of the others feels, (k,)."""
    ...


# %% tags=["solution", "exercise:write_the_attack_into_the_weights/felt"]
def felt(x, others):
    """x (n,), others (k, n) -> what multiple of the kick each of the others feels, (k,)."""
    return others @ x / (x @ x)


# %%
lesson.felt.check(felt)

# %% [markdown]
# ## 3 · Who moved?
#
# The same scene with two pixels instead of 64, and one unit that decides: points on one side of the line $w\cdot x = 0$ are
# class A, on the other side class B. The **margin** of a point is $w\cdot x$ with the sign of its class, and below zero it is read
# wrongly. An attack walks the point straight to the line, by eps. SAM's climb leaves the point and swings the *line* to it,
# by changing $w$ by a vector of length rho. For one point the two lose the same margin,
#
# $$ \text{walk: } \varepsilon\,\lVert w\rVert \qquad\quad \text{swing: } \rho\,\lVert x\rVert $$
#
# and here `rho` is chosen so that they do: $\rho\,\lVert x\rVert = \varepsilon\,\lVert w\rVert$. **Predict**, then move:

# %%
lesson.bet_on_the_points.ask()

# %% tags=["hide-input"]
import numpy as np

X_1 = [1.3, 0.9, 0.35, 1.9, -0.8, -0.3, -1.7, -1.4]
X_2 = [-1.1, 0.8, 1.3, 0.9, -0.5, -1.2, 0.3, -1.0]
POINTS = np.array([X_1, X_2]).T
LABELS = np.array([1, 1, 1, 1, -1, -1, -1, -1])
NORMAL = np.array([1.0, 0.6])
scene = widgets.figure(8.4, 4.1)
plane = plots.Plane(scene.add_axes([0.07, 0.13, 0.55, 0.85]), POINTS, LABELS, NORMAL)
gauge = plots.Gauge(
    scene.add_axes([0.68, 0.13, 0.3, 0.85]), LABELS * (POINTS @ NORMAL), "margin of each point (wrong below 0)"
)


def move(eps, who, how_many, points=POINTS, labels=LABELS, w=NORMAL):
    moving = np.arange(len(points)) < (1 if how_many == "one point" else len(points))
    pull = (labels * moving) @ points  # the direction in which all that count would turn w
    rho = eps * np.linalg.norm(w) / np.linalg.norm(points[0])
    if who == "the point":
        points = points - eps * (labels * moving)[:, None] * w / np.linalg.norm(w)
    else:
        w = w - rho * pull / np.linalg.norm(pull)
    plane.show(points, w)
    margins = labels * (points @ w)
    gauge.show(margins)
    wrong = int((margins < 0).sum())
    return f"eps {eps:g}, {who} moves for {how_many}: first point's margin {margins[0]:.2f}, {wrong} of {len(points)} wrong."


# %% tags=["hide-input"]
controls = {
    "eps": widgets.choice_slider("eps: length of the walk", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4], 0.6),
    "who": widgets.toggle("who moves", ["the point", "the line"], "the point"),
    "how_many": widgets.toggle("an attack on", ["one point", "all points"], "one point"),
}
widgets.live(scene, move, controls)

# %% [markdown]
# **Explain.** With *one point* (number 1), its bar falls by the same amount whoever moves, and at eps = 0.6 it is misread either
# way. But when the line swings to it, the others are carried along: some lose, and some *gain*.
#
# With *all points*, each walks to the line by itself, and every bar falls by the same amount. The line has one move for all of them
# together. Look what it does: it hardly turns. What all the points have in common is the direction of $w$ itself, so nearly
# all of rho is spent on making $w$ *shorter*. At eps = 0.6 and 0.8 every bar shrinks, and nobody is misread. A shared move is a compromise:
# no point loses more by it than if the line had moved for it alone (the last two rows printed below). That is one way in which SAM's
# climb is weaker than an attack on each point.
#
# The same as still pictures, at eps = 0.8: the line moves for one point, then all points walk, then the line moves for all.

# %% tags=["hide-input"]
for who, how_many in [("the line", "one point"), ("the point", "all points"), ("the line", "all points")]:
    alt = move(0.8, who, how_many)
    display(widgets.still(scene, alt))

# %%
before = LABELS * (POINTS @ NORMAL)
rho = 0.6 * np.linalg.norm(NORMAL) / np.linalg.norm(POINTS[0])


def swing(*who):
    """The margin that each point loses when the line moves by rho for the points in `who`."""
    pull = (LABELS[list(who)] @ POINTS[list(who)]) / np.linalg.norm(LABELS[list(who)] @ POINTS[list(who)])
    return before - LABELS * (POINTS @ (NORMAL - rho * pull))


# %%
walk = 0.6 * np.linalg.norm(NORMAL)
for_first, for_all = swing(0), swing(*range(8))
alone = np.array([swing(i)[i] for i in range(8)])
assert np.isclose(for_first[0], walk)
assert before[0] < walk
assert (for_first < 0).sum() >= 2
assert (for_all <= alone + 1e-12).all()
assert (for_all < before).all()
print(f"each walks:               every point loses {walk:.2f}")
print("the line, for the first: ", for_first.round(2))
print("the line, for all:       ", for_all.round(2))
print("the line, for each alone:", alone.round(2))

# %% [markdown]
# ## 4 · And back: what does SAM's step look like in pixels?
#
# Before each step, SAM moves the weights by a length rho in the direction that raises the loss most: it climbs. Its move of the *first
# layer*, $dW$ and $db$, does to $z$ what some change of the pixels would do: $dx = W^{+}(dW\,x + db)$, with $W^{+}$ the
# pseudo-inverse. Here it is exact, because 64 pixels can be set so that 48 units get any 48 numbers; with more units than
# pixels it would not be. (SAM spreads rho over all layers; here the first layer gets all of it, to be seen more clearly.)

# %%
from samlib.duality import input_equivalent

net, rho = nets["SGD"], 0.4
digits = x[chosen].flatten(1)
loss = F.cross_entropy(net(x[chosen]), y[chosen])
gradients = torch.autograd.grad(loss, [net.fc1.weight, net.fc1.bias])
length = torch.cat([gradient.flatten() for gradient in gradients]).norm()
d_weight, d_bias = (rho * gradient / length for gradient in gradients)  # SAM's climb, for these ten digits
dx = input_equivalent(net.fc1.weight.detach(), d_weight, digits, d_bias)
moved = net[3:](digits @ (net.fc1.weight + d_weight).T + net.fc1.bias + d_bias)
assert (net[3:](net.fc1(digits + dx)) - moved).abs().max() < 1e-9
outside = ((digits + dx < 0) | (digits + dx > 1)).double().mean().item()
assert 0.02 < outside < 0.8
print(f"logits equal to a billionth; {100 * outside:.0f} % of the shifted pixels have left [0, 1]")

# %% tags=["hide-input"]
figure = widgets.figure(8.4, 3.3)
rows = plots.Mosaic(figure.add_axes([0, 0, 1, 0.98]), 2, 7)
for column, i in enumerate([0, 2, 3, 5, 6, 8, 9]):
    top = (plots.signed(picture(dx[i]), 0.3), f"{float(dx[i].norm() / digits[i].norm()):.2f} of ‖x‖", "black")
    rows.show({(0, column): top, (1, column): (plots.grey(picture(digits[i] + dx[i])), f"the {i}, moved", "black")})
alt = "SAM's climb as a change of each digit, and the changed digits; pixels beyond ink are orange, below paper light blue."
widgets.still(figure, alt)

# %% [markdown]
# Above, SAM's climb as each digit feels it, with its length; below, the digit with that added. All ten share one change of the
# weights, so they feel it in nearly the same direction: it is written mostly by the digits with the largest loss, and an attack would
# give each its own. Pixels that are no pixels any more are marked: orange is blacker than ink, light blue whiter than paper.
# SAM may go where no attacker can.
#
# ## 5 · Where it fails
#
# - **More units than pixels.** From pixels to weights the translation is always exact. Back, only where the layer has *full row
#   rank*: with 256 units on 64 pixels, most of what weights can do no picture can.
# - **Later layers.** What SAM does to the second layer need not be a change of any picture. Lesson 03 measures how much each part
#   matters.
# - **An identity is no evidence.** That the logits agree is algebra, true for any network, trained or not. Whether SAM *training*
#   makes networks robust is a question for experiments: lesson 03.
# - **Dual does not mean equally strong.** The two sides translate into each other and are still measured in different units,
#   rho in weights and eps in pixels. Lesson 05 compares them.

# %% [markdown]
# ## What you learned
#
# - A kick $dx$ in the pixels and the kick $W\,dx\,x^{\mathsf T}/\lVert x\rVert^2$ in the weights are one and the same for the digit $x$.
# - Other pictures feel the second by their similarity to $x$; a batch of pictures has to share one kick.
# - $\nabla_x \ell = W^{\mathsf T} g$ writes the weights into the picture, $\nabla_W \ell = g\,x^{\mathsf T}$ the picture into the weights.
#
# ### Three questions

# %%
lesson.recall_ghost.ask()

# %%
lesson.recall_rank.ask()

# %%
lesson.recall_units.ask()

# %% [markdown]
# ### Sources
#
# - Z. Wei, J. Zhu, Y. Zhang 2023, *Sharpness-Aware Minimization Alone can Improve Adversarial Robustness*,
#   [arXiv 2305.05392](https://arxiv.org/abs/2305.05392): SAM and adversarial training as two ways to perturb features.
# - P. Foret, A. Kleiner, H. Mobahi, B. Neyshabur 2021, [arXiv 2010.01412](https://arxiv.org/abs/2010.01412): SAM.
# - C. Ma, L. Ying 2021, [arXiv 2105.13462](https://arxiv.org/abs/2105.13462): through the first layer, flatness in the weights
#   bounds the gradient in the input.
# - The digits: E. Alpaydin and C. Kaynak 1998, UCI Machine Learning Repository, as shipped with scikit-learn.
