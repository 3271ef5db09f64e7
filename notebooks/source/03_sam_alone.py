# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: SAM alone
#     minutes: 50
#     difficulty: medium
#     device: a laptop is enough, no GPU, no download
# ---

# %% [markdown]
# **After this lesson you can**
#
# - state the claim of the paper and test it: train with SGD and with SAM, attack both, compare over seeds;
# - read a curve of robust accuracy over eps, and say what its error bars cover;
# - place SAM beside adversarial training: what each gains, costs, and must know beforehand;
# - say which part of a network has to climb, and what that tells about *why* SAM helps.
#
# **You need** Python, what a gradient is, and what training a classifier with SGD means. All else is explained here.
# Lesson 00 gives the picture behind it; lessons 01 and 02 build attack and optimizer from scratch.

# %% [markdown]
# ## 1 · The claim
#
# A network is **robust** on an image if no small change of the image makes it err.
#
# *Who attacks?* Someone who knows the network and may change every pixel a little: by at most **eps** each (the norm
# l_inf), or by eps in Euclidean length over all pixels together (l_2). Pixels run from 0 to 1, so eps = 0.125 is an eighth of
# the way from paper to ink.
#
# *How?* By **PGD**, projected gradient descent: follow the gradient of the loss with respect to the *pixels*, uphill, and
# come back into the allowed ball after each step. **Robust accuracy** is the share of test images that are classified correctly
# and that no attack breaks.
#
# Nothing in ordinary training asks for that. One remedy is **adversarial training** (AT): attack every batch, train on the
# attacked images. **SAM**, sharpness-aware minimization, was made for something else, better test accuracy. Before each step
# it climbs: it moves the *weights* by a length **rho** up their gradient, takes the gradient there, comes back, and steps with
# that. It never touches a pixel.
#
# > **The claim** (Wei, Zhu and Zhang 2023). A network trained with SAM alone is more robust to changes of its *input* than one
# > trained with SGD, and does not pay with clean accuracy.
#
# rho is a length in weight space and eps one in pixel space. They never share a unit.

# %% [markdown]
# We test it on handwritten digits of 8×8 pixels: 1,200 to train on and 597 to test on. A network with two hidden layers of 256
# units reads them, trained for 60 epochs. Take a bet first.

# %%
from samlib import widgets

widgets.question(
    "SGD's network keeps about a third of the test digits under l_inf attacks of eps = 0.125. "
    "SAM with rho = 0.4, and nothing else changed, keeps …",
    {
        "about as many: SAM never sees an attack": "It never sees one, and yet keeps about 10 in 100 more. You will see how sure that is.",
        "5 to 20 in 100 more": "About 10 in 100 more. A real gain, and a modest one.",
        "nearly all of them": "That would be a robust network for free. Not even adversarial training gives it at this eps.",
    },
    correct="5 to 20 in 100 more",
)

# %% [markdown]
# The runs were made beforehand, ten seeds for each setting, and are read from a file that holds every run. (One command
# remakes it: `python -m samlib results`.) Here is what the attack was.

# %%
from samlib import results

methods = results.load("methods")
for attack in methods["protocol"]["attacks"]:
    towards = f", towards each of the {attack['targets']} likeliest wrong classes" if attack["targets"] else ""
    print(f"PGD, {attack['steps']} steps from a random start, loss: {attack['loss']}{towards}")
print("An image counts as robust if it withstands all of them.")

# %% [markdown]
# **Move** `rho`, then `eps`. The grey curve is SGD. Each dot on the right is one trained network.

# %%
from samlib import plots

figure = widgets.figure(9.4, 3.6)
comparison = plots.Comparison(figure, ["grey", "blue", "orange"], "robust accuracy (%)")
OTHERS = ["AT linf 0.125", "AT linf 0.25", "AT l2 0.5", "AT+SAM", "input noise 0.2", "weight noise 0.4", "SGD, 4x as long"]


def draw(rho, other, norm, level, comparison=comparison, methods=methods):
    groups = {}
    for name in ("SGD", f"SAM {rho:g}", other):
        radii, groups[name] = results.curve(methods, name, norm)
    shown = comparison.show(radii, groups, level, f"eps, radius in pixels of [0, 1], {norm}")
    means = ", ".join(f"{name} {100 * values.mean():.0f} %" for name, values in shown.items())
    return f"Robust accuracy at {norm} eps {radii[level]:g}, means of ten runs: {means}."


# %%
radii, _ = results.curve(methods, "SGD", "linf")
controls = {
    "rho": widgets.choice_slider("rho: radius in weight space", [0.05, 0.1, 0.2, 0.4, 0.8], 0.05),
    "level": widgets.choice_slider("eps: position on the curve", range(len(radii)), 4),
    "norm": widgets.toggle("norm of the attack", ["linf", "l2"], "linf"),
    "other": widgets.dropdown("orange: another method", OTHERS, OTHERS[0]),
}
widgets.live(figure, draw, controls)

# %% [markdown]
# **Explain.** From rho = 0.05 to 0.4 the blue curve rises, step by step, at every eps and in both norms, while its left end,
# the clean accuracy, does not sink. The dots of SAM 0.4 and of SGD do not overlap. At rho = 0.8 training collapses: we come
# back to it. AT lies far above both, and so does plain Gaussian noise on the pixels. That raises the question of this
# lesson's end: *why SAM at all?*
#
# The same as a still picture, with the numbers computed from the runs:

# %%
from IPython.display import Markdown

lines = ["| | clean | l_inf 0.0625 | l_inf 0.125 | l_2 0.5 |", "|---|---|---|---|---|"]
for name in ["SGD", "SAM 0.05", "SAM 0.1", "SAM 0.2", "SAM 0.4", "AT linf 0.125", "AT linf 0.25"]:
    cells = []
    for measure in ("clean", "linf 0.0625", "linf 0.125", "l2 0.5"):
        mean, spread = results.mean_and_spread(methods, name, measure)
        cells.append(f"{100 * mean:.1f} ± {100 * spread:.1f}")
    lines.append(f"| {name} | {' | '.join(cells)} |")
Markdown("\n".join(lines))

# %%
sgd, sam = (results.values(methods, name, "linf 0.125") for name in ("SGD", "SAM 0.4"))
clean_sgd, clean_sam = (results.values(methods, name, "clean") for name in ("SGD", "SAM 0.4"))
assert min(sam) > max(sgd)
assert sum(clean_sam) > sum(clean_sgd)
gain = 100 * (sum(sam) / len(sam) - sum(sgd) / len(sgd))
assert 8 < gain < 16
print(f"SAM 0.4 keeps {gain:.1f} more of 100 digits than SGD at l_inf 0.125; even its worst run beats SGD's best.")

# %%
still = widgets.figure(9.4, 3.6)
for panel, norm in zip(still.subplots(1, 2), ("linf", "l2"), strict=True):
    for name, style in [("SGD", "grey"), ("SAM 0.4", "blue"), ("AT linf 0.125", "orange")]:
        eps, runs = results.curve(methods, name, norm)
        plots.curve_with_spread(panel, eps, 100 * plots.np.array(runs), style, name)
    panel.set_xlabel(f"eps, radius in pixels of [0, 1], {norm}")
    plots.percent_axis(panel, "robust accuracy (%)")
    panel.legend(frameon=False)
still.subplots_adjust(left=0.07, right=0.99, top=0.97, bottom=0.15)
widgets.still(still, "Robust accuracy over eps in l_inf and l_2: SAM 0.4 lies above SGD everywhere, AT above both.")

# %% [markdown]
# ## 2 · Train it yourself
#
# Numbers from a file ask for trust; this does not. The button trains two networks that start from the same weights and see
# the same batches, one with SGD and one with SAM, and then attacks both. It takes some ten seconds.
#
# **Predict** before you press: which of the two has the lower *training* loss at the end?

# %%
import samlib

x_train, y_train, x_test, y_test = samlib.load_digits()
watch = widgets.figure(9.4, 3.0)
loss_ax, robust_ax = watch.subplots(1, 2)
watch.subplots_adjust(left=0.08, right=0.99, bottom=0.17, top=0.95)
lines = {name: loss_ax.semilogy([], [], label=name, **plots.STYLES[style])[0] for name, style in [("SGD", "grey"), ("SAM", "blue")]}
loss_ax.set(xlim=(0, 60), ylim=(1e-3, 3), xlabel="epoch", ylabel="training loss")
loss_ax.legend(frameon=False)
robust_ax.set(xlim=(0, 0.25), xlabel="eps, radius in pixels of [0, 1], linf")
plots.percent_axis(robust_ax, "robust accuracy (%)")
curves = {name: robust_ax.plot([], [], **plots.STYLES[style])[0] for name, style in [("SGD", "grey"), ("SAM", "blue")]}


# %%
def race(report, rho, seed, data=(x_train, y_train, x_test, y_test), lines=lines, curves=curves):
    radii, found = [0.0, 0.0625, 0.125, 0.1875, 0.25], []

    def watch_loss(history):
        lines[name].set_data(range(1, len(history["loss"]) + 1), history["loss"])
        if len(history["loss"]) % 10 == 0:
            report(f"The training loss of {name} after {len(history['loss'])} epochs is {history['loss'][-1]:.4f}.")

    for name, method in [("SGD", {"method": "sgd"}), ("SAM", {"method": "sam", "rho": rho})]:
        model = samlib.mlp(seed=seed)
        samlib.train(model, *data[:2], **method, seed=seed, progress=False, on_epoch=watch_loss)
        found.append([100 * value for value in samlib.robust_curve(model, *data[2:], radii)])
        curves[name].set_data(radii, found[-1])
    return f"Robust accuracy at linf 0.125: SGD {found[0][2]:.0f} %, SAM with rho {rho:g} {found[1][2]:.0f} %."


training = widgets.Work(
    "Train both networks",
    12,
    race,
    watch,
    {
        "rho": widgets.choice_slider("rho: radius in weight space", [0.05, 0.1, 0.2, 0.4], 0.4),
        "seed": widgets.choice_slider("seed of weights and batches", range(5), 0),
    },
)
training

# %% [markdown]
# **Explain.** SGD's training loss ends lower, often a hundredfold: SAM *refuses* the deepest places, since a small step in
# weight space leads up from there. What it gets for that is on the right, and on images it has never seen.
#
# Did one seed convince you? It should not. Change `seed` and press again: the curves move by a few points each time. How many
# points would be an accident?

# %% [markdown]
# ### Exercise 1 · How sure is the gain? (medium, 8 minutes)
#
# Write `gain(a, b)`: for the robust accuracies of two groups of runs, each a tensor of fractions, return the difference of the
# means, b minus a, and the standard error of that difference. The groups may differ in size and in spread, and their runs are
# independent.

# %% tags=["stub"]
def gain(a, b):
    """a (n,), b (m,): accuracies of two groups of runs -> (difference of the means, its standard error)."""
    ...


# %% tags=["solution", "exercise:03 gain"]
def gain(a, b):
    """a (n,), b (m,): accuracies of two groups of runs -> (difference of the means, its standard error)."""
    difference = b.mean() - a.mean()
    error = (a.var() / len(a) + b.var() / len(b)) ** 0.5
    return difference, error


# %%
from samlib.exercises import sam_alone

sam_alone.gain.check(gain)  # sam_alone.gain.hint() and sam_alone.gain.solution() help

# %% [markdown]
# With ten runs each, the gain of SAM 0.4 at l_inf 0.125 is this many standard errors:

# %%
import torch

a, b = torch.tensor(sgd), torch.tensor(sam)
error = (a.var() / len(a) + b.var() / len(b)).sqrt()
ratio = ((b.mean() - a.mean()) / error).item()
assert ratio > 10
print(f"{100 * (b.mean() - a.mean()):.1f} points, {ratio:.0f} standard errors: not an accident of the seed")

# %% [markdown]
# ## 3 · What it costs, and what AT does better
#
# Each point below is a method, at the mean of its runs; the bars are one standard deviation over seeds. To the right is better
# on clean digits, up is better under attack.

# %%
names = ["SGD", "SAM 0.1", "SAM 0.4", "AT linf 0.125", "AT linf 0.25", "AT+SAM", "input noise 0.2", "weight noise 0.4"]
kind = {"SGD": "grey", "SAM": "blue", "AT": "orange", "inp": "green", "wei": "green", "AT+": "orange"}
points = {
    name: tuple(plots.np.array(results.values(methods, name, m)) for m in ("clean", "linf 0.125")) for name in names
}
trade = widgets.figure(9.4, 4.2)
panel = trade.subplots()
trade.subplots_adjust(left=0.07, right=0.98, bottom=0.12, top=0.97)
plots.tradeoff(panel, points, {name: kind[name[:3].strip()] for name in names}, "robust accuracy at l_inf 0.125 (%)")
widgets.still(trade, "Clean against robust accuracy: SAM moves up and right from SGD; AT at eps 0.125 lies far higher.")

# %%
clean = {name: 100 * float(points[name][0].mean()) for name in names}
robust = {name: 100 * float(points[name][1].mean()) for name in names}
assert clean["AT linf 0.125"] > clean["SGD"] > clean["AT linf 0.25"]
assert robust["AT linf 0.125"] > robust["input noise 0.2"] > robust["SAM 0.4"] > robust["SGD"]
assert abs(robust["weight noise 0.4"] - robust["SGD"]) < 5
print(f"clean: SGD {clean['SGD']:.1f}, AT 0.125 {clean['AT linf 0.125']:.1f}, AT 0.25 {clean['AT linf 0.25']:.1f} %")

# %% [markdown]
# **Three things to read off.**
#
# - *The trade-off has an eps.* AT at eps 0.125 is better than SGD on clean digits too; only at eps 0.25 does it pay. "AT costs
#   accuracy" is not a sentence until it names its eps (and its data set: on CIFAR-10 it pays earlier).
# - *A random direction is not the worst one.* Weight noise of the very length of SAM's climb stays beside SGD. What helps is not
#   that the weights are moved, but where to.
# - *SAM is not the strongest.* AT gets about twice its robust accuracy, and Gaussian noise on the pixels, the cheapest of all,
#   beats it too. It is one more reason to ask what SAM is good for.

# %% [markdown]
# ### Exercise 2 · What does a step cost? (easy, 5 minutes)
#
# Count a forward pass as 1. Going backward costs 1 for carrying the gradient through the features, and 1 for the gradients of all
# weights. An attack needs the gradient with respect to the pixels only. The first layer's weights are few; take theirs as free.
# AT here means PGD with 7 steps, then a training step on what it found.

# %% tags=["stub"]
cost = {"SGD": ..., "SAM": ..., "first-layer SAM": ..., "AT with 7 steps": ...}

# %% tags=["solution", "exercise:03 cost"]
cost = {
    "SGD": 1 + 2,
    "SAM": 2 * (1 + 2),
    "first-layer SAM": (1 + 1) + (1 + 2),
    "AT with 7 steps": 7 * (1 + 1) + (1 + 2),
}

# %%
sam_alone.cost.check(cost)

# %% [markdown]
# ## 4 · Which layers must climb?
#
# SAM's climb moves all weights. Suppose only some of them climbed, the others staying where they are; all are still *trained*.
# The network: 64 → 48 → 48 → 10 units, rho = 0.4. In its first layer, a change of the weights does exactly what some change of
# the pixels would do (lesson 00 draws it, lesson 05 proves it). In the later layers, no pixel need be behind it.

# %%
widgets.question(
    "Which climb gives the most robustness to changes of the <i>input</i>?",
    {
        "all layers; the first and the later ones each give a part": "The parts do not share it out evenly. Look at the picture below.",
        "the first layer alone gives nearly all of it": "The layer where weights and pixels translate into each other carries almost the whole gain.",
        "the later layers alone give nearly all of it": "They give a part. But the layer next to the pixels carries almost the whole gain.",
    },
    correct="the first layer alone gives nearly all of it",
)

# %% [markdown]
# ### Exercise 3 · Put your bet to the test (medium, 10 minutes)
#
# Write down what you expect to be best, `"all"`, `"first"` or `"rest"`, *before* you measure; that is called preregistration, and
# it keeps you from explaining whatever comes out. Then measure: robust accuracy at l_inf 0.125 on the test images, three seeds for
# each of SGD, all, first, rest. `samlib.train` takes `climb=["fc1"]` for the first layer, `["fc2", "fc3"]` for the rest.

# %% tags=["stub"]
bet = {"prediction": ..., "measured": ...}

# %% tags=["solution", "exercise:03 layers"]
KINDS = {"SGD": {}, "all": {"rho": 0.4}, "first": {"rho": 0.4, "climb": ["fc1"]}, "rest": {"rho": 0.4, "climb": ["fc2", "fc3"]}}


def run(name, seed):
    model = samlib.mlp((48, 48), mean=0.0, std=1.0, seed=seed)
    samlib.train(model, x_train, y_train, "sam" if KINDS[name] else "sgd", **KINDS[name], seed=seed, progress=False)
    return samlib.robust_accuracy(model, x_test, y_test, 0.125)


bet = {"prediction": "first", "measured": {name: [run(name, seed) for seed in range(3)] for name in KINDS}}

# %%
sam_alone.layers.check(bet)

# %% [markdown]
# Five seeds on each of two splits of the data, for that network and for a small ResNet:

# %%
layers = results.load("layers")
still = widgets.figure(9.4, 3.4)
for panel, net, measure in zip(still.subplots(1, 2), ("MLP", "ResNet"), ("linf 0.125", "linf 0.0625"), strict=True):
    kinds = {"SGD": "grey", "all": "blue", "first": "orange", "rest": "green"}
    for i, (climbs, style) in enumerate(kinds.items()):
        plots.strip(panel, i, [100 * v for v in results.values(layers, f"{net} {climbs}", measure)], style)
    panel.set_xticks(range(4), ["SGD", "all climb", "first layer", "the rest"])
    panel.set_title(f"{net}, eps {measure.split()[1]}", fontsize=10)
    plots.percent_axis(panel, "robust accuracy (%)")
still.subplots_adjust(left=0.07, right=0.99, top=0.92, bottom=0.09)
widgets.still(still, "MLP: all layers and the first alone are equal, the rest gives less. ResNet: each gives most of the gain.")

# %%
mean = {name: results.mean_and_spread(layers, f"MLP {name}", "linf 0.125")[0] for name in ("SGD", "all", "first", "rest")}
share = {name: (mean[name] - mean["SGD"]) / (mean["all"] - mean["SGD"]) for name in ("first", "rest")}
assert share["first"] > 0.85 > 0.75 > share["rest"]
net = {name: results.mean_and_spread(layers, f"ResNet {name}", "linf 0.0625")[0] for name in mean}
assert min(net["first"], net["rest"]) - net["SGD"] > 0.6 * (net["all"] - net["SGD"])
print(f"MLP: the first layer alone gives {100 * share['first']:.0f} % of the gain, the rest {100 * share['rest']:.0f} %.")

# %% [markdown]
# **Explain, and stay careful.** On the MLP the first layer alone does nearly all of it. That is what one would expect if SAM helps
# *because* a climb of first-layer weights is a disguised change of the pixels. On the ResNet it fails to single out the first
# layer: every part gives most of the gain. So the first-layer picture is a reason why SAM *can* act like an attack, a good one
# for the MLP; it is not the whole reason, and not a law.

# %% [markdown]
# ## 5 · Why SAM at all, and where it fails
#
# | | needs to know beforehand | cost of a step | robust gain | assumes |
# |---|---|---|---|---|
# | AT | norm and eps of the attack | 17 | large, in that ball | the attacker keeps to that ball |
# | input noise | a size in pixels | 3 | medium | that pixels of noise mean something for the data |
# | SAM | rho, chosen on clean validation accuracy | 6 | modest | nothing about the input |
#
# SAM needs no threat model. It works where one cannot say what a small change of the input *is*: text, tables, graphs. It is
# used anyway, for accuracy; robustness comes on top. And it is a clue: *something* ties the sharpness of a loss in weight space
# to the margin in pixel space. Lessons 00, 02 and 05 follow the clue.
#
# ### A fair referee's questions
#
# *Were both sides tuned?* Learning rate, weight decay and rho were chosen on 200 images set aside from the training set, for all
# methods alike: once for the best clean accuracy, as someone who knows of no attack would do, once for the best robust accuracy.

# %%
tuned = {}
for criterion in ("clean", "robust"):
    for method in ("SGD", "SAM", "AT", "input noise"):
        name = f"{method}, tuned ({criterion})"
        tuned[name] = [100 * v for v in results.mean_and_spread(methods, name, "linf 0.125")]
        clean_mean = 100 * results.mean_and_spread(methods, name, "clean")[0]
        print(f"{name:30} clean {clean_mean:5.1f} %   linf 0.125: {tuned[name][0]:5.1f} ± {tuned[name][1]:.1f} %")
assert tuned["SAM, tuned (clean)"][0] > tuned["SGD, tuned (clean)"][0]
assert tuned["SAM, tuned (robust)"][0] > tuned["SGD, tuned (robust)"][0]
