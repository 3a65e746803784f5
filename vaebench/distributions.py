"""Distributions over one group of latents, and the rate KL(q‖p) for pairs of them."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vaebench.maths import gaussian
from vaebench.noise import Noise


class Distribution(ABC):
    """p(z) of a batch of latents, sampled from a given noise and evaluated in nats per image."""

    exact: ClassVar[bool] = True
    """Whether ``log_prob`` is exact; otherwise it is an unbiased estimate or a bound."""

    @abstractmethod
    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        """Draw z, (B, *shape); the temperature multiplies standard deviations or divides logits of codes."""

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """Compute log p(z) in nats per image, (B,), summed over the group.

        :raises ValueError: for z of another shape
        """

    @property
    def mean(self) -> Tensor | None:
        """E[z], (B, *shape), or None without a closed form; active units and latent pictures use it."""
        return None


def _per_image(values: Tensor) -> Tensor:
    sums: Tensor = _SumPerImage.apply(values)
    return sums


class _SumPerImage(torch.autograd.Function):
    """A sum over all dimensions but the batch, whose gradient keeps the memory format of the summed values.

    The gradient of torch's own sum does not, so that every later operation with a channels-last map costs a
    slow copy.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.like = torch.empty_like(values, device="meta")
        return values.sum(tuple(range(1, values.dim())))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        like: Tensor = ctx.like
        return torch.empty_like(like, device=grad.device).copy_(grad.view(-1, *[1] * (like.dim() - 1)))


def check_shape(z: Tensor, due: Sequence[int]) -> None:
    """Check the shape of latents, since another one would broadcast to wrong numbers.

    :raises ValueError: for latents of another shape
    """
    if tuple(z.shape) != tuple(due):
        raise ValueError(f"latents of shape {tuple(z.shape)} where {tuple(due)} is expected")


class DiagonalNormal(Distribution):
    """N(mean, exp(log_std)²), independent over a group's dimensions; both tensors (B, *shape).

    Half-precision moments are converted to float32: rates are never computed in bf16.
    """

    def __init__(self, mean: Tensor, log_std: Tensor) -> None:
        self.location = mean if mean.dtype == torch.float64 else mean.float()
        self.log_std = log_std if log_std.dtype == torch.float64 else log_std.float()

    @property
    def mean(self) -> Tensor:
        return self.location

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        eps = noise.normal(self.location)
        return self.location + self.log_std.exp() * (eps if temperature == 1.0 else temperature * eps)

    def log_prob(self, z: Tensor) -> Tensor:
        check_shape(z, self.location.shape)
        return _per_image(gaussian.log_density(z, self.location, self.log_std))


class StandardNormal(DiagonalNormal):
    """N(0, I); a type of its own because its KL is cheaper to compute.

    :param zeros: (B, *shape), all zero
    """

    def __init__(self, zeros: Tensor) -> None:
        super().__init__(zeros, zeros)

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        return temperature * noise.normal(self.location)

    def log_prob(self, z: Tensor) -> Tensor:
        check_shape(z, self.location.shape)
        z = z.to(torch.promote_types(z.dtype, self.location.dtype))  # half-precision latents too
        return _per_image(gaussian.log_density_standard(z))


class Codes(Distribution):
    """The posterior of a quantiser: one code per place with certainty, so log q = 0 (counting measure)."""

    def __init__(self, codes: Tensor) -> None:
        self.codes = codes

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        return self.codes

    def log_prob(self, z: Tensor) -> Tensor:
        check_shape(z, self.codes.shape)
        same = (z == self.codes).flatten(1).all(1)
        return torch.zeros(len(z), device=z.device).masked_fill(~same, -torch.inf)


class UniformCodes(Distribution):
    """p(code) = 1/K, independently at every place: log p(z) = −n·log K for n places.

    :param zeros: a floating tensor of the latents' shape (B, *shape); its values are not used
    :param codes: K
    """

    def __init__(self, zeros: Tensor, codes: int) -> None:
        self.zeros = zeros
        self.codes = codes

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        """Draw codes, int64 (B, *shape); the distribution is uniform at any temperature."""
        u = noise.uniform(self.zeros.double())  # in float32, u·K could round up to K
        return (u * self.codes).long()

    def log_prob(self, z: Tensor) -> Tensor:
        check_shape(z, self.zeros.shape)
        wrong = ((z < 0) | (z >= self.codes)).flatten(1).any(1)
        places = self.zeros[0].numel()
        return self.zeros.new_full((len(z),), -places * math.log(self.codes)).masked_fill(wrong, -torch.inf)


ClosedForm = Callable[[Any, Any], Tensor]
_CLOSED_FORMS: dict[tuple[type, type], ClosedForm] = {}


def closed_form_kl(q: type, p: type) -> Callable[[ClosedForm], ClosedForm]:
    """Register the closed form of KL(q‖p), (B,) nats per image, for a pair of types and their subtypes."""

    def register(function: ClosedForm) -> ClosedForm:
        _CLOSED_FORMS[q, p] = function
        return function

    return register


def kl(q: Distribution | None, p: Distribution, z: Tensor) -> Tensor:
    """Compute the rate KL(q‖p) in nats per image, (B,).

    The closed form of the pair of types is used where one is registered; otherwise log q(z) − log p(z) at the
    sample z ~ q, which has the same expectation.

    :raises ValueError: without a posterior
    """
    if q is None:
        raise ValueError("a rate needs a posterior: these latents were not inferred")
    for q_type in type(q).__mro__:
        for p_type in type(p).__mro__:
            if function := _CLOSED_FORMS.get((q_type, p_type)):
                return function(q, p)
    return q.log_prob(z) - p.log_prob(z)


@closed_form_kl(DiagonalNormal, DiagonalNormal)
def _kl_normal(q: DiagonalNormal, p: DiagonalNormal) -> Tensor:
    return _per_image(gaussian.kl(q.location, q.log_std, p.location, p.log_std))


@closed_form_kl(DiagonalNormal, StandardNormal)
def _kl_standard(q: DiagonalNormal, p: StandardNormal) -> Tensor:
    return _per_image(gaussian.kl_standard(q.location, q.log_std))
