# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: SAM and adversarial robustness, in 90 minutes
#     part: for a single class
#     minutes: 90
#     difficulty: medium
#     device: a laptop is enough, no GPU, no download
#     finds: the picture of lesson 00, the claim of lesson 03, and lesson 04's fakes, for a class that meets once
# ---

# %% [markdown]
# **After this class you can**
#
# - say what a perturbation of the pixels and one of the weights have in common;
# - state the claim that SAM alone makes networks more robust, and how far it holds when both sides are tuned;
# - convict a network that only looks robust.
#
# **You need** Python, matrices and vectors, and that a network is trained by following gradients.
#
# | minutes | part | whole lesson |
# | --- | --- | --- |
# | 0 to 25 | 1 · One perturbation, two places | 00 |
# | 25 to 40 | 2 · The claim | 03 |
# | 40 to 50 | 3 · Train it yourself; 4 · Why SAM at all? | 03 |
# | 50 to 60 | 5 · The gradient that vanishes | 04 |
# | 60 to 85 | 6 · Find the fake, with its exercise | 04 |
# | 85 to 90 | What you learned | |
#
# Commit to each bet before you look; let two who chose differently say why. Each part has its own `lesson`: to go back
# to an earlier one, run it again from its first cell.

# %% [markdown] tags=["take:00"]
# Part 1.

# %% [markdown]
# What has that to do with SAM? The $dW$ above is an attack, translated. SAM's own ascent step is of the same kind: for
# one digit it adds to the first layer a multiple of $g\,x^{\mathsf T}$, where $g$ is the gradient of the loss in the
# features $z$, in place of $W\,dx\,x^{\mathsf T}$. So for that digit it does what some change of its pixels would do.
# Does that make networks robust?
#
# (From here on the networks are larger. rho = 0.4 does not mean in them what it meant above.)

# %% [markdown] tags=["take:03"]
# Part 2.

# %% [markdown]
# Robust accuracies are what attacks left. The last part asks what that is worth. *PGD-40* is projected gradient descent
# with 40 steps. It goes up the *cross-entropy* of training, or up the *margin loss*, the best wrong logit minus the
# right one. Misconceptions stand in ***bold italics***. Three networks of part 2's kind to judge by, trained here and
# now (l_inf, eps = 0.125):

# %%
from samlib.course.lessons import is_it_real as lesson

# %% [markdown] tags=["take:04"]
# Part 3.

# %% [markdown]
# ## What you learned
#
# - For one input, a perturbation of the pixels and one of the first layer's weights are the same thing. Other inputs
#   feel the second by their similarity.
# - SAM alone buys some robustness at no cost in clean accuracy. It is never the best defence for its cost; it is a
#   by-product worth explaining.
# - A robust accuracy is what the attacks at hand have left. Under a single step SAM's lead looks nearly twice as large
#   as under the strongest attack (lesson 04). Try to break what looks robust, with and without gradients.
#
# Sources stand at the end of lessons [03](03_sam_alone.ipynb) and [04](04_is_it_real.ipynb).

# %% tags=["guard"]
from samlib.course import results

level = lesson.by_strength(results.load("attacks"))
weak, strong = (lesson.lead(level, "SAM 0.4 over SGD", attack)[0] for attack in ("FGSM", "standard"))
assert 1.7 < weak / strong < 2
