"""SAM's radius and the attack's: which eps puts adversarial training where SAM is, in the simplified model."""

from __future__ import annotations

from samlib.checks import check_count, check_number
from samlib.toy import sam_optimum, standard_optimum


def equivalent_eps(p: float, eta: float, d: int, rho: float, definition: str = "A") -> float:
    """The eps whose adversarial optimum is SAM's optimum: eta (1 - w* / w_SAM); negative where SAM moves down.

    Arguments and errors as for `sam_optimum`.
    """
    return eta * (1 - standard_optimum(p, eta) / sam_optimum(p, eta, d, rho, definition))


def derived_eps(eta: float, d: int, rho: float) -> float:
    """`equivalent_eps` of definition A to leading order: 2 eta / eps = 2 + 6 d / rho^2. Derived for this project.

    It solves w* (1 + rho^2 / (3 d)) = w* eta / (eta - eps); p drops out.

    Raises:
        ValueError, TypeError: eta not > 0, d not a whole number >= 1, rho negative or not finite.
    """
    square = check_number("rho", rho) ** 2
    return check_number("eta", eta, open_low=True) * square / (square + 3 * check_count("d", d))


def reported_eps(eta: float, rho: float) -> float:
    """2 eta / eps = 2 + 3 / rho^2, as reported of Zhang et al. 2024. Reported, not derived: see `reported_optimum`.

    Raises:
        ValueError, TypeError: eta not > 0, rho negative or not finite.
    """
    square = check_number("rho", rho) ** 2
    return check_number("eta", eta, open_low=True) * 2 * square / (2 * square + 3)


def reported_optimum(p: float, eta: float, rho: float) -> float:
    """w* (1 + 2 rho^2 / 3), as reported of Zhang et al. 2024, arXiv 2402.15152. Known to us second-hand.

    No definition of `sam_optimum` has the constant 2/3 in general: A has 1 / (3 d), A' has 1/3. Its direction,
    upwards, is that of A, A', C (d >= 2), D, F1, F2 and J.

    Raises:
        ValueError, TypeError: p not in (1/2, 1), eta not > 0, rho negative or not finite.
    """
    return standard_optimum(p, eta) * (1 + 2 * check_number("rho", rho) ** 2 / 3)
