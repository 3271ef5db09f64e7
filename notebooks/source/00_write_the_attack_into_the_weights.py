# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: Write the attack into the weights
#     minutes: 25
#     difficulty: easy
#     device: a laptop is enough, no GPU, no download
# ---

# %% [markdown]
# **After this lesson you can**
#
# - carry a change of a picture over into the weights of a network, so that for this picture nothing tells them apart;
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
# First two networks, trained here and now: one in the usual way (SGD), one with SAM, which you will meet in section 4.

# %%
import samlib

x_train, y_train, x_test, y_test = samlib.load_digits()
nets = {}
for name, strength in [("SGD", {"method": "sgd"}), ("SAM", {"method": "sam", "rho": 0.4})]:
    nets[name] = samlib.mlp(hidden=(48, 48), mean=0.0, std=1.0)  # 64 pixels -> 48 -> 48 -> 10 digits
    samlib.train(nets[name], x_train, y_train, **strength, progress=False)
    nets[name].double()
    print(
        name, f"reads {100 * samlib.accuracy(nets[name], x_test.double(), y_test):.1f} % of the test digits correctly"
    )

# %% [markdown]
# One digit of each kind that both read correctly, and attacks on it at every eps (PGD, 40 steps on the margin, l_2, no restarts):

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
from samlib.exercises import write_the_attack as lesson

lesson.bet_on_the_bars.ask()

# %%
lesson.bet_on_the_others.ask()

# %% [markdown]
# ### Move
#
# Raise `eps` until the network errs. Then switch `kick` between *pixels* and *weights*, and look at three things: the bars, the
# templates, the other digits. (The three units shown are those that the kick moves most.)

# %% tags=["hide-input"]
import torch

from samlib import plots, widgets
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
def draw(eps, kick, digit, network, nets=nets, x=x, y=y, attacked=attacked):
    net, clean = nets[network], x[chosen[digit]].flatten()
    dx = attacked[network, eps][digit].flatten() - clean
    shown, weight, d_weight = kicked(net, digit, dx, kick)
    now, before = (says(net, w, image[None])[0] for w, image in ((weight, shown), (net.fc1.weight, clean)))
    bars.show(now.numpy(), before.numpy(), digit)
    picture = lambda v: v.view(8, 8).numpy()  # noqa: E731
    tiles = {
        (0, 0): (plots.grey(picture(clean)), "digit x", "black"),
        (0, 1): (plots.signed(picture(shown - clean), 0.5), "added to its pixels", "black"),
        (0, 2): (plots.grey(picture(shown)), "shown to the net", "black"),
    }
    tiles |= templates(net, dx, clean, d_weight, picture) | others(net, digit, weight, picture)
    mosaic.show(tiles)
    said = f"says {int(now.argmax())} with probability {now.max():.2f}"
    return f"The kick of length {eps:g} is in the {kick}: the {network} network {said}; the digit is a {digit}."


def templates(net, dx, clean, d_weight, picture):
    """Second row: three units, each as it was, its change, and as it is; the units that this kick moves most."""
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


controls = {
    "eps": widgets.choice_slider("eps: length of the kick (l_2)", EPS, 0.75),
    "kick": widgets.toggle("kick: where it goes", ["pixels", "weights"], "pixels"),
    "digit": widgets.choice_slider("digit", range(10), 3),
    "network": widgets.toggle("network trained with", ["SGD", "SAM"], "SGD"),
}
widgets.live(hero, draw, controls)
