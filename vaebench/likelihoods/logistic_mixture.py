"""Mixture of discretised logistics with coupled colours."""

from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch import Tensor

from vaebench.contracts import ImageShape, Likelihood, Tags
from vaebench.maths import logistic
from vaebench.noise import Noise


class LogisticMixture(Likelihood):
    """A mixture of discretised logistics per pixel; means of later colours depend on the earlier colours.

    log p(x) = logsumexp_k [log π_k + Σ_c log P(x_c; μ_kc(x_<c), s_kc)] for 1 or 3 colours. With the pixel's
    red r and green g on [-1, 1], μ_k,G = m_G + tanh(c₀)·r and μ_k,B = m_B + tanh(c₁)·r + tanh(c₂)·g. The
    parameters are K logits, then for each colour K means, K log scales and, with three colours, K
    coefficients; the very deep VAE's released weights have the same order.
    """

    needs: ClassVar[dict[str, Tags]] = {"data": frozenset({"grey|colour"})}
    paper = "Salimans et al. 2017 (PixelCNN++), sec. 2.1-2.2; Child 2021"

    def __init__(
        self,
        image: ImageShape,
        *,
        components: Annotated[
            int, Meta(ge=1, le=100, description="number of logistics in the mixture (K)")
        ] = 5,
        min_log_scale: Annotated[
            float, Meta(ge=-20, le=0, description="smallest log scale, with pixels on [-1, 1]")
        ] = -7.0,
    ) -> None:
        super().__init__(image)
        self.components = components
        self.min_log_scale = min_log_scale
        self.per_channel = 3 if image.channels == 3 else 2
        self.channels = components * (1 + self.per_channel * image.channels)

    def _split(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Split the parameters: logits (B, K, H, W); means, log scales and coefficients (B, C, K, H, W)."""
        logits, rest = params.tensor_split([self.components], dim=1)
        shaped = rest.unflatten(1, (self.image.channels, self.per_channel, self.components))
        log_scale = shaped[:, :, 1].clamp(min=self.min_log_scale)
        coefficients = shaped[:, :, 2].tanh() if self.per_channel == 3 else None
        return logits, shaped[:, :, 0], log_scale, coefficients

    @staticmethod
    def _coupled(mean: Tensor, coefficients: Tensor | None, v: Tensor) -> Tensor:
        """Compute the components' means given the pixel's values v (B, C, 1, H, W) in [-1, 1]."""
        if coefficients is None:
            return mean
        red, green = v[:, 0], v[:, 1]
        blue = mean[:, 2] + coefficients[:, 1] * red + coefficients[:, 2] * green
        return torch.stack([mean[:, 0], mean[:, 1] + coefficients[:, 0] * red, blue], dim=1)

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        logits, mean, log_scale, coefficients = self._split(params)
        v = logistic.to_unit(x.to(params.dtype), self.image.levels).unsqueeze(2)
        mean = self._coupled(mean, coefficients, v)
        log_mass = logistic.log_mass(x.unsqueeze(2), mean, log_scale, self.image.levels).sum(1)
        return torch.logsumexp(logits.log_softmax(1) + log_mass, dim=1, keepdim=True)

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        logits, mean, log_scale, coefficients = self._split(params)
        gumbel = -torch.log(-torch.log(noise.uniform(logits)))
        pick = (logits + gumbel).argmax(1)[:, None, None].expand(-1, self.image.channels, -1, -1, -1)
        mean, log_scale = (t.gather(2, pick).squeeze(2) for t in (mean, log_scale))
        deviation = logistic.icdf(noise.uniform(mean), torch.zeros_like(mean), log_scale)
        if coefficients is None:
            return logistic.from_unit(mean + deviation, self.image.levels)
        # A colour depends on the quantised value of the colours before it, as in log_prob.
        coefficients = coefficients.gather(2, pick).squeeze(2)
        colours: list[Tensor] = []
        for c in range(3):
            shift = torch.zeros_like(mean[:, 0])
            for earlier in range(c):
                seen = logistic.to_unit(colours[earlier].to(mean.dtype), self.image.levels)
                shift = shift + coefficients[:, c * (c - 1) // 2 + earlier] * seen
            colours.append(logistic.from_unit(mean[:, c] + shift + deviation[:, c], self.image.levels))
        return torch.stack(colours, dim=1)

    def mean(self, params: Tensor) -> Tensor:
        """Compute E[x|params]; for coupled colours, an approximation.

        Green and blue are taken at each component's expected earlier colours.
        """
        logits, mean, log_scale, coefficients = self._split(params)
        levels = self.image.levels
        weights = logits.softmax(1).unsqueeze(1)
        if coefficients is None:
            return (weights * logistic.expectation(mean, log_scale, levels)).sum(2)
        expected: list[Tensor] = []
        for c in range(3):
            v = [logistic.to_unit(e, levels) for e in expected]
            v += [torch.zeros_like(mean[:, 0])] * (3 - c)
            shifted = self._coupled(mean, coefficients, torch.stack(v, dim=1))
            expected.append(logistic.expectation(shifted[:, c], log_scale[:, c], levels))
        return (weights * torch.stack(expected, dim=1)).sum(2)
