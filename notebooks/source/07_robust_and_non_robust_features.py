# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: Robust and non-robust features
#     part: elective
#     minutes: 45
#     difficulty: hard
#     device: a laptop is enough, no GPU, no download
#     finds: >-
#       optional: a world where all can be derived; where AT and SAM move the optimum, by which definition; what the
#       papers report beside what we could derive
# ---

# %% [markdown]
# **After this lesson you can**
#
# - derive the best classifier of a small world, and say why it leans on features that an attacker can move;
# - derive where AT and SAM move it, and why SAM's answer depends on *what is perturbed, and for whom*;
# - say why a small move is nearly free;
# - tell a theorem that was derived from one that is reported.
#
# **You need** the normal distribution, derivatives, logarithms, and what SAM and an attack are (lessons 01 and 02).

# %% [markdown]
# ## 1 · The best classifier leans on weak features
#
# So far: networks, digits, measurements. Now a world so small that everything in it can be derived. It has no network,
# only a linear classifier.
#
# An example has a label $y$, $-1$ or $+1$ equally often, and $d + 1$ features, here the inputs themselves.
#
# - $x_1$ is the **robust** feature: it equals $y$ with probability $p$, say 0.95, and $-y$ else. The attacker cannot
#   change it.
# - $x_2, \dots, x_{d+1}$ are **non-robust**, or *weak*: each is normal with mean $\eta\,y$ and standard deviation 1.
#   With $\eta = 0.2$, one has the sign of $y$ in 58 cases of 100; the sum of fifty, in 92.
#
# The classifier answers with the sign of $w\cdot x$. Only the proportions of the weights count, and all weak features
# are alike, so each has weight 1. Their sum is the **vote**, and one number is left to choose: $w_1$, *how many votes
# the robust feature is worth*.
#
# *The attacker* knows $y$ and all weights and moves each weak feature by at most **eps** ($\varepsilon$, norm l_inf).
# The worst move is $-\varepsilon y$, the same for all of them, so the mean $\eta$ becomes $\eta - \varepsilon$.
#
# ### Three lines to the optimum
#
# Take the examples with $x_1 = +1$: a share $p$ has $y = +1$, a share $1-p$ has $y = -1$. At a vote $v$ their numbers
# are in the ratio
#
# $$ \frac{p\;e^{-(v-\eta d)^2/2d}}{(1-p)\;e^{-(v+\eta d)^2/2d}} \;=\; \frac{p}{1-p}\,e^{2\eta v}. $$
#
# The Bayes classifier answers with the label that is more frequent there, and no classifier can do better (together the
# weak features say no more about $y$ than their sum). So it answers $+1$ where $2\eta v > -\ln\frac{p}{1-p}$. That is
# the linear classifier with
#
# $$ w^* \;=\; \frac{\ln\frac{p}{1-p}}{2\eta}, \qquad\text{and under attack}\qquad
#    w_{\mathrm{AT}} \;=\; \frac{\ln\frac{p}{1-p}}{2(\eta-\varepsilon)}. $$
#
# **ST**, standard training, finds $w^*$; **AT**, adversarial training, finds $w_{\mathrm{AT}}$.

# %%
from samlib.course.lessons import robust_and_non_robust_features as lesson

lesson.bet_on_the_attack.ask()

# %% [markdown]
# **Move** `p`, `η` and `d` first: the dot is where the two bells cross, and a threshold anywhere else makes the filled
# area, the errors, larger. Then move `eps`. (Where $x_1 = -1$, everything is mirrored.)

# %%
lesson.attacked_votes()

# %%
import numpy as np

from samlib import toy

p, eta, d = 0.95, 0.2, 50
standard = toy.standard_optimum(p, eta)
for count in (d, 200):
    clean, hit = (100 * toy.attacked_error(standard, p, eta, count, eps) for eps in (0.0, 0.2))
    print(f"d = {count}: ST with w_1 = {standard:.2f} misclassifies {clean:.2f} %, with eps = 0.2 {hit:.0f} %")
for eps in (0.1, 0.19):
    attacked = toy.adversarial_optimum(p, eta, eps)
    error = 100 * toy.clean_error(attacked, p, eta, d)
    print(f"AT with eps = {eps}: w_1 = {attacked:6.2f}, clean error {error:.1f} %")

# %% tags=["guard"]
shares = [100 * (1 - toy.clean_error(0.0, p, eta, count)) for count in (1, d)]
hits = [100 * toy.attacked_error(standard, p, eta, count, 0.2) for count in (d, 200)]
assert [round(v) for v in (*shares, *hits)] == [58, 92, 18, 32]
assert 100 * toy.clean_error(standard, p, eta, 200) < 0.1
assert all(abs(toy.clean_error(standard + s, p, eta, n)) > toy.clean_error(standard, p, eta, n)
           for s in (-1, 1) for n in (1, 10, 50, 200))  # fmt: skip

# %% [markdown]
# **Explain.** `p` raises one bell and lowers the other, and the crossing moves; `d` moves both, and the crossing stays.
# ST leans on the weak features *because they pay*: with 200 of them it misclassifies less than 0.1 %. They pay as long
# as their mean lasts: at eps = 0.2, which is $\eta$, it misclassifies 32 %, more than with fifty.
#
# AT lets the robust feature count for more, without bound as eps → η. Beyond, the vote points the wrong way.
#
# > AT gives the robust feature $\eta/(\eta-\varepsilon)$ times the weight.

# %% [markdown]
# ## 2 · Where does SAM move it?
#
# Now nobody touches the input. SAM wants weights whose *neighbours* are good too. Let $L(w_1)$ be the clean error. The
# simplest reading, **A**: only $w_1$ is perturbed, by at most rho ($\rho$), one perturbation for all examples. In a
# valley the worst neighbour is one of the two ends, so SAM minimises $\max(L(w_1-\rho),\,L(w_1+\rho))$.

# %%
lesson.bet_on_the_shift.ask()

# %%
lesson.bet_on_the_ball.ask()

# %% [markdown]
# Two switches make four definitions:
#
# | one perturbation … | only $w_1$ | all weights, l_2 ball |
# |---|---|---|
# | for all examples: the worst of the mean | **A** | **B**, SAM's own formula |
# | for each example: the mean of the worst | **F1** | **F2** |
#
# **Move** `rho` with A, and watch the black chord: it reaches rho to each side and lies level, and SAM's choice is its
# middle. Then use the switches, and move `d`, for B from 20 to 200. ($p = 0.95$, $\eta = 0.2$.)

# %%
lesson.optimum_shift()

# %% [markdown]
# **Explain A.** The slope is $L'(w_1) = C\,e^{-w_1^2/2d}\,\sinh(\eta(w_1-w^*))$ with some $C > 0$. The factor
# $e^{-w_1^2/2d}$ shrinks as $w_1$ grows, so the right side of the valley is the flatter one, and the chord slides
# there:
#
# $$ w_{\mathrm{SAM}} \;\approx\; w^*\left(1 + \frac{\rho^2}{3d}\right). $$
#
# **B.** Only the direction of the weights counts, so divide by the weak ones. Seen so, the ball reaches further to the
# right than to the left, and its centre steps back, by the share $\rho^2/d$. The flat side pulls it forward. Together
#
# $$ w_{\mathrm{SAM}} \;\approx\; w^*\left(1 - \frac{\rho^2}{3d}\Bigl(2 - \frac{w^{*2}}{d}\Bigr)\right):
#    \quad\text{less weight on the robust feature where } w^{*2} < 2d. $$
#
# **F1.** An example's own worst case takes $\rho\,|x_1| = \rho$ from its margin $y\,w\cdot x$, as if each of the $d$
# weak features had lost $\rho/d$. That *is* adversarial training, with eps = rho$/d$:
#
# $$ w_{\mathrm{SAM}} \;=\; \frac{w^*}{1 - \rho/(\eta d)}. $$
#
# F2 takes $\rho\,\lVert x\rVert$ and goes further still. With many more weak features the same rho moves all four less:
# it counts against the weights' length, about $\sqrt d$.
#
# > One perturbation for all examples can only lean on the shape of the valley, a multiple of rho². One for each example
# > is an attack in disguise, a multiple of rho.
#
# And there is a reading for which *nothing moves*: **E**, one normalised ascent step on the whole loss, in $w_1$ alone.
# Left of $w^*$ it goes left, and the slope there sends $w_1$ back to the right; on the other side likewise. It rests at
# $w^*$.
#
# <details>
# <summary>The proofs of A and B, and more definitions</summary>
#
# *Slope.* $L'$ is the difference of the two bells at $v = -w_1$, in proportion to
# $e^{-w_1^2/2d}\bigl((1-p)e^{\eta w_1} - p\,e^{-\eta w_1}\bigr)$; and $p/(1-p) = e^{2\eta w^*}$.
#
# *A.* Near the bottom $L'(w^*+u) \propto u - \tfrac{w^*}{d}u^2$. At the optimum both ends are equally bad, so this
# integrates to zero over $[\delta-\rho, \delta+\rho]$: $\;2\delta\rho = \tfrac{2w^*}{3d}\rho^3$.
#
# *B.* The angle $\theta$ of the weights has $\tan\theta = w_1/\sqrt d$; the ball turns it by $\alpha$ with
# $\sin\alpha = \rho/\sqrt{w_1^2+d}$. Expanding $\sqrt d\tan(\theta\pm\alpha)$, the ends are $w_1(1+\rho^2/d) \pm r$,
# $r = \rho\sqrt{1+w_1^2/d}$. By A the middle of a level chord lies at $w^*(1+r^2/3d)$. (For a large rho unequal weak
# weights are worse still; then no chord is drawn.)
#
# | result | perturbation | $w_{\mathrm{SAM}}/w^* - 1$ for a small rho |
# |---|---|---|
# | F2 | all weights, for each example | about $\rho/(\eta\sqrt d)$ |
# | G | exponential loss, all weights learned, whole loss | 0 |
# | H | logistic loss, all learned, whole loss | of order $\rho^2$, either sign |
# | I | logistic loss, all learned, for each example | of order $\rho$, either sign |
# | J | logistic loss, only $w_1$ learned, all perturbed, for each example | up, of order $\rho$ |
#
# `help(toy.sam_optimum)` defines each, and four more; the tests check each against an independent computation.
#
# </details>

# %%
for name, rho in (("A", 0.1), ("B", 0.1), ("F1", 0.1), ("E", 0.1)):
    exact, formula = (f(p, eta, d, rho, name) / standard - 1 for f in (toy.sam_optimum, lesson.leading_order))
    print(
        f"{name:2}, rho = {rho}: w_1 changes by {100 * exact:+.5f} %; the formula for small rho: {100 * formula:+.5f} %"
    )

# %% tags=["guard"]
laws = {"A": 1 / (3 * d), "B": -(2 - standard**2 / d) / (3 * d), "A'": 1 / 3, "D": standard**2 / (3 * d)}
laws |= {"C": (d - 2 + standard**2 / d) / d, "D'": (standard**2 * (d + 1) / d - 3) / (3 * d), "E": 0.0, "G": 0.0}
for name, c in laws.items():
    assert abs((toy.sam_optimum(p, eta, d, 0.02, name) / standard - 1) / 0.02**2 - c) <= 2e-3 * abs(c), name
assert abs(toy.sam_optimum(p, eta, d, 3, "F1") * (1 - 3 / (eta * d)) / standard - 1) < 1e-9
assert 0.9 < (toy.sam_optimum(p, eta, d, 1e-3, "F2") / standard - 1) / (1e-3 / (eta * d**0.5)) < 1.3
assert all(toy.sam_optimum(p, eta, d, rho, "F2") > toy.sam_optimum(p, eta, d, rho, "F1") for rho in (0.1, 0.5))
few, many = (
    [abs(toy.sam_optimum(p, eta, n, 0.25, name) / standard - 1) for name in ("A", "B", "F1", "F2")] for n in (50, 500)
)
assert all(b < a for a, b in zip(few, many, strict=True))
ways = {name: {toy.sam_optimum(q, eta, n, 0.02, name) > toy.standard_optimum(q, eta)
               for q, n in ((0.6, 50), (0.95, 50), (0.99, 20))} for name in "HI"}  # fmt: skip
assert ways == {"H": {True, False}, "I": {True, False}}
for name, law in (("H", 4), ("I", 2), ("J", 2)):
    near, far = (toy.sam_optimum(p, eta, d, rho, name) / standard - 1 for rho in (0.02, 0.04))
    assert abs(far / near / law - 1) < 0.05

# %%
flattest = toy.sam_optimum(p, eta, d, 3.0, "B")
for name, w in (("w*", standard), ("SAM's choice by B", flattest)):
    error, worst = toy.clean_error(w, p, eta, d), lesson.worst_error("B", w, p, d, 3.0)
    print(f"{name:17}: error {100 * error:.2f} %, worst within rho = 3 {100 * worst:.2f} %;", end=" ")
    print(f"under attack (eps = 0.1) {100 * toy.attacked_error(w, p, eta, d, 0.1):.2f} %")

# %% tags=["guard"]
(error, flat_error), (attacked, flat_attacked) = (
    [toy.attacked_error(w, p, eta, d, eps) for w in (standard, flattest)] for eps in (0.0, 0.1)
)
worst, flat_worst = (lesson.worst_error("B", w, p, d, 3.0) for w in (standard, flattest))
assert flat_worst < worst - 1e-4
assert [round(100 * rise, 1) for rise in (worst - error, flat_worst - flat_error)] == [1.2, 1.0]
assert flat_attacked > attacked + 0.002

# %% [markdown]
# *A flat minimum is a robust one?* Here is a counterexample. Within rho = 3 the error of the second classifier rises by
# 1.0 points, that of the first by 1.2. It is the **flatter** one; under attack it is the **less robust** one.
#
# ### Exercise 1 · The level chord (medium, 8 minutes)
#
# Find SAM's choice by A, for any rho, without a gradient. `toy.clean_error(w_1, p, eta, d)` is $L$. The answer lies
# between $w^*$ and $w^*$ + rho. (Why? Put the middle at either, and see which end is the higher one.)


# %% tags=["stub"]
def middle(p, eta, d, rho):
    """-> the w_1 at which L(w_1 - rho) and L(w_1 + rho) are equal, to about four digits."""
    ...


# %% tags=["solution", "exercise:robust_and_non_robust_features/middle"]
def middle(p, eta, d, rho):
    """-> the w_1 at which L(w_1 - rho) and L(w_1 + rho) are equal, to about four digits."""
    low = toy.standard_optimum(p, eta)
    high = low + rho
    for _ in range(50):
        guess = (low + high) / 2
        tilt = toy.clean_error(guess + rho, p, eta, d) - toy.clean_error(guess - rho, p, eta, d)
        low, high = (guess, high) if tilt < 0 else (low, guess)
    return low


# %%
lesson.middle.check(middle)  # lesson.middle.hint() and lesson.middle.solution() help

# %% [markdown]
# ### Exercise 2 · Make B move right (medium, 6 minutes)
#
# With `d` = 100, choose `p`, `eta` and `rho` (below 10) so that B gives the robust feature at least one per cent *more*
# weight than ST does. What kind of world is that?

# %% tags=["stub"]
world = {"p": ..., "eta": ..., "rho": ...}

# %% tags=["solution", "exercise:robust_and_non_robust_features/to the right"]
world = {"p": 0.99, "eta": 0.1, "rho": 1.0}

# %%
lesson.to_the_right.check(world)

# %% [markdown]
# ## 3 · One perturbation for how many?
#
# Training uses neither the whole loss nor single examples. It takes a batch of $m$, and SAM takes one ascent step for
# all $m$: m-SAM. So the batch size leads from *for each example* ($m = 1$) to *for all*.
#
# This can be trained: logistic loss, `samlib.SAM` around SGD, rho = 0.3, always fresh examples. The ascent step is over
# *all* weights. Either only $w_1$ is learned and the weak features' weights $w_j$ are **kept** at $2\eta$, where
# logistic regression puts them (definition J), or all are **learned**, as a network does (I for $m = 1$, H for the
# whole loss). What counts is $w_1/w_j$.

# %%
lesson.bet_on_the_batch.ask()


# %%
def changes_by_sam(m, learn_others=False, seeds=range(3), train=lesson.train_classifier):
    """w_1 / w_j of SAM against SGD on the same examples, in percent for each seed."""
    options = {"batch_size": m, "steps": max(100, int(1600 / m**0.5)), "seeds": seeds}
    sam, sgd = (train(0.95, 0.2, 50, rho=rho, learn_others=learn_others, **options) for rho in (0.3, 0.0))
    return (100 * (sam / sgd - 1)).numpy()


# %%
from samlib.course.results import interval

kept = {m: changes_by_sam(m) for m in (1, 16, 128)}  # some ten seconds: batches of one need many steps
for m, runs in kept.items():
    print("others kept, m = {:3}: {:5.1f} ± {:.1f} %".format(m, *interval(runs.tolist())), "(95 % interval, 3 seeds)")

# %% tags=["guard"]
expected = {1: 37.0, 16: 11.3, 128: 1.4}  # from the mean gradients of 1,000 to 65,000 batches
for m, figure in expected.items():
    mean, half = interval(kept[m].tolist())
    assert abs(mean - figure) < min(half, 0.15 * figure) + 0.1
assert kept[16].mean() > 10 > 5 > abs(kept[128].mean())
own, free = (100 * (toy.sam_optimum(p, eta, d, 0.3, name) / standard - 1) for name in ("J", "I"))
assert 36.5 < own < 37.5
assert 1 < free < 3
learned = {m: changes_by_sam(m, learn_others=True) for m in (16, 128)}
assert all(abs(runs.mean()) < 3 for runs in learned.values())

# %% [markdown]
# **Press** for other batch sizes, and with all weights learned; each press trains three seeds, in some seconds.

# %%
lesson.train_by_batch_size(changes_by_sam, kept)

# %% [markdown]
# **Explain.** With $m = 1$ the step's direction is the example's own and costs it exactly $\rho\,\lVert x\rVert$ of its
# margin: an attack, carried out in the weights. With many examples the step follows their *mean* gradient; near the
# optimum the examples' gradients cancel in it, and what is left raises the loss of some and lowers that of others.
#
# If all weights are learned, the ratio moves by less than three per cent at any $m$ that we tried: SAM makes *all*
# weights larger, because a perturbation of length rho then turns them less. In this model the strong effect needs a
# small batch *and* weak weights that stay put. A network is not this model: on the digits, an ascent step of the first
# layer that 128 images share makes no weaker network than one for each (lesson 06, the 48-unit network).

# %% tags=["guard"]
from samlib.course import results

own_step, shared_step = (
    100 * np.mean(results.values(results.load("alpha"), f"{name}, tuned (robust)", "linf 0.125"))
    for name in ("alpha 0", "batches of 128")
)
assert shared_step > own_step

# %% [markdown]
# ## 4 · A small price, two radii, and a theorem

# %%
lesson.bet_on_the_price.ask()

# %% [markdown]
# SAM by F1 moves $w_1$ away from $w^*$. The *price* is the rise of the clean error, the *gain* the fall of the error
# under attack. **Move** `rho`: the left picture zooms in as the step shrinks. Then move `d` and `eps`, and find a step
# that is too long.

# %%
lesson.price_and_gain()

# %% [markdown]
# **Explain.** $w^*$ is the bottom of the clean error, where the slope is zero, so a small step costs the *square* of
# the step. Under attack $w^*$ is not the bottom: the gain is proportional to the step, until $w_1$ passes
# $w_{\mathrm{AT}}$. With more weak features the same rho makes a shorter step, and the ratio grows.
#
# > A small move is nearly free: its price is second order, its gain first order.
#
# This is the best reason that we know for the papers' "without losing clean accuracy". It holds for AT with a small eps
# just as well.

# %% tags=["guard"]
from samlib.course.lessons.robust_and_non_robust_features import price

for n in price.DS:  # slopes on logarithmic axes, at short steps
    one, two = (price.trade(n, rho, 0.1) for rho in (0.05, 0.1))
    assert abs(np.log2(two.price / one.price) - 2) < 0.15
    assert abs(np.log2(two.gain / one.gain) - 1) < 0.15
far, near = ([trade.price, trade.gain] for trade in (price.trade(50, 0.5, 0.1), price.trade(50, 0.05, 0.1)))
assert 70 < far[0] / near[0] < 130
assert 7 < far[1] / near[1] < 13
ratios = [price.trade(n, 1.0, 0.1) for n in price.DS]
assert ratios[0].step > ratios[1].step > ratios[2].step
assert ratios[0].gain / ratios[0].price < ratios[1].gain / ratios[1].price < ratios[2].gain / ratios[2].price
assert any(price.trade(n, rho, eps).gain < 0 for n in price.DS for rho in price.RHOS for eps in price.EPS)

# %% [markdown]
# ### rho and eps share no unit
#
# rho is a length in weight space, eps one in input space. One can only ask which eps makes AT choose the *same* $w_1$:
#
# | definition | AT with the same $w_1$ | how we know |
# |---|---|---|
# | F1 | $\varepsilon = \rho/d$ | derived |
# | A | $2\eta/\varepsilon \approx 2 + 6d/\rho^2$ | derived (set $\eta/(\eta-\varepsilon) = 1 + \rho^2/3d$) |
# | the theorem of Zhang et al. 2024 | $2\eta/\varepsilon \approx 2 + 3/\rho^2$ | at second hand |

# %% tags=["guard"]
for rho in (0.1, 0.3):
    at_eps = {name: toy.adversarial_optimum(p, eta, eps) for name, eps in (
        ("F1", rho / d), ("A", 2 * eta / (2 + 6 * d / rho**2)), ("reported", 2 * eta / (2 + 3 / rho**2)))}  # fmt: skip
    assert abs(at_eps["F1"] / toy.sam_optimum(p, eta, d, rho, "F1") - 1) < 1e-9
    assert abs((at_eps["A"] - standard) / (toy.sam_optimum(p, eta, d, rho, "A") - standard) - 1) < 1e-2
    assert abs(at_eps["reported"] / (standard * (1 + 2 * rho**2 / 3)) - 1) < 1e-9  # the two reports agree

# %% [markdown]
# ### Exercise 3 · Which definition does the theorem use? (hard, 10 minutes)
#
# We know this theorem of Zhang et al. at second hand, without its proof: $w_{\mathrm{SAM}} > w^*$, and
# $w_{\mathrm{SAM}} \approx w^*(1 + \tfrac23\rho^2)$. We could read the abstracts and the first page of Wei et al. That
# page says what SAM minimises: "$\max_{\|\epsilon\|\le\rho} L(w+\epsilon)$", with $w$ "the parameters of the model",
# and a weight decay.
#
# Choose a definition that perturbs what that formula perturbs, for whom the formula does, and list what of the theorem
# it *fits*:
#
# - `"direction"`: $w_{\mathrm{SAM}} > w^*$ in every world;
# - `"order"`: the change grows with $\rho^2$;
# - `"constant"`: the change is $\tfrac23\rho^2$ in every world.
#
# Measure with `toy.sam_optimum(p, eta, d, rho, "A")`.

# %% tags=["stub"]
place = {"definition": ..., "fits": ...}

# %% tags=["solution", "exercise:robust_and_non_robust_features/which definition"]
place = {"definition": "B", "fits": ["order"]}  # or "H", ["order"]; or "G", []

# %%
lesson.which_definition.check(place)

# %% [markdown]
# ### Swap w and x
#
# For one example and a linear classifier, the margin $y\,w\cdot x$ falls, at worst,
#
# $$ \text{SAM: by } \rho\,\lVert x\rVert \qquad \text{attack in } l_2\text{: by } \varepsilon\,\lVert w\rVert . $$
#
# Exchange $w$ and $x$, and one line becomes the other: lesson 05's *dual*, for one unit. It does not mean equal. AT can
# lower its loss through $\lVert w\rVert$. SAM cannot change
# $\lVert x\rVert$; it can only make $w\cdot x$ larger, so doubling $w$ halves the effect of rho and leaves that of eps.

# %%
import torch

x, y = toy.sample(2000, p, eta, d, torch.Generator().manual_seed(0))
w = torch.cat([torch.tensor([standard]), torch.ones(d)]).float()
shares = {}
for scale in (1, 2):
    margin = y * (x @ (scale * w))
    sam, attack = (margin - 0.5 * x.norm(dim=1)), (margin - 0.5 * (scale * w).norm())
    shares[scale] = [100 * (v < 0).float().mean().item() for v in (margin, sam, attack)]
    print("w times {}: misclassifies {:.1f} %; with rho = 0.5 {:.1f} %; with l_2 eps = 0.5 {:.1f} %".format(
        scale, *shares[scale]))  # fmt: skip

# %% tags=["guard"]
assert shares[2][0] == shares[1][0]
assert abs(shares[2][2] - shares[1][2]) < 0.15
assert shares[2][1] < shares[1][1] - 0.5

# %% [markdown]
# ### Where it fails
#
# - **"SAM moves the optimum to the robust feature."** Always, never, or the other way: ask by which definition.
# - **"A flat minimum is a robust one."** By B it is the other way round where $w^{*2} < 2d$.
# - **The model itself.** Independent features, weak ones all alike, an attacker who never touches $x_1$. It shows that
#   perturbing weights *can* act like an attack (F1) and *can* be nearly free. The evidence for networks is measured
#   (lesson 03).
# - **One layer.** By their abstracts (all that we read), SAM balances features by suppressing well-learned ones
#   (2405.20439), and in a linear network of two layers, unlike one, it relies on minor features first (2603.08290): the
#   answer may change with depth.
#
# ### What was read, reported, derived
#
# - *Read*: the abstracts of Wei et al. (SAM alone improves robustness without losing clean accuracy; evidence in a
#   simplified model) and of Zhang et al. (SAM can implicitly learn more robust features); the formula above.
# - *At second hand*: the theorem and its relation to eps. The two agree with each other.
# - *Derived here*, and checked by the package's tests: $w^*$, $w_{\mathrm{AT}}$, all thirteen definitions. None has the
#   constant 2/3 in general. That does not make it wrong; it makes it a sentence not to be quoted without its
#   definition.

# %% [markdown]
# ## What you learned
#
# - Standard training leans on many weak features because they pay; an attacker takes their mean away.
# - Where SAM moves the optimum depends on what is perturbed, and for whom.
# - A perturbation for each example is an attack, first order in rho; one for all is second order; batches lie between.
# - rho and eps can be matched only through what they do, one definition at a time.
# - A small move is nearly free.
#
# ### Three questions

# %%
lesson.recall_moves.ask()

# %%
lesson.recall_units.ask()

# %%
lesson.recall_flat.ask()

# %% [markdown]
# ### Sources
#
# - D. Tsipras and others 2019, [arXiv 1805.12152](https://arxiv.org/abs/1805.12152): the model with one robust and many
#   weak features. A. Ilyas and others 2019, [arXiv 1905.02175](https://arxiv.org/abs/1905.02175): such features in real
#   data.
# - Z. Wei, J. Zhu, Y. Zhang 2023, [arXiv 2305.05392](https://arxiv.org/abs/2305.05392); Y. Zhang and others 2024,
#   [arXiv 2402.15152](https://arxiv.org/abs/2402.15152): SAM in such a model.
# - P. Foret and others 2021, [arXiv 2010.01412](https://arxiv.org/abs/2010.01412): SAM. M. Andriushchenko and
#   N. Flammarion 2022, [arXiv 2206.06232](https://arxiv.org/abs/2206.06232): m-SAM.
# - J. Springer and others 2024, [arXiv 2405.20439](https://arxiv.org/abs/2405.20439); C. Moon and others 2026,
#   [arXiv 2603.08290](https://arxiv.org/abs/2603.08290): SAM, features and depth.
