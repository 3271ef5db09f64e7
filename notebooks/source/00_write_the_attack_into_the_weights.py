# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: Write the attack into the weights
#     part: core
#     minutes: 40
#     difficulty: easy
#     device: a laptop is enough, no GPU, no download
#     finds: "one perturbation, in the pixels or in the weights: for this digit no one can tell"
# ---

# %% [markdown]
# **After this lesson you can**
#
# - carry a change of a picture over into the weights of a network, so that the network's answer for this picture is
#   the same;
# - say which *other* pictures feel the change of the weights, and how much;
# - say what two families of methods have in common that never meet in a textbook: those that perturb the input and
#   those that perturb the weights.
#
# **You need** Python, matrices and vectors, and that a network is trained by following gradients.

# %% [markdown]
# ## 1 · One perturbation, two places
#
# A network reads 8×8 pictures of digits. Its first layer has 48 **units**. Each holds 64 weights, one for each pixel:
# a little picture itself, a **template**. A unit multiplies the template with the digit, pixel by pixel, and adds up.
# In one line, with the templates as rows of a matrix $W$ and the pixels as a vector $x$: the layer gives $z = Wx +
# b$, and all that follows sees only $z$.
#
# Now someone changes the digit a little, by $dx$, so that the network gets it wrong: an **adversarial attack**. How
# little is measured by **eps**, the Euclidean length of the perturbation $dx$, with pixels from 0 (paper) to 1 (ink).
#
# The layer passes it on as $W\,dx$. So here is a thought: leave the digit alone, and change the *templates* by some
# $dW$ such that $dW\,x = W\,dx$. This does it:
#
# $$ dW \;=\; \frac{W\,dx\;x^{\mathsf T}}{\lVert x\rVert^{2}} \qquad\text{because}\qquad
# dW\,x = W\,dx\,\frac{x^{\mathsf T}x}{\lVert x\rVert^{2}} = W\,dx . $$
#
# First two networks, trained here and now: one in the usual way (SGD), one with **SAM**, sharpness-aware
# minimization. SAM trains with a detour: before each step it moves the weights by a length **rho** to where the loss
# is higher, and steps with the gradient found there.

# %%
import samlib

x_train, y_train, x_test, y_test = samlib.load_digits()
nets = {}
for name, strength in [("SGD", {"method": "sgd"}), ("SAM", {"method": "sam", "rho": 0.4})]:
    nets[name] = samlib.mlp(hidden=(48, 48), mean=0.0, std=1.0)  # 64 pixels -> 48 -> 48 -> 10 digits
    samlib.train(nets[name], x_train, y_train, **strength, progress=False)
    nets[name].double()
    right = samlib.accuracy(nets[name], x_test.double(), y_test)
    print(f"{name} classifies {100 * right:.1f} % of the test digits correctly")

# %% [markdown]
# One digit of each kind that both classify correctly, and attacks on it at every eps. (They are found by projected
# gradient descent, PGD, which lesson 01 builds: 40 steps from one random start, each pushing the score of the right
# digit below the best other one, within Euclidean length eps.)

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
# The perturbation will be moved from the pixels into the weights. Decide before you look what that does.

# %%
from samlib.course.lessons import write_the_attack_into_the_weights as lesson

lesson.bet_on_the_bars.ask()

# %%
lesson.bet_on_the_others.ask()

# %% [markdown]
# ### Move
#
# Raise `eps` until the network gets the digit wrong, and compare the two rows: above, the perturbation is in the
# input; below, it is in the weights.
#
# *What is where.* Above: the digit, four of the 48 units as templates (green is positive, purple negative), how the
# features change, and ten bars for what the network says (orange: input perturbed, blue: weights perturbed, grey:
# before). Below: eight other digits that nobody touched; under each, what share of the perturbation it feels and what
# the network with the changed weights says. A blue frame marks a wrong answer.

# %%
lesson.hero(nets, x, y, chosen, attacked)

# %% [markdown]
# ### Explain
#
# - **The bars stand still.** For this digit, the perturbation of the pixels and that of the weights are the same
#   thing. This is exact, not approximate; the next cell checks it to a billionth.
# - **A ghost.** The change of each template is a faint copy of the digit itself: every row of $dW$ is a multiple of
#   $x$. Weights are changed by what they see.
# - **Other digits feel it by their similarity.** Nobody touched them, but they pass through the same templates. A
#   digit $x'$ feels the perturbation times $\langle x, x'\rangle / \lVert x\rVert^{2}$: the more, the more ink it has
#   in the same places. An attack on pixels is private; one on weights is shared.
# - **The SAM network** needs a longer perturbation before it is wrong: not for each digit, but for most. The second
#   cell below counts. Why that is so is what this course is about.
#
# (**Logits** are the ten scores that the network gives before they are turned into probabilities.)

# %%
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
    return next(eps for eps in EPS if nets[name](attacked[name, eps][i : i + 1]).argmax() != i)


needed = {name: [first_error(name, i) for i in range(10)] for name in nets}
print("first eps at which digits 0 to 9 are misclassified, SGD:", *needed["SGD"])
print("                                                    SAM:", *needed["SAM"])
for name, net in nets.items():
    left = 100 * samlib.robust_accuracy(net, x, y, 0.5, "l2")
    print(f"{name}: {left:.0f} % of all digits that both classify correctly are robust at l_2 eps = 0.5")

# %% tags=["guard"]
assert worst < 1e-9
assert sum(needed["SAM"]) > sum(needed["SGD"])
keeps = {name: samlib.robust_accuracy(net, x, y, 0.5, "l2") for name, net in nets.items()}
assert keeps["SAM"] > keeps["SGD"] + 0.05

# %% [markdown]
# ## 2 · Two gradients, one rule
#
# Where does an attack get its perturbation from, and where does training get its step? Both from one number, the loss
# $\ell$ of this digit, and both through $z$. Let $g$ be the gradient of the loss with respect to $z$: one number for
# each unit. Then
#
# $$ \nabla_{x}\,\ell \;=\; W^{\mathsf T} g \qquad\qquad \nabla_{W}\,\ell \;=\; g\,x^{\mathsf T} $$
#
# *The gradient of the picture is made of weights; the gradient of the weights is made of the picture.* Read both
# again: on the left the templates are added up, each with its $g$, and come out in the pixels. On the right the digit
# is written into every template, each with its $g$. It is one rule, read in two directions.

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
# ### Exercise 1 · The cheapest change of the weights (medium, 6 minutes)
#
# Many $dW$ do to $x$ what $dx$ does. Is the one of section 1 the shortest, or can something be saved? Write the
# shortest, where the length of a matrix is the root of the sum of its squared entries. `W` is (m, n), `dx` and `x`
# are (n,).


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
# With the cheapest $dW$ for digit `x`, every other digit feels some multiple of the perturbation. Compute the
# multiples for `others`, (k, n).


# %% tags=["stub"]
def felt(x, others):
    """x (n,), others (k, n) -> what multiple of the perturbation each of the others feels, (k,)."""
    ...


# %% tags=["solution", "exercise:write_the_attack_into_the_weights/felt"]
def felt(x, others):
    """x (n,), others (k, n) -> what multiple of the perturbation each of the others feels, (k,)."""
    return others @ x / (x @ x)


# %%
lesson.felt.check(felt)

# %% [markdown]
# ## 3 · Who moved?
#
# The same scene with two pixels instead of 64, and one unit that decides: points on one side of the line $w\cdot x =
# 0$ are class A, on the other side class B. The **margin** of a point is $w\cdot x$ with the sign of its class, and
# below zero it is read wrongly. An attack walks the point straight to the line, by eps. SAM's climb leaves the point
# and swings the *line* to it, by changing $w$ by a vector of length rho. For one point the two lose the same margin,
#
# $$ \text{walk: } \varepsilon\,\lVert w\rVert \qquad\quad \text{swing: } \rho\,\lVert x\rVert $$
#
# and here `rho` is chosen so that they do: $\rho\,\lVert x\rVert = \varepsilon\,\lVert w\rVert$. **Predict**, then
# move:

# %%
lesson.bet_on_the_points.ask()

# %%
lesson.who_moves()

# %% [markdown]
# **Explain.** With *one point* (number 1), its bar falls by the same amount whoever moves, and at eps = 0.6 it is
# misclassified either way. But when the line swings to it, the others are carried along: some lose, and some *gain*.
#
# With *all points*, each walks to the line by itself, and every bar falls by the same amount. The line has one move
# for all of them together. Look what it does: it hardly turns. What all the points have in common is the direction of
# $w$ itself, so nearly all of rho is spent on making $w$ *shorter*. At eps = 0.6 and 0.8 every bar shrinks, and
# nobody is misclassified. A shared move is a compromise: no point loses more by it than if the line had moved for it
# alone (the last two rows printed below). That is one way in which SAM's climb is weaker than an attack on each
# point.

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

# %% [markdown]
# ## 4 · Where it fails
#
# - **More units than pixels.** From pixels to weights the translation is always exact. Back, only where the layer has
#   *full row rank*: with 256 units on 64 pixels, most of what weights can do no picture can.
# - **Later layers.** What SAM does to the second layer need not be a change of any picture. Lesson 03 measures how
#   much each part matters.
# - **An identity is no evidence.** That the logits agree is algebra, true for any network, trained or not. Whether
#   SAM *training* makes networks robust is a question for experiments: lesson 03.
# - **Dual does not mean equally strong.** The two sides translate into each other and are still measured in different
#   units, rho in weights and eps in pixels. Lessons 05 and 06 compare them.

# %% [markdown]
# ## What you learned
#
# - A perturbation $dx$ of the pixels and the perturbation $W\,dx\,x^{\mathsf T}/\lVert x\rVert^2$ of the weights are
#   one and the same for the digit $x$.
# - Other pictures feel the second by their similarity to $x$; a batch of pictures has to share one.
# - $\nabla_x \ell = W^{\mathsf T} g$ writes the weights into the picture, $\nabla_W \ell = g\,x^{\mathsf T}$ the
#   picture into the weights.
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
# - Z. Wei, J. Zhu, Y. Zhang 2023, *Sharpness-Aware Minimization Alone can Improve Adversarial Robustness*, [arXiv
#   2305.05392](https://arxiv.org/abs/2305.05392): SAM and adversarial training as two ways to perturb features.
# - P. Foret, A. Kleiner, H. Mobahi, B. Neyshabur 2021, [arXiv 2010.01412](https://arxiv.org/abs/2010.01412): SAM.
# - C. Ma, L. Ying 2021, [arXiv 2105.13462](https://arxiv.org/abs/2105.13462): through the first layer, flatness in
#   the weights bounds the gradient in the input.
# - The digits: E. Alpaydin and C. Kaynak 1998, UCI Machine Learning Repository, as shipped with scikit-learn.
