# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   samlib:
#     title: "At the paper's scale: an audit"
#     part: elective
#     minutes: 35
#     difficulty: medium
#     device: a laptop is enough, no GPU, no download; with a GPU you can fill the rows that are open
#     finds: a published claim, refereed line by line; which faults move a difference; what a table at scale costs
# ---

# %% [markdown]
# **After this lesson you can**
#
# - referee a published claim: protocol, code, runs, cost, verdict;
# - tell the faults that can move a difference from those that cannot, and measure by how much;
# - count what a table costs before you run it, on one GPU or many;
# - sign a verdict in which every line points at its evidence.
#
# **You need** the claim of lesson 03, the attacks of lesson 04, and what an interval says.

# %% [markdown]
# ## 1 · The claim and the protocol
#
# > "We find that using only SAM can achieve superior adversarial robustness without sacrificing clean accuracy compared
# > to standard training" (Wei, Zhu and Zhang 2023, abstract).
#
# You are the referee. An **audit** asks of each line: what was done, where does it stand, what would change if it had
# been done otherwise? The quantity that is claimed is a **difference**, *SAM minus SGD*. Whatever moves both alike
# leaves the claim alone.
#
# The left column is for the paper in your hand: add what it says, with page and table. We could read its abstract and
# its public code, not its tables. What we could not read stays empty, and we quote no figure from other people's notes.

# %%
from samlib.course.lessons import at_the_papers_scale as lesson

paper = {"claim": ("SAM alone: more robust than standard training, clean accuracy not sacrificed", "abstract")}
lesson.protocol(paper)

# %% [markdown]
# (The code is [weizeming/SAM_AT](https://github.com/weizeming/SAM_AT) at commit 9a7bd20. Which version of which file
# the paper's tables came from is not known.)
#
# ## 2 · Which faults count?
#
# A **fault**, here, is a step that a careful protocol would do otherwise. All code has some, ours too (lesson 04 tells
# of one). Reading on, we saw these. To be fair to the authors, only those count that can move *SAM minus SGD*; the
# others are listed once, so that you learn to leave them out.

# %%
print(lesson.findings())

# %% [markdown]
# ### Exercise 1 · What can move the difference? (easy, 6 minutes)
#
# For each finding: `True` if it can move *SAM minus SGD* in a table of robust accuracy, else `False`.

# %% tags=["stub"]
moves = {1: ..., 2: ..., 3: ..., 4: ..., 5: ..., 6: ..., 7: ..., 8: ...}

# %% tags=["solution", "exercise:at_the_papers_scale/moves"]
moves = {1: True, 2: False, 3: False, 4: True, 5: True, 6: False, 7: True, 8: True}

# %%
lesson.moves.check(moves)  # lesson.moves.hint() and lesson.moves.solution() help

# %% [markdown]
# *Can* is not *does*. **Whether the published tables used these files is not known**, so no finding says anything about
# them yet. What a fault does is measured: plant it in code of your own, leave all else as it is, compare.
#
# We plant four, and beside them one that no line of code shows: SAM's rho is chosen, and SGD is left as it is. (The
# seventh, BatchNorm in SAM's second pass, you measured in lesson 02.)

# %%
lesson.bet_on_the_faults.ask()

# %% [markdown]
# This trains SGD and SAM (rho = 0.4), five seeds each, on digits, and attacks each network in several ways. It takes
# some fifteen seconds; the untuned SGD is read from lesson 03's table.

# %%
from samlib.course import results

planted = lesson.plant() | {lesson.NOT_TUNED: lesson.not_tuned(results.load("methods"))}

# %% [markdown]
# **Move** `fault`, then `eps`. *Left*, both methods, first by the careful protocol, then with the fault; *right*, their
# difference, seed by seed. The normalisation is off by as much as CIFAR-10's is from CIFAR-100's.

# %%
lesson.faults(planted)

# %%
for fault, found in planted.items():
    if fault == lesson.ONE_SEED:
        alone = lesson.single_runs(found, 1)
        print(f"{fault}: one run of each says {alone.min():+.1f} to {alone.max():+.1f} points")
    else:
        print(f"{fault}: moves SAM minus SGD by {lesson.shift(found, 1):+.1f} points")

# %% tags=["guard"]
moved = {fault: lesson.shift(found, 1) for fault, found in planted.items()}
code = [fault for fault in planted if fault not in (lesson.NOT_TUNED, lesson.ONE_SEED)]
assert len(code) == 3
assert all(abs(moved[fault]) < 1.8 for fault in code)
assert moved[lesson.NOT_TUNED] > 2
assert moved[lesson.NOT_TUNED] > max(abs(moved[fault]) for fault in code)
alone = lesson.single_runs(planted[lesson.ONE_SEED], 1)
assert alone.max() - alone.min() > 4
assert alone.min() > 0

# %% [markdown]
# **Explain.** The three that a reader of code would find worst move the difference by a point or two, if at
# all. Images that were attacked behind one normalisation still fool the network behind a slightly different
# one. The attack named *autoattack* is far shorter than **AutoAttack**, and finds nearly as much on these networks.
#
# One run of each is worse: it may say a few points more or less than the mean. And the largest shift has no line
# number: *an untuned baseline*.
#
# **A fault is judged by what it does to the difference, not by how bad it looks.**
#
# These are digits. That a fault does little here does not show that it does little to colour images: plant it there.
#
# ### Exercise 2 · Plant one yourself (medium, 8 minutes)
#
# Write `behind(net, mean, std)`: a *new* network with the weights of `net`, whose pixels are normalised by these two
# numbers in place of its own. `net`, one of samlib's, stays as it is. Attack `net`, score the images by yours: that is
# the first fault.

# %%
import copy


# %% tags=["stub"]
def behind(net, mean, std):
    """A network -> another with its weights that normalises pixels as (x - mean) / std."""
    ...


# %% tags=["solution", "exercise:at_the_papers_scale/behind"]
def behind(net, mean, std):
    """A network -> another with its weights that normalises pixels as (x - mean) / std."""
    other = copy.deepcopy(net)
    other.normalize.mean.fill_(mean)
    other.normalize.std.fill_(std)
    return other


# %%
lesson.behind.check(behind)

# %% [markdown]
# ## 3 · The same kind of runs, with reliable attacks
#
# Now the claim itself, on what a CPU can do: the digits, and *CIFAR-10, a part*: 2,000 of its images (JPEG quality 75),
# a PreActResNet-18 eight times as narrow as the paper's, 25 epochs, a few seeds, attacks on 150 test images. The
# paper's own scale has its rows too. They need a GPU and say so, until somebody fills them.

# %%
lesson.bet_on_the_part.ask()

# %% [markdown]
# **Move** `attack` from weak to strong: none, the published PGD-10, `standard`, the union of lesson 04. Then the pair:
# as usual, both tuned, or another method in SAM's place. *Right*, the difference on every data set: each mark a seed,
# the bar a 95 % interval.

# %%
evidence = lesson.Evidence("tables")  # tables of your own come first, then the course's
lesson.audit(evidence)

# %%
for data in ("digits", "CIFAR-10, a part", "CIFAR-10"):
    for attack in lesson.ATTACKS:
        found = evidence.find(data, lesson.USUAL, attack, "smaller" if data != "digits" else "larger")
        print(f"{data:17} {lesson.USUAL}, {attack:9}", "not measured" if found is None else found)

# %% tags=["guard"]
digits = {
    (pair, attack): evidence.find("digits", pair, attack, "larger")
    for pair in (lesson.USUAL, lesson.TUNED)
    for attack in lesson.ATTACKS
}
assert all(found.mean > found.half for found in digits.values())
halved = digits[lesson.TUNED, "standard"].mean / digits[lesson.USUAL, "standard"].mean
assert 0.4 < halved < 0.6
_, usual = planted[lesson.NOT_TUNED].gains(1)
assert 0.2 < moved[lesson.NOT_TUNED] / usual.mean() < 0.3  # a quarter less
assert all(run["split"] == 0 for run in results.load("attacks")["runs"])
part = {
    (pair, attack, level): evidence.find("CIFAR-10, a part", pair, attack, level)
    for pair in lesson.PAIRS
    for attack in lesson.ATTACKS
    for level in ("smaller", "larger")
}
for level in ("smaller", "larger"):
    weak, strong = (part[lesson.USUAL, attack, level] for attack in ("PGD-10", "standard"))
    assert min(weak.gains.min(), strong.gains.min()) > 0
    assert abs(weak.mean - strong.mean) < 0.25 * weak.mean
    assert part["AT − SGD", "standard", level].mean > strong.mean + 1
    assert part[lesson.TUNED, "standard", level] is None
assert part[lesson.USUAL, "clean", "smaller"].mean > 0
assert results.grid("cifar_cpu")["grid"]["images"] == 150
assert evidence.find("CIFAR-10", lesson.TUNED, "standard", "smaller") is None

# %% [markdown]
# **Explain.** On the digits SAM leads under each attack, and by about half as much once both sides are tuned: ten seeds
# on *one* split. (Section 2 takes the tuned lead over five splits: a quarter less than as usual.)
#
# On the part of CIFAR-10 it leads in every run here, at both radii. `standard` takes little from the lead that PGD-10
# shows, and clean accuracy does not sink. So the claim shows on colour images too, with a reliable attack. Whether an
# interval leaves out zero is for your verdict. Both sides tuned is *not measured* there.
#
# Now take *AT − SGD* on that part: one step of attack, fewer passes than SAM, and the larger lead.
#
# **What a better attack leaves of a claim is a finding; that it was published is none.**
#
# ## 4 · Passes and minutes
#
# A **pass** takes an image through the network once: forward, backward to the pixels, or backward to the weights. SGD's
# step takes 3, SAM's 6, AT's 3 and 2 more for each step of attack. Passes can be counted before anything runs, and do
# not depend on the machine. Does the clock agree?

# %%
lesson.bet_on_the_cost.ask()

# %% [markdown]
# **Move** `network` and `steps`. Time is measured (AT's put together from its parts).

# %%
lesson.cost()

# %% tags=["guard"]
from samlib.course.lessons.at_the_papers_scale.costs import NETWORKS, costs

for network in NETWORKS:
    kinds = {one.name: one for one in costs(network, 1)}
    assert abs(kinds["SAM"].time / 2 - 1) < 0.1
    assert kinds["AT, 1 step"].time < kinds["SAM"].time
wide = {one.name: one for one in costs("PreActResNet-18, width 64", 1)}
assert abs(wide["SAM, first layer"].time / wide["SAM, first layer"].counted - 1) < 0.05
narrow = {one.name: one for one in costs("PreActResNet-18, width 8", 1)}
assert narrow["SAM, first layer"].time / narrow["SAM, first layer"].counted > 1.1

# %% [markdown]
# **Explain.** On every network SAM takes about twice SGD's time, as counted, and AT with one step less than SAM. With
# the ascent step in one layer the narrow network takes longer than counted, because work that is no pass weighs more.
#
# Now see one run of each at the paper's image size, 3×32×32, on a narrow network: CIFAR-10 where you have it in the
# folder `data`, else digits, enlarged. Nothing is downloaded; it takes less than a minute. Press, then change `seed`
# alone and press again.

# %%
lesson.one_run_each()

# %% [markdown]
# **Explain.** The curves may cross, and another seed may say the opposite. This is what *one seed* looks like, with few
# images and few epochs: a demonstration, and no evidence.
#
# ## 5 · Fill the open rows
#
# A **grid** names methods, seeds, what is tuned, and attacks. This one is for the paper's network and schedule, with
# five seeds, and both sides tuned on images set aside:

# %%
print(lesson.whole_cost("cifar_gpu"))
print("write it:  lesson.write_grid('cifar_gpu')")
print("run it:   ", lesson.command("cifar_gpu"))

# %% [markdown]
# Add `--dry-run` for the passes and hours on *your* machine, `--minutes 120` to stop in time; the same command goes on.
# All methods get one seed before any gets a second. With `"cifar100_gpu"` it is CIFAR-100. When `tables/cifar_gpu`
# holds a table, section 3 shows it: run it again.
#
# <details>
# <summary><b>On Colab, on eight GPUs, on a cluster</b></summary>
#
# Colab: choose a GPU under *Runtime*, mount your Drive so that a lost session costs nothing, then
#
# ```python
# lesson.write_grid("cifar_gpu")
# !samlib table cifar_gpu.toml --out /content/drive/MyDrive/tables/cifar_gpu --minutes 200
# ```
#
# Eight GPUs, one share of the runs each; whoever ends last writes the table:
#
# ```bash
# for i in 1 2 3 4 5 6 7 8; do
#     CUDA_VISIBLE_DEVICES=$((i - 1)) samlib table cifar_gpu.toml --out tables/cifar_gpu --part "$i/8" &
# done
# wait
# ```
#
# A cluster with Slurm: the same line in a job array, submitted again until the table is there:
#
# ```bash
# #SBATCH --array=1-8 --gpus=1 --time=04:00:00 --requeue
# samlib table cifar_gpu.toml --out tables/cifar_gpu --part "$SLURM_ARRAY_TASK_ID/8" --minutes 230
# ```
#
# To hand your table to the course: `python scripts/keep_table.py tables/cifar_gpu/table.json cifar_gpu`, and a pull
# request. `docs/runs.md` has the rest.
#
# </details>
#
# ### Exercise 3 · The verdict (hard, 12 minutes)
#
# Sign the form, line by line: `"supported"` if the evidence's whole interval lies above zero, `"refuted"` if it lies
# below, else `"open"`; and the letter of the row that speaks to *this* line, with its data, methods, tuning, attack and
# eps.

# %%
rows = lesson.evidence_rows(evidence)  # rows["a"].ends are an interval's ends; None where nothing was measured
print(lesson.form(), rows, sep="\n\n")

# %% tags=["stub"]
verdict = {1: (..., ...), 2: (..., ...), 3: (..., ...), 4: (..., ...), 5: (..., ...), 6: (..., ...)}

# %% tags=["solution", "exercise:at_the_papers_scale/verdict"]
verdict = {}
for line, letter in {1: "b", 2: "c", 3: "h", 4: "e", 5: "f", 6: "g"}.items():
    low, high = (0, 0) if rows[letter] is None else rows[letter].ends
    verdict[line] = ("supported" if low > 0 else "refuted" if high < 0 else "open", letter)

# %%
lesson.verdict.check(verdict)

# %% [markdown]
# ## Where it fails
#
# - **Small is not the paper's scale.** Neither digits nor a narrow network on a part of CIFAR-10 say what comes out
#   with the whole network on all images. Those rows are open.
# - **An interval over seeds** covers neither other images (150 are few) nor other settings; few seeds make it wide.
# - **The commit is one of several.** The authors may have used other files, and repaired what we saw. We could not ask,
#   so **we invite their reply**: an issue in this course's repository, which the lesson will then quote.
# - **We are a party too.** We wrote the attacks, the training and the lesson. Referee us: every table has its command,
#   commit and seeds.
#
# ## What you learned
#
# - A claim about a difference is judged by the difference. Faults that move both sides alike do not count.
# - Plant a fault and measure it. On digits the three in code hardly matter, one seed does, and an untuned baseline
#   matters most.
# - Passes tell what a table costs, nearly as the clock does.
# - What was not measured is called *not measured*. A verdict is a list of lines, each with its evidence.
#
# ### Three questions

# %%
lesson.recall_fault.ask()

# %%
lesson.recall_missing.ask()

# %%
lesson.recall_interval.ask()

# %% [markdown]
# ### Sources
#
# - Z. Wei, J. Zhu, Y. Zhang 2023, *Sharpness-Aware Minimization Alone can Improve Adversarial Robustness*,
#   [arXiv 2305.05392](https://arxiv.org/abs/2305.05392): abstract read. Its code:
#   [weizeming/SAM_AT](https://github.com/weizeming/SAM_AT), commit 9a7bd20 (`train.py`, `utils.py`, `eval.py`,
#   `eval_cifar100.py`), read.
# - Y. Zhang and others 2024, *On the Duality Between Sharpness-Aware Minimization and Adversarial Training*,
#   [arXiv 2402.15152](https://arxiv.org/abs/2402.15152): the extended version; abstract read. Code whose README names
#   both: [riverback/SAM_AT_seg](https://github.com/riverback/SAM_AT_seg), commit 7e352ee (`train_eval_scripts`), read.
# - F. Croce, M. Hein 2020, [arXiv 2003.01690](https://arxiv.org/abs/2003.01690): APGD and AutoAttack.
# - A. Krizhevsky 2009, *Learning Multiple Layers of Features from Tiny Images*: CIFAR-10.
