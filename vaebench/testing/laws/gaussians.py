"""Laws of the KL divergences and densities of normals, element by element, in float64."""

import math
from typing import Any

import torch
from hypothesis import strategies as st
from scipy.integrate import quad
from torch import Tensor

from vaebench.testing.law import Law, close, hold
from vaebench.testing.statistics import mean_is
from vaebench.testing.subject import Function, Subject

CONTRACT = "vaebench/maths/gaussian.py"
DRAWS = 20_000


def _normals(spread: float = 3.0) -> Any:
    def examples(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
        mean, log_std = st.floats(-5, 5, width=32), st.floats(-spread, spread, width=32)
        return st.fixed_dictionaries({"mq": mean, "sq": log_std, "mp": mean, "sp": log_std})

    return examples


def tensor(*values: float) -> tuple[Tensor, ...]:
    """Make a float64 tensor of shape (1,) from each value."""
    return tuple(torch.tensor([v], dtype=torch.float64) for v in values)


def log_normal(z: float, mean: float, log_std: float) -> float:
    """Compute log N(z; μ, σ²) by its definition, independent of the formulas under test."""
    return -0.5 * ((z - mean) / math.exp(log_std)) ** 2 - math.log(math.exp(log_std) * math.sqrt(2 * math.pi))


def is_the_integral(subject: Function, mq: float, sq: float, mp: float, sp: float) -> None:
    """Integrate by quadrature over 12 standard deviations on either side."""
    measured = subject.target(*tensor(mq, sq, mp, sp)).item()
    std = math.exp(sq)

    def integrand(u: float) -> float:
        z = mq + u * std
        return math.exp(log_normal(z, mq, sq)) * std * (log_normal(z, mq, sq) - log_normal(z, mp, sp))

    due, _ = quad(integrand, -12, 12, limit=200)
    close(measured, due, "KL(q‖p), against ∫ q log q/p by quadrature", 1e-7, 1e-7)


def is_the_mean(subject: Function, mq: float, sq: float, mp: float, sp: float) -> None:
    """Compare KL with the mean of log q/p over samples of q."""
    z = mq + math.exp(sq) * torch.randn(DRAWS, dtype=torch.float64)

    def log_density(mean: float, log_std: float) -> Tensor:
        return -0.5 * ((z - mean) / math.exp(log_std)) ** 2 - log_std - 0.5 * math.log(2 * math.pi)

    value = subject.target(*tensor(mq, sq, mp, sp)).item()
    mean_is(log_density(mq, sq) - log_density(mp, sp), value, "the mean of log q/p over q, against KL", 1e-7)


def is_a_divergence(subject: Function, mq: float, sq: float, mp: float, sp: float) -> None:
    """Check KL(q‖q) = 0 and KL(q‖p) > 0 for other p."""
    q, p = tensor(mq, sq), tensor(mp, sp)
    same = subject.target(*q, *q).item()
    hold(same == 0, "KL(q‖q)", same, 0)
    value = subject.target(*q, *p).item()
    hold(value >= 0, "KL(q‖p) is negative", value, "0 or more")
    if abs(mq - mp) > 1e-3 or abs(sq - sp) > 1e-3:
        hold(value > 0, "KL(q‖p) of normals that differ", value, "more than 0")


def adds_up(subject: Function, mq: float, sq: float, mp: float, sp: float) -> None:
    """Compare the KL of two dimensions with that of each alone."""
    q, p = torch.tensor([[mq, mp], [sq, sp]]).double(), torch.tensor([[mp, mq], [0.0, sq]]).double()
    both = subject.target(q[0], q[1], p[0], p[1])
    hold(both.shape == (2,), "the shape of KL: one value per element", tuple(both.shape), (2,))
    for i in range(2):
        single = subject.target(q[0, i], q[1, i], p[0, i], p[1, i])
        close(both[i], single, f"KL of dimension {i} of two, against the dimension alone", 1e-12, 1e-12)


def gradients_match(subject: Function, mq: float, sq: float, mp: float, sp: float) -> None:
    """Compare gradients with central differences."""
    inputs = [t.requires_grad_() for t in tensor(mq, sq, mp, sp)]
    gradients = torch.autograd.grad(subject.target(*inputs).sum(), inputs)
    step = 1e-5
    for i, name in enumerate(("μq", "log σq", "μp", "log σp")):
        ends = []
        for sign in (1, -1):
            moved = [t.detach().clone() for t in inputs]
            moved[i] += sign * step
            ends.append(subject.target(*moved).item())
        scale = 1 + max(map(abs, ends))
        close(
            gradients[i],
            torch.tensor([(ends[0] - ends[1]) / (2 * step)]).double(),
            f"d KL / d {name}",
            1e-4,
            1e-6 * scale,
        )


def is_stable(subject: Function, mq: float, sq: float, mp: float, sp: float) -> None:
    """Check the KL of normals with extreme log σ."""
    value = subject.target(*tensor(0.0, sq, 0.0, sp)).item()
    hold(value >= 0, "KL of normals with extreme σ is negative", value, "0 or more")
    hold(
        math.isfinite(value) or sq - sp > 300,
        "KL of normals with extreme σ",
        value,
        "finite where the exact KL is",
    )


def _near(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    log_std = st.floats(-3, 3, width=32)
    step = st.sampled_from([s * 2.0**-n for n in range(4, 27) for s in (1, -1)])
    return st.fixed_dictionaries({"log_std": log_std, "d_mean": step, "d_log_std": step})


def keeps_its_digits(subject: Function, log_std: float, d_mean: float, d_log_std: float) -> None:
    """Compare with the series ½ Σ_{n≥2} (2δ)ⁿ/n! + ½(Δμ/σp)²; rounding δ changes it by at most 1/δ of it."""
    q = tensor(d_mean, log_std + d_log_std)
    p = tensor(0.0, log_std)
    delta = (q[1] - p[1]).item()
    due = 0.5 * sum((2 * delta) ** n / math.factorial(n) for n in range(2, 20))
    due += 0.5 * (d_mean / math.exp(log_std)) ** 2
    value = subject.target(*q, *p).item()
    close(value, due, "KL of near-equal normals, against its series", 1e-12, 1e-15 * abs(delta))


def standard_is_special(subject: Function, mq: float, sq: float, mp: float, sp: float) -> None:
    """Compare with the general form for p = N(0, 1)."""
    from vaebench.maths import gaussian

    mean, log_std, zero = tensor(mq, sq, 0.0)
    due = gaussian.kl(mean, log_std, zero, zero)
    close(subject.target(mean, log_std), due, "KL(q‖N(0, 1)), against the general form", 1e-12, 1e-12)


def density_integrates(subject: Function, mq: float, sq: float, mp: float, sp: float) -> None:
    """Integrate exp(log_density), and compare one value with the definition."""
    std = math.exp(sq)
    mean, log_std = tensor(mq, sq)
    points = mean + std * (torch.arange(4000, dtype=torch.float64) - 1999.5) * 0.006
    total = subject.target(points, mean, log_std).exp().sum() * 0.006 * std
    close(total, 1.0, "the integral of exp(log_density)", 0, 1e-8)
    z = mq + 1.3 * std
    close(subject.target(*tensor(z), mean, log_std).item(), log_normal(z, mq, sq), "log_density")


KL = (
    Law(
        "is the integral", "KL(q‖p) = ∫ q log q/p, by quadrature.", CONTRACT, is_the_integral, _normals(), 40
    ),
    Law(
        "is the mean over samples",
        "KL is the mean of log q/p over 20,000 samples of q, within 4.9 standard errors.",
        CONTRACT,
        is_the_mean,
        _normals(1.5),
        20,
    ),
    Law(
        "is a divergence",
        "KL ≥ 0, and KL = 0 only for equal normals.",
        CONTRACT,
        is_a_divergence,
        _normals(),
        60,
    ),
    Law(
        "adds over dimensions",
        "KL is computed for each dimension separately.",
        CONTRACT,
        adds_up,
        _normals(),
        20,
    ),
    Law(
        "gradients match differences",
        "The gradients of KL equal finite differences.",
        CONTRACT,
        gradients_match,
        _normals(),
        30,
    ),
    Law(
        "stable at extremes",
        "For |log σ| up to 300 the result is not negative, and finite where the exact KL is.",
        CONTRACT,
        is_stable,
        _normals(300),
        60,
    ),
    Law(
        "keeps its digits",
        "KL of normals that differ by δ, down to 1e-8, is exact up to the rounding of δ.",
        CONTRACT,
        keeps_its_digits,
        _near,
        40,
    ),
)
KL_STANDARD = (
    Law(
        "is a special case",
        "KL(q‖N(0, 1)) equals the general form.",
        CONTRACT,
        standard_is_special,
        _normals(),
        30,
    ),
)
DENSITY = (
    Law(
        "integrates to one",
        "exp(log_density) integrates to one and is the normal density.",
        CONTRACT,
        density_integrates,
        _normals(),
        30,
    ),
)
