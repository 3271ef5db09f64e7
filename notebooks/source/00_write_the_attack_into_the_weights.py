# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: Write the attack into the weights
#     part: core
#     minutes: 30
#     difficulty: easy
#     device: a laptop is enough, no GPU, no download
#     finds: "one perturbation, in the pixels or in the weights: what changes, and for whom"
# ---

# %% [markdown]
# **After this lesson you can**
#
# - write a perturbation of a picture into the weights of a network instead;
# - say which *other* pictures feel the change of the weights, how much, and what it costs to spare one;
# - say what attacks, which perturb the input, have in common with SAM, which perturbs the weights.
#
# **You need** Python, matrices and vectors, and that a network is trained by following gradients.

# %% [markdown] tags=["class"]
# ## 1 · One perturbation, two places
#
# A network classifies 8×8 pictures of digits. Its first layer has 48 **units**. Each holds 64 weights, one for each
# pixel: a little picture itself, a **template**. A unit multiplies template and digit pixel by pixel and adds up. With
# the templates as rows of a matrix $W$ and the pixels as a vector $x$, the layer gives the **features** $z = Wx + b$,
# and all that follows sees only $z$.
#
# Now someone changes the digit a little, by $dx$, so that it is misclassified: $x + dx$ is an **adversarial example**.
# **eps** measures how little, here as the Euclidean length ($l_2$) of $dx$, with pixels from 0 (paper) to 1 (ink).
#
# The layer passes the change on as $W\,dx$. Leave the digit alone, and change the *templates* by some $dW$ instead.
# **Predict:**

# %% tags=["class"]
from samlib.course.lessons import write_the_attack_into_the_weights as lesson

lesson.bet_on_the_templates.ask()

# %% [markdown] tags=["class"]
# What is needed is $dW\,x = W\,dx$. This does it:
#
# $$ dW \;=\; \frac{W\,dx\;x^{\mathsf T}}{\lVert x\rVert^{2}} , $$
#
# because
#
# $$ dW\,x \;=\; W\,dx\,\frac{x^{\mathsf T}x}{\lVert x\rVert^{2}} \;=\; W\,dx . $$
#
# Two networks, trained here and now: one in the usual way (SGD), one with **SAM**, *sharpness-aware minimization*.
# Before each step SAM perturbs the weights by a length **rho** to where the loss is higher (its **ascent step**), and
# steps with the gradient found there.
#
# Both are *the 48-unit network on raw pixels*, the one for theory: its templates are linearly independent ($W$ has
# *full row rank*), so that pixels can do to $z$ whatever first-layer weights can. (rho = 0.4 suits this network.)

# %% tags=["class"]
import samlib

x_train, y_train, x_test, y_test = samlib.load_digits()
nets = {}
for name, strength in [("SGD", {"method": "sgd"}), ("SAM", {"method": "sam", "rho": 0.4})]:
    nets[name] = samlib.mlp(hidden=(48, 48), mean=0.0, std=1.0)  # 64 pixels -> 48 -> 48 -> 10 digits
    samlib.train(nets[name], x_train, y_train, **strength, progress=False)
    nets[name].double()
    right = samlib.accuracy(nets[name], x_test.double(), y_test)
    print(f"{name} classifies {100 * right:.1f} % of the test digits correctly")

# %% [markdown] tags=["class"]
# One digit of each class that both classify correctly, and attacks on it at every eps: projected gradient descent (PGD,
# lesson 01), 40 steps from one random start, on the best wrong score minus the right one.

# %% tags=["class"]
x, y = x_test.double(), y_test
right = (nets["SGD"](x).argmax(1) == y) & (nets["SAM"](x).argmax(1) == y)
x, y = x[right], y[right]
chosen = [int((y == digit).nonzero()[3]) for digit in range(10)]
EPS = [0.25, 0.5, 0.75, 1.0, 1.25]
attacked = {
    (name, eps): samlib.pgd(net, x[chosen], y[chosen], eps, "l2", steps=40, loss="margin")
    for name, net in nets.items()
    for eps in EPS
}

# %% [markdown] tags=["class"]
# ### Predict
#
# The perturbation is in the weights now. Decide before you look what other digits feel of it.

# %% tags=["class"]
lesson.bet_on_the_others.ask()

# %% [markdown] tags=["class"]
# ### Move
#
# *Above:* the input is perturbed and the weights are not. *Middle:* the weights are perturbed and the digit is not.
# Green is positive, purple negative. The bars say what the network answers: orange, input perturbed; blue, weights
# perturbed; grey, before. *Below:* other digits that nobody touched, the four most similar first. A blue frame marks
# one that the changed weights misclassify.
#
# Raise `eps` from 0.25 until the answer changes; then try another digit, and the SAM network. Last, let `dW` spare the
# most similar digit: do the others gain or lose?

# %% tags=["class"]
both = lesson.hero(nets, x, y, chosen, attacked)
both

# %% [markdown] tags=["class"]
# ### Explain
#
# - **Same features, same bars.** For this digit, both perturbations are the same thing: exactly, as the next cell
#   checks.
# - **A ghost.** Every row of $dW$ is a multiple of $x$, so the change of each template is a faint copy of the digit.
# - **Others feel it by their similarity.** They pass through the same templates. A digit $x'$ feels the perturbation
#   times $\langle x, x'\rangle / \lVert x\rVert^{2}$: the more ink in the same places, the more, even above 100 % (try
#   digit 1). On the SGD network at eps 0.75, over the ten digits, the most similar quarter holds more than half of all
#   that the changed weights misclassify.
# - **One digit can be spared**, at a price. Here most others then feel less, too.
# - **The SAM network** is harder to attack: of these ten digits, more need a larger eps than a smaller one. Why is what
#   this course is about.
#
# Perturbed pixels concern one picture. Perturbed weights concern all. (SAM's own step writes a ghost, too: for one
# digit a multiple of $g\,x^{\mathsf T}$ in the first layer, with $g$ the loss's gradient in $z$ in place of $W\,dx$.)
#
# (**Logits** are the ten scores that the network gives, before they become probabilities.)

# %% tags=["class"]
import torch
from samlib.duality import weight_equivalent

worst = 0.0
for (name, _), images in attacked.items():
    weight, bias, rest = nets[name].fc1.weight, nets[name].fc1.bias, nets[name][3:]
    for i in range(10):
        digit, dx = x[chosen[i]].flatten(), (images[i] - x[chosen[i]]).flatten()
        in_pixels = rest(weight @ (digit + dx) + bias)
        in_weights = rest((weight + weight_equivalent(weight, dx, digit)) @ digit + bias)
        worst = max(worst, (in_pixels - in_weights).abs().max().item())
print(f"{len(attacked) * 10} perturbations, two networks: the logits differ by at most {worst:.0e}")


# %%
def first_error(name, i):
    """The smallest eps at which a network misclassifies the digit i under attack."""
    return min((eps for eps in EPS if nets[name](attacked[name, eps][i : i + 1]).argmax() != i), default=float("inf"))


needed = {name: [first_error(name, i) for i in range(10)] for name in nets}
for name, smallest in needed.items():
    print(f"{name}: digits 0 to 9 break at eps", *smallest)
for name, net in nets.items():
    left = 100 * samlib.robust_accuracy(net, x, y, 0.5, "l2")
    print(f"{name}: l_2 attacks of 0.5 do not break {left:.0f} % of the digits that both classify correctly")

# %% tags=["guard"]
assert worst < 1e-9
compared = [(sam > sgd) - (sam < sgd) for sgd, sam in zip(needed["SGD"], needed["SAM"], strict=True)]
assert min(compared) == -1  # some need a smaller one
assert sum(compared) > 0
keeps = {name: samlib.robust_accuracy(net, x, y, 0.5, "l2") for name, net in nets.items()}
assert keeps["SAM"] > keeps["SGD"] + 0.05
assert all(torch.linalg.matrix_rank(net.fc1.weight) == 48 for net in nets.values())  # full row rank
import re

counts = {}
for change in lesson.CHANGES:
    texts = [both.draw(0.75, digit, "SGD", change) for digit in range(10)]
    said = [re.search(r"untouched, (\d+) are.*?, (\d+) of them", text) for text in texts]
    counts[change] = [sum(int(found[i]) for found in said) for i in (1, 2)]
(wrong, similar), (wrong_sparing, _) = counts.values()
assert wrong / 2 < similar < 0.65 * wrong  # more than half
assert wrong_sparing < 0.8 * wrong  # where one is spared, others feel less
flat = x.flatten(1)
others = [i for i in range(len(flat)) if i != chosen[1]]
assert (flat[others] @ flat[chosen[1]]).max() > 1.05 * flat[chosen[1]].square().sum()  # above 100 %

# %% [markdown]
# ## 2 · Two gradients, one rule
#
# An attack gets its perturbation, and training its step, from one number, the loss $\ell$ of this digit, and both
# through $z$. Let $g$ be the gradient of the loss with respect to $z$: one number for each unit. Then
#
# $$ \nabla_{x}\,\ell \;=\; W^{\mathsf T} g \qquad\qquad \nabla_{W}\,\ell \;=\; g\,x^{\mathsf T} $$
#
# *The gradient of the picture is made of weights; the gradient of the weights is made of the picture.*
#
# Above, the templates, each times its $g$, are added up in the pixels. Below, the digit, times each $g$, is written
# into every template.

# %%
import torch.nn.functional as F

net, digit = nets["SGD"], x[chosen[3]].flatten().clone().requires_grad_()
z = net.fc1(digit)
loss = F.cross_entropy(net[3:](z)[None], torch.tensor([3]))
weight = net.fc1.weight
g, of_digit, of_weight = torch.autograd.grad(loss, [z, digit, weight])
print("the digit's gradient is W^T g:  ", torch.allclose(of_digit, weight.T @ g))
print("the weights' gradient is g x^T: ", torch.allclose(of_weight, torch.outer(g, digit)))

# %% tags=["guard"]
assert torch.allclose(of_digit, weight.T @ g)
assert torch.allclose(of_weight, torch.outer(g, digit))

# %%
lesson.two_gradients(digit, weight, g, of_digit, of_weight)

# %% [markdown]
# ### Exercise 1 · The cheapest change of the weights (easy, 6 minutes)
#
# Many $dW$ do to $x$ what $dx$ does. Write the shortest (the length of a matrix is the root of the sum of its squared
# entries), and say why none is shorter. `W` is (m, n), `dx` and `x` are (n,).


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
# ### Exercise 2 · Spare one digit (medium, 10 minutes)
#
# Someone who writes an attack into the weights may want one other digit $x'$ not to notice. Find the shortest $dW$ with
# $dW\,x = W\,dx$ and $dW\,x' = 0$. Before you write: is it longer than the cheapest? For which $x'$ is it much longer?


# %% tags=["stub"]
def spare(W, dx, x, other):
    """W (m, n), dx, x, other (n,) -> the shortest dW (m, n) with dW @ x == W @ dx and dW @ other == 0."""
    ...


# %% tags=["solution", "exercise:write_the_attack_into_the_weights/spare"]
def spare(W, dx, x, other):
    """W (m, n), dx, x, other (n,) -> the shortest dW (m, n) with dW @ x == W @ dx and dW @ other == 0."""
    part = x - (x @ other) / (other @ other) * other  # of x, at right angles to the other
    return torch.outer(W @ dx, part) / (part @ part)


# %%
lesson.spare.check(spare)

# %% [markdown]
# ## 3 · The point moves, or the line
#
# Two pixels instead of 64, and one unit that decides: on one side of the line $w\cdot x = 0$ lies class A, on the other
# class B. The **margin** of a point is $w\cdot x$ with the sign of its class; below 0 the point is misclassified. An
# attack moves the point towards the line, by eps. SAM's ascent step moves the *line* towards the point: it changes $w$
# by a vector of length rho. The point loses the margin
#
# $$ \text{attack: } \varepsilon\,\lVert w\rVert \qquad\quad \text{SAM's step: } \rho\,\lVert x\rVert $$
#
# Here `rho` is chosen so that the two are equal for point 1. **Predict**, then move:

# %%
lesson.bet_on_the_points.ask()

# %%
moves = lesson.who_moves()
moves

# %% [markdown]
# **Explain.** With *one point*, its margin falls by the same amount whatever moves. But when the line moves, the
# others' margins change too: some lose, and some *gain*.
#
# With *all points*, each attacked point loses the same. The line has one step for all. Here it hardly turns: all points
# pull $w$ the same way, shorter. A shorter $w$ lowers every margin and moves no line, so up to eps = 0.8 no point is
# misclassified. No point loses more by the shared step than by its own, because its own is the worst one for it.
#
# That compares single steps, not networks trained with them. SAM takes one ascent step for each batch; **m-SAM** takes
# one for each m examples. Would a small m make networks more robust? Lesson 06 measures it.

# %%
import numpy as np

every = [lesson.margins_lost(0.6, i)[i] for i in range(8)]  # the line moves for this point alone
together = lesson.margins_lost(0.6, *range(8))
print("the line moves for the first:  ", lesson.margins_lost(0.6, 0).round(2))
print("the line moves for each alone: ", np.round(every, 2))
print("the line moves for all at once:", together.round(2))

# %% tags=["guard"]
first = lesson.margins_lost(0.6, 0)
assert np.isclose(first[0], 0.6 * np.linalg.norm([1.0, 0.6]))  # as much as the attack takes
assert first.min() < 0  # some gain
assert (together <= np.array(every) + 1e-12).all()
for eps in (0.2, 0.4, 0.6, 0.8):
    assert "0 of 8 misclassified" in moves.draw(eps, "the line", "all points")

# %% [markdown]
# ## 4 · Where it fails
#
# - **More units than pixels.** From pixels to weights the translation is always exact. Back, only where $W$ has *full
#   row rank*: with 256 units on 64 pixels, most of what weights can do no picture can.
# - **Later layers.** What SAM does to them need not be a change of any picture. Lesson 03 measures how much each
#   matters.
# - **An identity is no evidence.** Equal logits are algebra, true for any network. Whether *training* with SAM makes
#   networks robust is a question for experiments: lesson 03.
# - **Dual does not mean equally strong.** *Dual* says that each perturbation in one space can be written as one in the
#   other (lesson 05 defines it). They still have different units, rho in weights and eps in pixels. Lessons 05 and 06
#   compare them.

# %% [markdown]
# ## What you learned
#
# - For the digit $x$, the perturbation $dx$ of the pixels and $W\,dx\,x^{\mathsf T}/\lVert x\rVert^2$ of the weights
#   are one and the same.
# - Other pictures feel the second by their similarity to $x$; to spare one costs the more, the more similar it is.
# - $\nabla_x \ell = W^{\mathsf T} g$ writes the weights into the picture, $\nabla_W \ell = g\,x^{\mathsf T}$ the
#   picture into the weights.
#
# ### Three questions

# %% tags=["class"]
lesson.recall_ghost.ask()

# %% tags=["class"]
lesson.recall_rank.ask()

# %%
lesson.recall_units.ask()

# %% [markdown]
# ### Sources
#
# - Z. Wei, J. Zhu, Y. Zhang 2023, *Sharpness-Aware Minimization Alone can Improve Adversarial Robustness*, [arXiv
#   2305.05392](https://arxiv.org/abs/2305.05392): SAM and adversarial training as two ways to perturb features.
# - C. Szegedy and others 2014, [arXiv 1312.6199](https://arxiv.org/abs/1312.6199): adversarial examples.
# - P. Foret, A. Kleiner, H. Mobahi, B. Neyshabur 2021, [arXiv 2010.01412](https://arxiv.org/abs/2010.01412): SAM.
# - C. Ma, L. Ying 2021, [arXiv 2105.13462](https://arxiv.org/abs/2105.13462): through the first layer, flatness in
#   the weights bounds the gradient in the input.
# - The digits: E. Alpaydin and C. Kaynak 1998, UCI Machine Learning Repository, as shipped with scikit-learn.
