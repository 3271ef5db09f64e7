"""The exercises of lesson 02: right answers of several kinds, wrong ones by their symptoms, open ones."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

import samlib
from samlib.course.exercise import CORRECT, NOT_ATTEMPTED, WRONG
from samlib.course.lessons.perturbing_the_parameters import exercises as lesson
from samlib.course.widgets import question
from samlib.sharpness import find_worst_case
from tests.course.answers import check, solved


def norm(tensors):
    return torch.cat([t.flatten() for t in tensors]).norm()


# ---- SAM by hand -----------------------------------------------------------------------------------------------------


def make_step(
    ascent=lambda gradients, rho: [rho * g / norm(gradients) for g in gradients],
    back="before",
    clear_first=True,
    clear_between=True,
    answer="first",
    finish=None,
):
    """A SAM step with a backward pass each time, which may have a mistake in any of its parts."""

    def sam_step(model, x, y, optimizer, rho):
        weights = list(model.parameters())
        if clear_first:
            optimizer.zero_grad()
        first = F.cross_entropy(model(x), y)
        first.backward()
        with torch.no_grad():
            changes = [change.clone() for change in ascent([w.grad for w in weights], rho)]
            for w, change in zip(weights, changes, strict=True):
                w += change
        if clear_between:
            optimizer.zero_grad()
        second = F.cross_entropy(model(x), y)
        second.backward()

        def go_back():
            with torch.no_grad():
                for w, change in zip(weights, changes, strict=True):
                    w -= change

        if back == "before":
            go_back()
        (finish or (lambda m, o: o.step()))(model, optimizer)
        if back == "after":
            go_back()
        return {"first": first, "number": first.item(), "second": second, "none": None, "many": first.expand(3)}[answer]

    return sam_step


def with_a_copy(model, x, y, optimizer, rho):
    """The perturbed weights are a second network's; the first one only receives the gradients."""
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    twin = copy.deepcopy(model)
    length = sum(p.grad.square().sum() for p in model.parameters()) ** 0.5
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        q.data.add_(p.grad, alpha=float(rho / (length + 1e-12)))
        q.grad = None
    F.cross_entropy(twin(x), y).backward()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        p.grad = q.grad
    optimizer.step()
    return float(loss.detach())


def with_a_state_dict(model, x, y, optimizer, rho):
    before = copy.deepcopy(model.state_dict())
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    length = norm([p.grad for p in model.parameters()])
    for p in model.parameters():
        p.data += rho * p.grad / length
        p.grad.zero_()
    F.cross_entropy(model(x), y).backward()
    model.load_state_dict(before)
    optimizer.step()
    return loss.detach()


@pytest.mark.parametrize(
    "step",
    [
        solved("perturbing_the_parameters/sam step", "sam_step", **vars(torch.nn.utils)),
        make_step(),
        make_step(answer="number"),
        make_step(ascent=lambda g, rho: [rho * k / (norm(g) + 1e-12) for k in g]),
        with_a_copy,
        with_a_state_dict,
    ],
    ids=["the solution", "backward", "returns a number", "eps in the norm", "a perturbed copy", "state_dict"],
)
def test_a_right_sam_step_is_correct_however_it_is_written(step):
    check(lesson.sam_step, step, CORRECT)


def by_layer(gradients, rho):
    pairs = [gradients[i : i + 2] for i in range(0, len(gradients), 2)]
    return [rho * g / norm(pair) for pair in pairs for g in pair]


@pytest.mark.parametrize(
    ("step", "word"),
    [
        (make_step(back="never"), "forgot to restore"),
        (make_step(back="after"), "after the optimizer's step"),
        (make_step(ascent=by_layer), "each layer a norm of its own"),
        (make_step(ascent=lambda g, rho: [rho * k / k.norm() for k in g]), "each tensor a norm of its own"),
        (make_step(ascent=lambda g, rho: [rho * k for k in g]), "not rho long"),
        (make_step(ascent=lambda g, rho: [rho * k / norm(g) ** 2 for k in g]), "squared length"),
        (make_step(ascent=lambda g, rho: [k / norm(g) for k in g]), "Multiply by rho"),
        (make_step(ascent=lambda g, rho: [-rho * k / norm(g) for k in g]), "downhill"),
        (make_step(ascent=lambda g, rho: [rho * k.sign() for k in g]), "l_inf"),
        (make_step(ascent=lambda g, rho: [0 * k for k in g]), "plain step"),
        (make_step(clear_between=False), "both passes were added"),
        (make_step(clear_first=False), "Clear them first"),
        (make_step(answer="second"), "perturbed weights"),
        (make_step(answer="none"), "returns nothing"),
        (make_step(answer="many"), "one number"),
        (make_step(ascent=lambda g, rho: [0.5 * rho * k / norm(g) for k in g]), "away from SAM's"),
    ],
)
def test_a_wrong_sam_step_is_told_its_symptom(step, word):
    check(lesson.sam_step, step, WRONG, word)


def by_hand(model, optimizer):
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.1 * (p.grad + 0.02 * p)


def test_a_step_that_leaves_no_last_move_to_the_optimizer_is_wrong():
    check(lesson.sam_step, make_step(finish=by_hand), WRONG, "optimizer.step()", "momentum")


def test_a_copy_put_back_after_the_step_undoes_it():
    def sam_step(model, x, y, optimizer, rho):
        before = copy.deepcopy(model.state_dict())
        loss = make_step()(model, x, y, optimizer, rho)
        model.load_state_dict(before)
        return loss

    check(lesson.sam_step, sam_step, WRONG, "where they were")


def test_a_call_of_samlib_or_of_another_optimizer_does_not_count():
    def closure(model, x, y):
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    def borrowed(model, x, y, optimizer, rho):
        return samlib.SAM(optimizer, rho=rho).step(lambda: closure(model, x, y))

    def fresh(model, x, y, optimizer, rho):
        return make_step()(model, x, y, torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.02), rho)

    check(lesson.sam_step, borrowed, WRONG, "You called samlib.SAM")
    check(lesson.sam_step, fresh, WRONG, "new optimizer (SGD)", "momentum")
    samlib.SAM(torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1))  # both work again


def test_an_open_sam_step_is_told_from_a_wrong_one():
    check(lesson.sam_step, lambda model, x, y, optimizer, rho: ..., NOT_ATTEMPTED)
    check(lesson.sam_step, lambda model, x, y, optimizer, rho: None, NOT_ATTEMPTED)
    check(lesson.sam_step, ..., NOT_ATTEMPTED)
    check(lesson.sam_step, 3, WRONG, "must be a function")
    check(lesson.sam_step, lambda model: 0.0, WRONG, "raised TypeError")
    check(lesson.sam_step, lambda model, x, y, optimizer, rho: 1.0, WRONG, "where they were")


# ---- the rescaling ---------------------------------------------------------------------------------------------------


def in_the_third(layers, a):
    (W1, b1), (W2, b2), (W3, b3) = layers
    return ((a * W1, a * b1), (W2, a * b2), (W3 / a, b3))


def shared_out(layers, a):
    (W1, b1), (W2, b2), (W3, b3) = layers
    return [[a * W1, a * b1], [W2 / a**0.5, b2 * a**0.5], [W3 / a**0.5, b3]]


@pytest.mark.parametrize(
    "answer", [solved("perturbing_the_parameters/rescale layers", "rescale_layers"), in_the_third, shared_out]
)
def test_every_rescaling_that_changes_no_logit_is_correct(answer):
    check(lesson.rescale_layers, answer, CORRECT)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda a, W1, b1, W2, b2: (a * W1, b1, W2 / a, b2), "first bias"),
        (lambda a, W1, b1, W2, b2: (a * W1, a * b1, W2, b2), "nothing after the first layer"),
        (lambda a, W1, b1, W2, b2: (a * W1, a * b1, a * W2, b2), "multiplied by it again"),
        (lambda a, W1, b1, W2, b2: (a * W1, a * b1, W2 / a, b2 / a), "second bias"),
        (lambda a, W1, b1, W2, b2: (W1, b1, W2, b2), "must be multiplied by a"),
        (lambda a, W1, b1, W2, b2: (a * W1, a * b1, W2 / a**2, b2), "must not change at all"),
        (lambda a, W1, b1, W2, b2: (a * W1.T, a * b1, W2 / a, b2), "shapes"),
        (lambda a, W1, b1, W2, b2: (W1.mul_(a), a * b1, W2 / a, b2), "changes the layers"),
    ],
)
def test_a_rescaling_that_shows_is_told_why(change, word):
    def rescale_layers(layers, a):
        (W1, b1), (W2, b2), last = layers
        W1, b1, W2, b2 = change(a, W1, b1, W2, b2)
        return [(W1, b1), (W2, b2), last]

    check(lesson.rescale_layers, rescale_layers, WRONG, word)


def test_an_open_rescaling_is_told_from_a_wrong_one():
    check(lesson.rescale_layers, lambda layers, a: ..., NOT_ATTEMPTED)
    check(lesson.rescale_layers, None, NOT_ATTEMPTED)
    check(lesson.rescale_layers, "a * W1", WRONG, "must be a function")
    check(lesson.rescale_layers, lambda layers, a: 3.0, WRONG, "three pairs")


# ---- the relative step -----------------------------------------------------------------------------------------------


def in_relative_coordinates(weights, gradients, rho):
    """The same by another way: the loss is differentiated with respect to u."""
    us = [torch.zeros_like(w, requires_grad=True) for w in weights]
    loss = sum((g * w.norm() * u).sum() for u, w, g in zip(us, weights, gradients, strict=True))
    slopes = torch.autograd.grad(loss, us)
    return tuple(rho * s / norm(slopes) * w.norm() for s, w in zip(slopes, weights, strict=True))


@pytest.mark.parametrize(
    "answer", [solved("perturbing_the_parameters/relative step", "relative_step"), in_relative_coordinates]
)
def test_a_right_relative_step_is_correct(answer):
    check(lesson.relative_step, answer, CORRECT)


def scaled(weights, gradients):
    return [w.norm() * g for w, g in zip(weights, gradients, strict=True)]


def adaptive(w, g, rho):
    directions = [a.abs() * b for a, b in zip(w, g, strict=True)]
    return [rho * a.abs() * d / norm(directions) for a, d in zip(w, directions, strict=True)]


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (lambda w, g, rho: [rho * b / norm(g) for b in g], "absolute units"),
        (lambda w, g, rho: [rho * a.norm() * b / b.norm() for a, b in zip(w, g, strict=True)], "shared"),
        (lambda w, g, rho: [rho * a.norm() * b / norm(g) for a, b in zip(w, g, strict=True)], "with respect to u_k"),
        (lambda w, g, rho: [rho * s / norm(scaled(w, g)) for s in scaled(w, g)], "long"),
        (adaptive, "ASAM"),
        (
            lambda w, g, rho: [-rho * a.norm() * s / norm(scaled(w, g)) for a, s in zip(w, scaled(w, g), strict=True)],
            "downhill",
        ),
        (
            lambda w, g, rho: [rho * a.norm() * b / b.norm() / len(w) ** 0.5 for a, b in zip(w, g, strict=True)],
            "not the steepest",
        ),
        (lambda w, g, rho: g[:1], "one step for each"),
        (lambda w, g, rho: [b.flatten() for b in g], "shapes"),
        (lambda w, g, rho: [b.mul_(rho) for b in g], "changes its arguments"),
    ],
)
def test_a_wrong_relative_step_is_told_its_symptom(answer, word):
    check(lesson.relative_step, answer, WRONG, word)


def test_an_open_relative_step_is_told_from_a_wrong_one():
    check(lesson.relative_step, lambda weights, gradients, rho: ..., NOT_ATTEMPTED)
    check(lesson.relative_step, None, NOT_ATTEMPTED)
    check(lesson.relative_step, 0.1, WRONG, "must be a function")


def test_the_relative_step_of_the_solution_is_the_first_step_of_samlibs_relative_ascent():
    model = samlib.mlp(hidden=(6,)).double()
    x, y, *_ = samlib.load_digits()
    x, y = x[:40].double(), y[:40]
    names, weights = zip(*((n, p.detach()) for n, p in model.named_parameters()), strict=True)
    gradients = torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters()))
    steps = solved("perturbing_the_parameters/relative step", "relative_step")(weights, gradients, 0.03)
    delta = find_worst_case(model, x, y, 0.03, 1, relative="layer").delta
    for name, step in zip(names, steps, strict=True):
        torch.testing.assert_close(step, delta[name])


# ---- questions -------------------------------------------------------------------------------------------------------


def test_every_question_can_be_asked():
    asked = [thing for name, thing in vars(lesson).items() if name.startswith(("bet_", "recall_"))]
    assert len(asked) == 8
    for thing in asked:
        question(thing.text, thing.choices, thing.correct)
