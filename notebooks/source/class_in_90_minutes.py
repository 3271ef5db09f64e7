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
# Commit to each bet before you look; let two who chose differently say why.

# %% [markdown] tags=["take:00"]
# Part 1.

# %% [markdown] tags=["take:03"]
# Part 2.

# %% [markdown]
# Robust accuracies are what attacks left. The last part asks what that is worth. Three networks to judge by, trained
# here and now (l_inf, eps = 0.125):

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
# - A robust accuracy is what the attacks at hand have left. Try to break what looks robust, with and without gradients.
