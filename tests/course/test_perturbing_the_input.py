"""The exercises of lesson 01: right answers of several kinds, wrong ones by their symptoms, open ones."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import samlib
from samlib.course.exercise import CORRECT, NOT_ATTEMPTED, WRONG, Question
from samlib.course.lessons.perturbing_the_input import exercises as lesson
from samlib.course.lessons.perturbing_the_input import honest_report, judging
from samlib.course.widgets import question
from tests.course.answers import check, solved

EXERCISES = {"fgsm": lesson.fgsm, "pgd": lesson.pgd, "honest": lesson.honest}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXERCISES)
def test_the_solution_is_accepted_and_an_open_one_is_told_apart(name):
    exercise = EXERCISES[name]
    check(exercise, solved(f"perturbing_the_input/{name}", name), CORRECT)
    check(exercise, ..., NOT_ATTEMPTED)
    check(exercise, None, NOT_ATTEMPTED)
    check(exercise, lambda *arguments: None, NOT_ATTEMPTED)
    check(exercise, lambda *arguments: ..., NOT_ATTEMPTED)
    check(exercise, 3, WRONG, "must be a function")
    check(exercise, lambda: 3, WRONG, "TypeError")


# ---- FGSM ------------------------------------------------------------------------------------------------------------


def input_gradient(model, x, y, reduction="sum"):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(x), y, reduction=reduction), x)[0]


def by_backward(model, x, y, eps, *, tidy):
    copy = x.clone().requires_grad_()
    kept = [p.grad for p in model.parameters()]
    if tidy:
        for p in model.parameters():
            p.grad = None
    F.cross_entropy(model(copy), y).backward()
    if tidy:
        for p, grad in zip(model.parameters(), kept, strict=True):
            p.grad = grad
    return (x + eps * copy.grad.sign()).clamp(0, 1)


def by_measuring(model, x, y, eps):
    return (x + eps * judging.finite_differences(model, x, y).sign()).clamp(0, 1)


def with_frozen_weights(model, x, y, eps):
    model.requires_grad_(False)
    try:
        return (x + eps * input_gradient(model, x, y).sign()).clamp(0, 1)
    finally:
        model.requires_grad_(True)


@pytest.mark.parametrize(
    "fgsm",
    [
        lambda m, x, y, e: (x + e * input_gradient(m, x, y, "mean").sign()).clamp(0, 1),
        lambda m, x, y, e: torch.minimum(torch.maximum(x + e * torch.sign(input_gradient(m, x, y)), 0 * x), 0 * x + 1),
        lambda m, x, y, e: by_backward(m, x, y, e, tidy=True),
        lambda m, x, y, e: torch.cat(
            [(x[i] + e * input_gradient(m, x[i : i + 1], y[i : i + 1]).sign()).clamp(0, 1) for i in range(len(x))]
        ),
        by_measuring,
        with_frozen_weights,
    ],
)
def test_every_right_fgsm_is_accepted(fgsm):
    check(lesson.fgsm, fgsm, CORRECT)


def clears_gradients(m, x, y, e):
    m.zero_grad()
    return (x + e * input_gradient(m, x, y).sign()).clamp(0, 1)


def freezes_and_forgets(m, x, y, e):
    m.requires_grad_(False)
    return (x + e * input_gradient(m, x, y).sign()).clamp(0, 1)


def marks_the_callers_images(m, x, y, e):
    gradient = torch.autograd.grad(F.cross_entropy(m(x.requires_grad_()), y), x)[0]
    return (x + e * gradient.sign()).clamp(0, 1).detach()


def stays_attached(m, x, y, e):
    copy = x.clone().requires_grad_()
    gradient = torch.autograd.grad(F.cross_entropy(m(copy), y), copy)[0]
    return (copy + e * gradient.sign()).clamp(0, 1)


def forgets_the_mode(m, x, y, e):
    return (x + e * input_gradient(m.eval(), x, y).sign()).clamp(0, 1)


def changes_its_argument(m, x, y, e):
    x += e * input_gradient(m, x, y).sign()
    return x.clamp_(0, 1)


def l2_step(m, x, y, e):
    gradient = input_gradient(m, x, y)
    return (x + e * gradient / gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1)).clamp(0, 1)


@pytest.mark.parametrize(
    ("fgsm", "word"),
    [
        (lambda m, x, y, e: samlib.fgsm(m, x, y, e), "samlib's attack"),
        (lambda m, x, y, e: samlib.pgd(m, x, y, e, steps=1, step_size=e, random_start=False), "samlib's attack"),
        (lambda m, x, y, e: (x - e * input_gradient(m, x, y).sign()).clamp(0, 1), "downhill"),
        (lambda m, x, y, e: x + e * input_gradient(m, x, y).sign(), "clamp is missing"),
        (lambda m, x, y, e: e * input_gradient(m, x, y).sign(), "That is the change"),
        (lambda m, x, y, e: (x + e * input_gradient(m, x, y)).clamp(0, 1), "gradient itself"),
        (lambda m, x, y, e: (x + e * input_gradient(m, x, y, "mean")).clamp(0, 1), "gradient itself"),
        (l2_step, "l_2 ball"),
        (lambda m, x, y, e: x.clone(), "nothing has moved"),
        (lambda m, x, y, e: (x + e * input_gradient(m, x, (y + 1) % 4).sign()).clamp(0, 1), "finite differences"),
        (lambda m, x, y, e: x.flatten(1), "shape"),
        (lambda m, x, y, e: 0.5, "must return a tensor"),
        (lambda m, x, y, e: by_backward(m, x, y, e, tidy=False), "left its gradients"),
        (clears_gradients, "You cleared"),
        (freezes_and_forgets, "no longer require"),
        (marks_the_callers_images, "caller's x"),
        (stays_attached, "detach"),
        (forgets_the_mode, "evaluation mode"),
        (changes_its_argument, "changes the x"),
    ],
)
def test_a_wrong_fgsm_is_told_its_symptom(fgsm, word):
    check(lesson.fgsm, fgsm, WRONG, word)


def test_finite_differences_agree_with_autograd():
    net = samlib.mlp((16,), 4, (1, 3, 3), mean=0.4, std=0.3).double()
    x = torch.rand(5, 1, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 1, 2, 3, 0])
    assert torch.allclose(judging.finite_differences(net, x, y), input_gradient(net, x, y), atol=1e-7)


# ---- PGD -------------------------------------------------------------------------------------------------------------


def box_first(gradient, x, start, ball, step_size, steps):
    z = start.clone()
    for _ in range(steps):
        z = (z + step_size * ball.steepest(gradient(z))).clamp(0, 1)
        z = x + ball.project(z - x)
    return z


def by_changes(gradient, x, start, ball, step_size, steps):
    delta = start - x
    for _ in range(steps):
        delta = ball.project(delta + step_size * ball.steepest(gradient(x + delta)))
        delta = (x + delta).clamp(0, 1) - x
    return x + delta


def with_needless_autograd(gradient, x, start, ball, step_size, steps):
    z = start
    for _ in range(steps):
        z = z.detach().requires_grad_()
        z = (x + ball.project(z + step_size * ball.steepest(gradient(z)) - x)).clamp(0, 1)
    return z


@pytest.mark.parametrize("ball", [samlib.balls.Linf(0.2), samlib.balls.L2(0.4)])
def test_a_walk_along_finite_differences_ends_where_samlibs_pgd_ends(ball):
    net, x, y = judging.small_net(0), judging.some_images(6, 0), torch.tensor([0, 1, 2, 3, 0, 1])
    net._forward_pre_hooks.clear()
    walk = lesson._walk(lambda z: judging.finite_differences(net, z, y), x, x, ball, 0.5 * ball.eps, 5)
    norm = "linf" if isinstance(ball, samlib.balls.Linf) else "l2"
    settings = {"steps": 5, "step_size": 0.5 * ball.eps, "random_start": False, "keep": "last"}
    assert torch.allclose(walk, samlib.pgd(net, x, y, ball.eps, norm, **settings), atol=1e-6)
    assert not torch.allclose(walk, x, atol=0.1)


@pytest.mark.parametrize("pgd", [box_first, by_changes, with_needless_autograd])
def test_every_right_pgd_is_accepted(pgd):
    check(lesson.pgd, pgd, CORRECT)


@pytest.mark.parametrize("flaw", lesson.FLAWS)
def test_each_flaw_of_a_walk_is_told_by_its_name(flaw):
    def pgd(gradient, x, start, ball, step_size, steps):
        return lesson._walk(gradient, x, start, ball, step_size, steps, flaw)

    check(lesson.pgd, pgd, WRONG, lesson.FLAWS[flaw])


def in_place(gradient, x, start, ball, step_size, steps):
    for _ in range(steps):
        start += step_size * ball.steepest(gradient(start))
    return start


def in_the_linf_ball_only(gradient, x, start, ball, step_size, steps):
    z = start
    for _ in range(steps):
        z = z + step_size * ball.steepest(gradient(z))
        z = torch.minimum(torch.maximum(z, x - ball.eps), x + ball.eps).clamp(0, 1)
    return z


def borrowed(gradient, x, start, ball, step_size, steps):
    """Hands the network that hides in `gradient` to samlib."""
    net, y = gradient.__defaults__[:2]
    return samlib.pgd(net, x, y, ball.eps, steps=steps, step_size=step_size)


def borrowed_and_hushed(gradient, x, start, ball, step_size, steps):
    try:
        return borrowed(gradient, x, start, ball, step_size, steps)
    except Exception:
        return box_first(gradient, x, start, ball, step_size, steps)


@pytest.mark.parametrize(
    ("pgd", "word"),
    [
        (borrowed_and_hushed, "samlib's attack"),
        (in_place, "changes the x or the start"),
        (in_the_linf_ball_only, "outside the ball"),
        (borrowed, "samlib's attack"),
        (lambda gradient, x, start, ball, step_size, steps: x.clone(), "never asks for a gradient"),
        (lambda gradient, x, start, ball, step_size, steps: gradient(x)[0], "shape"),
        (lambda gradient, x, start, ball, step_size, steps: (gradient(x), x)[1] + 0.01, "pixels run from"),
        (lambda gradient, x, start, ball, step_size, steps: samlib.pgd(gradient, x, start, 0.1), "raised"),
    ],
)
def test_a_wrong_pgd_is_told_its_symptom(pgd, word):
    check(lesson.pgd, pgd, WRONG, word)


# ---- an honest report ------------------------------------------------------------------------------------------------


def make_report(
    *, training=False, units=1.0, clamp=True, steps=20, size=0.2, tidy=True, project=True, count=lambda r: r
):
    """A report that may have any of the faults."""

    def honest(net, x, y, eps):
        net.train(training)
        eps_, z = eps * units, x
        for _ in range(steps):
            z = z.detach() + size * eps_ * input_gradient(net, z.detach(), y).sign()
            z = x + (z - x).clamp(-eps_, eps_) if project else z
            z = z.clamp(0, 1) if clamp else z
        right = (net(z).argmax(1) == y).double().mean().item()
        net.train(tidy)
        return count(right)

    return honest


def in_normalised_units_done_right(net, x, y, eps):
    """Also honest: the attack works on normalised images, and eps and the box are translated."""
    net.eval()
    body = torch.nn.Sequential(*list(net)[1:])
    low, high, radius = net.normalize(0 * x), net.normalize(0 * x + 1), eps / net.normalize.std
    z = start = net.normalize(x)
    for _ in range(20):
        z = z.detach() + 0.2 * radius * input_gradient(body, z.detach(), y).sign()
        z = torch.minimum(torch.maximum(start + (z - start).clamp(-radius, radius), low), high)
    right = (body(z).argmax(1) == y).double().mean().item()
    net.train()
    return right


@pytest.mark.parametrize(
    "honest",
    [
        make_report(),
        make_report(steps=40, size=0.1),
        make_report(count=lambda r: torch.tensor(r)),
        in_normalised_units_done_right,
    ],
)
def test_every_honest_report_is_accepted(honest):
    check(lesson.honest, honest, CORRECT)


def leaves_gradients(net, x, y, eps):
    share = make_report()(net, x, y, eps)
    net.eval()
    F.cross_entropy(net(x), y).backward()
    net.train()
    return share


@pytest.mark.parametrize(
    ("honest", "word"),
    [
        (make_report(training=True), "training mode"),
        (make_report(clamp=False), "outside [0, 1]"),
        (make_report(units=0.376), "normalised pixels"),
        (make_report(steps=3, size=0.1), "do not get there"),
        (make_report(steps=2, size=0.5), "A few more steps"),
        (make_report(project=False), "Project around x"),
        (make_report(tidy=False), "goes back in evaluation mode"),
        (make_report(count=lambda r: 100 * r), "a fraction"),
        (make_report(count=lambda r: r / 2), "still classified correctly"),
        (leaves_gradients, "left gradients"),
        (lambda net, x, y, eps: samlib.robust_accuracy(net, x, y, eps), "samlib's attack"),
        (lambda net, x, y, eps: samlib.accuracy(net, samlib.pgd(net, x, y, eps), y), "samlib's attack"),
    ],
)
def test_a_report_with_a_fault_is_told_which(honest, word):
    check(lesson.honest, honest, WRONG, word)


def test_the_network_of_the_exercise_is_as_before_after_a_careless_answer():
    before = {name: value.clone() for name, value in honest_report.specimen()[0].state_dict().items()}
    check(lesson.honest, make_report(training=True), WRONG)
    after = honest_report.specimen()[0].state_dict()
    assert all(torch.equal(before[name], value) for name, value in after.items())
    check(lesson.honest, make_report(), CORRECT)


# ---- questions -------------------------------------------------------------------------------------------------------


def test_each_question_has_its_answer_among_its_choices():
    questions = [value for value in vars(lesson).values() if isinstance(value, Question)]
    assert len(questions) == 7
    for asked in questions:
        assert len(asked.choices) >= 3
        question(asked.text, asked.choices, asked.correct)
