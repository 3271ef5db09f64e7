# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: Dual is not equally strong
#     part: elective
#     minutes: 35
#     difficulty: hard
#     device: a laptop is enough, no GPU, no download
#     finds: >-
#       a family of perturbations from SAM's to the attack's, and networks trained with each; what direction, length and
#       ball are worth
# ---

# %% [markdown]
# **After this lesson you can**
#
# - name the perturbations between SAM's and the attack's, and say in which unit each is the best;
# - say why *dual* does not mean *equally strong*, with training runs to show for it;
# - say what direction, length and ball give, and why a *share* of a lead is a risky sentence.
#
# **You need** lesson 05 (ball, ellipse, what a batch shares), SAM (lesson 02), adversarial training (lesson 03) and
# reliable attacks (lesson 04).

# %% [markdown]
# ## 1 · From SAM's perturbation to the attack's
#
# In a layer with the features $z = Wx + b$, where $g$ is the gradient of the loss in $z$, SAM's ascent step for one
# digit perturbs the features along $g$, and an attack on the pixels along $WW^{\mathsf T}g$ (lesson 05). Between the
# two lies a family. For a number $\alpha \ge 0$, let
#
# $$ dz \;=\; r\,\lVert x\rVert\;\frac{(WW^{\mathsf T})^{\alpha} g}{\lVert (WW^{\mathsf T})^{\alpha} g\rVert} . $$
#
# ($(WW^{\mathsf T})^{\alpha}$ has the axes of $WW^{\mathsf T}$, and the factor $\sigma_i^{2\alpha}$ along each, where
# $\sigma_i$ is a singular value of $W$.) With $\alpha = 0$ this is SAM's perturbation for a single digit, with rho = r;
# with $\alpha = 1$ it has the direction of the attack. All are equally long *in the features*.
#
# Two networks, 48 units on raw pixels as in lesson 05, and the test digits that both classify correctly:

# %%
import samlib
from samlib.course.lessons import dual_is_not_equally_strong as lesson

x_train, y_train, x_test, y_test = samlib.load_digits()
nets = {}
for name, method in [("SGD", {"method": "sgd"}), ("SAM", {"method": "sam", "rho": 0.4})]:
    nets[name] = samlib.mlp(hidden=(48, 48), mean=0.0, std=1.0)  # 64 -> 48 -> 48 -> 10
    samlib.train(nets[name], x_train, y_train, **method, progress=False)
    nets[name].double()
x_train, x_test = x_train.double(), x_test.double()
right = (nets["SGD"](x_test).argmax(1) == y_test) & (nets["SAM"](x_test).argmax(1) == y_test)
x_right, y_right = x_test[right], y_test[right]

# %%
lesson.bet_on_alpha.ask()

# %% [markdown]
# **Move** `alpha`. Upper row: the perturbation of length $0.2\,\lVert x\rVert$ in the features, as the change of the
# pixels that does it ($W^{+}dz$). Lower row: the same direction, *in the pixels* as long as alpha = 1 is above. (Orange
# is blacker than ink, light blue whiter than paper.) The curves show the mean loss over the digits.

# %%
lesson.family(nets, x_right, y_right)

# %% [markdown]
# **Explain.** Each perturbation is the best one in its own unit.
#
# Equally long in the features, SAM's raises the loss most, because it goes straight up the slope. Equally long in the
# pixels, the attack's does, by far. As a picture, SAM's perturbation is noise more than three times as long: it also
# asks for features that the layer hardly passes on, and these take large changes of the pixels. So the two are dual,
# and *how* unequal they are depends on the unit in which you count.

# %% tags=["guard"]
for net in nets.values():
    members = lesson.members(net, x_right, y_right)
    features, pixels = ([members[a, unit].loss for a in lesson.ALPHAS] for unit in lesson.UNITS)
    assert features[0] == max(features)
    assert features[0] > 1.1 * features[4]
    assert abs(features[4] - pixels[4]) < 1e-9
    assert pixels[4] > 2 * pixels[0]
    assert max(pixels) < 1.05 * pixels[4]
    lengths = [members[a, lesson.UNITS[0]].dx.norm(dim=1).median() for a in lesson.ALPHAS]
    assert lengths[0] > 3 * lengths[4]

# %% [markdown]
# ### Exercise 1 · Each in its own unit (medium, 8 minutes)
#
# Was it luck that SAM's perturbation is the best in features, and the attack's in pixels? To first order, the loss
# rises by $\langle g, dz\rangle$. Given a layer `W` (m, n) of full row rank and a gradient `g` (m,), return how much it
# rises along $dz = (WW^{\mathsf T})^{\alpha}g$ for each unit of length: first of $dz$ in the features, then of
# $W^{+}dz$ in the pixels. Then try some alphas: where is each of the two the largest?


# %% tags=["stub"]
def steepness(W, g, alpha):
    """W (m, n), g (m,), alpha -> (rise per length in the features, rise per length in the pixels)."""
    ...


# %% tags=["solution", "exercise:dual_is_not_equally_strong/steepness"]
def steepness(W, g, alpha):
    """W (m, n), g (m,), alpha -> (rise per length in the features, rise per length in the pixels)."""
    U, sigma, _ = torch.linalg.svd(W, full_matrices=False)
    dz = U @ (sigma ** (2 * alpha) * (U.T @ g))
    dx = torch.linalg.pinv(W) @ dz
    return g @ dz / dz.norm(), g @ dz / dx.norm()


# %%
lesson.steepness.check(steepness)  # lesson.steepness.hint() and lesson.steepness.solution() help

# %% [markdown]
# ## 2 · Train with it
#
# If the direction is what SAM lacks, training with the attack's should fix it. At each step, each digit of the batch is
# perturbed in its features by a member of the family, and the gradient is taken there. Beside the family stand
# first-layer *m-SAM*, one ascent step for every m = 8 or 128 digits, and adversarial training (AT) in l_2 and l_inf,
# with one step of attack and with seven.
#
# Each had the same number of tries for its length (r, rho or eps) and its learning rate, on 200 training images set
# aside, anew on three splits of the data. Of the tries that classify 95 % of the clean digits, the one with the best
# robust accuracy at l_inf 0.125 was chosen. Three seeds on each split then went to the test images, under the attacks
# of `budget="standard"` (lesson 04). ± is over the splits, which share digits: it is rather too short.

# %%
lesson.bet_on_the_training.ask()

# %% [markdown]
# **Move** the length `r` from *0.2 for all* to *its own*; then the attack, and last *no attack*. Each mark is one
# network, the bar their mean.

# %%
lesson.ladder()

# %% [markdown]
# **Explain**, at l_inf 0.125.
#
# - **The batch.** m-SAM with one step for 8 or 128 digits makes no weaker network than one step for each (m = 1, which
#   is alpha = 0). Here it makes a stronger one, by 6 ± 3 and 9 ± 9 points, with a rho two to four times as long. Lesson
#   05 was right about the perturbations in a batch, and *sharing is not why SAM is weaker*.
# - **The direction.** From alpha = 0 to 1, each with the length that suits it, robust accuracy rises by 20 ± 7 points.
#   Three quarters of the way give as much as all of it.
# - **The length.** With r = 0.2 for all, the direction is worth less than five points. Towards the attack's one can go
#   much further, and that is worth some twenty more (exercise 2).
# - **Start and box.** AT in l_2 with one step has the direction of alpha = 1, counts its length in pixels, starts at
#   random and keeps to [0, 1]: 9 ± 3 points more. (Section 3: without start and box, none of them is left.)
# - **More steps.** Seven steps instead of one give 2 ± 1 points in l_inf, and nothing that three splits can show in
#   l_2.
# - **The ball.** AT in l_inf, tested in the ball that it was trained in, leads AT in l_2 by 14 ± 11 points. Now switch
#   to *l_2 0.5*: that lead is gone.
#
# **Dual is not equally strong.** One identity stands behind all these networks, and they lie tens of points apart. What
# differs is the direction, the unit, the ball, start and box. SAM's come from its weights, not from the attack.

# %%
print(lesson.table())

# %% tags=["guard"]
from samlib.course import results

runs = results.load("alpha")
lead = {
    (one, other, measure): lesson.lead(one, other, measure)
    for one, other in (
        ("batches of 8", "alpha 0"),
        ("batches of 128", "alpha 0"),
        ("alpha 1", "alpha 0"),
        ("alpha 1", "alpha 0.75"),
        ("AT l2, 1 step", "alpha 1"),
        ("AT l2", "AT l2, 1 step"),
        ("AT linf", "AT linf, 1 step"),
        ("AT linf", "AT l2"),
    )
    for measure in ("linf 0.125", "l2 0.5")
}
at = {pair[:2]: found for pair, found in lead.items() if pair[2] == "linf 0.125"}
said = {
    ("batches of 8", "alpha 0"): (6, 3),
    ("batches of 128", "alpha 0"): (9, 9),
    ("alpha 1", "alpha 0"): (20, 7),
    ("AT l2, 1 step", "alpha 1"): (9, 3),
    ("AT linf", "AT linf, 1 step"): (2, 1),
    ("AT linf", "AT l2"): (14, 11),
}
for pair, figures in said.items():
    assert (round(at[pair][0]), round(at[pair][1])) == figures, pair
assert abs(at["alpha 1", "alpha 0.75"][0]) < 1
assert abs(at["AT l2", "AT l2, 1 step"][0]) < at["AT l2", "AT l2, 1 step"][1]
assert lead["AT linf", "AT l2", "l2 0.5"][0] < 0
fixed = {name: 100 * results.interval(lesson.runs_of(name, "linf 0.125", "0.2"))[0] for name in ("alpha 0", "alpha 1")}
assert 4 < fixed["alpha 1"] - fixed["alpha 0"] < 5
assert 19 < 100 * results.interval(lesson.runs_of("alpha 1", "linf 0.125"))[0] - fixed["alpha 1"] < 23  # the length
lengths = {}
for name in lesson.SETTINGS:
    how = runs["protocol"]["settings"][f"{name}, tuned (robust)"]
    found = [one["training"].get("perturbation", {}) for one in (how.values() if "split 0" in how else [how])]
    lengths[name] = [one.get("r", one.get("rho")) for one in found]
for name in ("batches of 8", "batches of 128"):
    assert 2 * max(lengths["alpha 0"]) <= min(lengths[name])
    assert max(lengths[name]) <= 4 * min(lengths["alpha 0"])
assert lengths["alpha 1"] == [0.8]
assert 2 * max(lengths["alpha 0"]) == 0.8
assert [round(value, 1) for value in lesson.lead("SGD", "batches of 8", "clean")] == [1.3, 1.6]
assert all(len(lesson.runs_of(name, "clean")) == 9 for name in lesson.SETTINGS)

# %% [markdown]
# ### Exercise 2 · Shares depend on the order (medium, 8 minutes)
#
# "The direction explains so many per cent of the lead." From alpha = 0 with r = 0.2 (*neither*) to alpha = 1 with a
# length of its own (*both*) two things change (the length is each alpha's own). Write the two shares of that lead which
# belong to the direction: changed first (from *neither* to *direction*), and changed last (from *length* to *both*).


# %% tags=["stub"]
def shares(neither, direction, length, both):
    """Four accuracies, by what was changed -> (the direction's share changed first, and changed last)."""
    ...


# %% tags=["solution", "exercise:dual_is_not_equally_strong/shares"]
def shares(neither, direction, length, both):
    """Four accuracies, by what was changed -> (the direction's share changed first, and changed last)."""
    lead = both - neither
    return (direction - neither) / lead, (both - length) / lead


# %%
lesson.shares.check(shares)

# %% [markdown]
# And on the measured four, under either attack:

# %%
from samlib.course import results

for measure in ("linf 0.125", "l2 0.5"):
    four = [
        results.interval(lesson.runs_of(name, measure, length))[0]
        for name, length in (("alpha 0", "0.2"), ("alpha 1", "0.2"), ("alpha 0", "chosen"), ("alpha 1", "chosen"))
    ]
    first, last = lesson.shares_of_the_lead(*four)
    print(f"{measure:10}: the direction's share of the lead is {first:.0%} changed first, {last:.0%} changed last")

# %% tags=["guard"]
for measure in ("linf 0.125", "l2 0.5"):
    four = [
        results.interval(lesson.runs_of(name, measure, length))[0]
        for name, length in (("alpha 0", "0.2"), ("alpha 1", "0.2"), ("alpha 0", "chosen"), ("alpha 1", "chosen"))
    ]
    first, last = lesson.shares_of_the_lead(*four)
    assert 0.15 < first < 0.27
    assert 0.74 < last < 0.83

# %% [markdown]
# A fifth, or four fifths: both are true, and each is a sentence about an order that somebody chose. *The four numbers
# say more than any share.*

# %% [markdown]
# ## 3 · Direction and ball
#
# SAM's perturbation differs from an attack's in its direction *and* in the ball that it fills. To tell them apart,
# change one at a time: one step in the pixels, along SAM's direction ($W^{+}g$, the pixels that do what SAM does to the
# features) or along the attack's ($W^{\mathsf T}g$), as long as an l_2 or an l_inf ball allows. In l_inf that is eps
# times the *sign* of the direction. Each of the four has its own eps and learning rate, tuned as above.

# %%
lesson.bet_on_the_ball.ask()

# %% [markdown]
# **Move** the attack that they are tested with.

# %%
lesson.direction_and_ball()

# %% [markdown]
# **Explain**, at l_inf 0.125.
#
# - **The direction** is worth 14 ± 4 points in the l_2 ball, and 8 ± 2 in the l_inf ball.
# - **The ball** is worth 8 ± 1 points along SAM's direction, and 2 ± 2 along the attack's, though the attack in the
#   test *is* an l_inf attack. The lines are not parallel, so neither has a worth of its own.
# - **Clean accuracy** does not suffer, as far as three splits can show.
#
# These steps begin at the digit and know nothing of [0, 1], and in l_2 are as good as alpha = 1. AT with one step,
# which starts at random and keeps to the box, is some nine points better still in l_2 and seventeen in l_inf.


# %% tags=["guard"]
def gain(one, other, measure="linf 0.125"):
    """The lead of one of the four over another, in points, and its half width over splits."""
    return lesson.lead(one, other, measure, "directions")


assert [round(v) for v in gain("attack, l2", "sam, l2")] == [14, 4]
assert [round(v) for v in gain("attack, linf", "sam, linf")] == [8, 2]
assert [round(v) for v in gain("sam, linf", "sam, l2")] == [8, 1]
assert [round(v) for v in gain("attack, linf", "attack, l2")] == [2, 2]
for ball in ("l2", "linf"):
    assert gain(f"attack, {ball}", f"sam, {ball}", "clean")[0] > 0.5


def robust(setting):
    """Mean robust accuracy of one of the settings of section 2, in per cent."""
    return 100 * results.interval(lesson.runs_of(setting, "linf 0.125"))[0]


in_ball = {
    ball: 100 * results.interval(lesson.runs_in_ball("attack", ball, "linf 0.125"))[0] for ball in ("l2", "linf")
}
assert abs(robust("alpha 1") - in_ball["l2"]) < 1
assert 8 < robust("AT l2, 1 step") - in_ball["l2"] < 10
assert 16 < robust("AT linf, 1 step") - in_ball["linf"] < 18
four = {
    (way, ball): results.by_split(results.load("directions"), f"{way}, {ball}, tuned (robust)", "linf 0.125")
    for way in ("sam", "attack")
    for ball in ("l2", "linf")
}
apart = [
    sum(sign * sum(four[place][split]) / 3 for place, sign in zip(four, (-1, 1, 1, -1), strict=True))
    for split in (0, 1, 2)
]
middle, half = results.interval(apart)  # the lines are not parallel
assert middle > 2 * half

# %% [markdown]
# ## 4 · A length that can be outgrown
#
# Why may the length be so large, up to 0.8 times $\lVert x\rVert$? Because a perturbation of the *features* can be
# outgrown. Train with alpha = 1 and r = 0.8, and look at the layer:

# %%
import torch
from samlib.duality import at_layer, dz_between, singular_range
from samlib.runs.feature_training import perturbation_along, perturbed_cross_entropy

aimed = samlib.mlp(hidden=(48, 48), mean=0.0, std=1.0)
loss = perturbed_cross_entropy(perturbation_along(1.0, 0.8))
largest, in_pixels = [], []
for stage in ("before", "after"):
    if stage == "after":
        samlib.train(aimed.float(), x_train.float(), y_train, loss=loss, progress=False)
    at = at_layer(aimed.double(), x_train, y_train)
    dx = dz_between(at.weight, at.g, at.x, 0.8, 1.0) @ torch.linalg.pinv(at.weight).T
    largest.append(singular_range(at.weight)[1])
    in_pixels.append(dx.norm(dim=1).median().item())
    print(f"{stage} training: largest singular value {largest[-1]:.1f}, perturbation {in_pixels[-1]:.2f} in pixels")

# %% tags=["guard"]
assert largest[1] > 5 * largest[0]
assert in_pixels[1] < 0.2 * in_pixels[0]

# %% [markdown]
# The layer has grown until the same length in the features is a small change of the picture. An eps in pixels cannot be
# outgrown like that. It is lesson 02's rescaling again, found by training itself: *rho has no fixed worth in pixels*.

# %% [markdown]
# ## 5 · Where it fails
#
# - **One network, one data set.** Small networks on small digits. The order need not hold elsewhere.
# - **Clean accuracy** may not be free in all of these: chosen for robust accuracy, m-SAM with m = 8 seems to lose a
#   point (1.3 ± 1.6) on SGD. "No loss of clean accuracy" holds for SAM with rho = 0.4 (lesson 03).
# - **One layer.** The family perturbs the first layer's features. What SAM does to later layers need not be a change of
#   any picture, and in a ResNet three splits could not tell which layers matter (lesson 03).
# - **The box.** Pixels end at 0 and 1, and the family does not know that.

# %% [markdown]
# <details>
# <summary><b>Appendix · Short proofs, and a certificate</b></summary>
#
# **Each in its own unit** (exercise 1). In the features, $\langle g, dz\rangle \le \lVert g\rVert\lVert dz\rVert$
# (Cauchy and Schwarz), with equality for $dz$ along $g$: $\alpha = 0$. In the pixels,
# $\langle g, W\,dx\rangle = \langle W^{\mathsf T}g, dx\rangle \le \lVert W^{\mathsf T}g\rVert\lVert dx\rVert$, with
# equality for $dx$ along $W^{\mathsf T}g$. Its $dz$ is $WW^{\mathsf T}g$: $\alpha = 1$.
#
# **Certificate.** All robust accuracies here are what attacks left, upper bounds. A lower bound follows from the first
# layer: if no feature perturbation shorter than $R$ changes the answer, no weights within $R/\lVert x\rVert$ and no
# pixels within $R/\sigma_{\max}$ do. Such an $R$ is the lead of the right logit over what it can lose at most, the
# product of the later layers' largest singular values (a Lipschitz bound); `samlib.duality.certificate` computes it.
# For deep networks hardly anything is left of it.
#
# </details>

# %% [markdown]
# ## What you learned
#
# - SAM's perturbation is the best for its length in features, the attack's for its length in pixels; a family in
#   $\alpha$ lies between them.
# - Dual is not equally strong: with the length that suits each, the attack's direction is worth twenty points over
#   SAM's, and AT has more on top. A shared ascent step is not to blame.
# - Direction and ball do not add up, and a share of a lead depends on the order in which things were changed.
# - A length in features can be outgrown, because training enlarges the layer. A length in pixels cannot.
#
# ### Three questions

# %%
lesson.recall_strength.ask()

# %%
lesson.recall_outgrown.ask()

# %%
lesson.recall_shares.ask()

# %% [markdown]
# ### Sources
#
# - Z. Wei, J. Zhu, Y. Zhang 2023, *Sharpness-Aware Minimization Alone can Improve Adversarial Robustness*, [arXiv
#   2305.05392](https://arxiv.org/abs/2305.05392): SAM and adversarial training as two ways to perturb features. Its
#   extended version: Y. Zhang and others 2024, *On the Duality Between Sharpness-Aware Minimization and Adversarial
#   Training*, [arXiv 2402.15152](https://arxiv.org/abs/2402.15152).
# - A. Madry and others 2018, [arXiv 1706.06083](https://arxiv.org/abs/1706.06083): PGD and adversarial training.
# - M. Andriushchenko, N. Flammarion 2022, [arXiv 2206.06232](https://arxiv.org/abs/2206.06232): SAM's ascent step on
#   parts of a batch.
# - The family in alpha is derived for this course (the tests of `samlib.duality` check every equality and inequality),
#   and all figures are measured for it. They are not the papers'.
# - The digits: E. Alpaydin and C. Kaynak 1998, UCI Machine Learning Repository, as shipped with scikit-learn.
