"""Vector quantisation as plain functions: vectors (N, D), a codebook (K, D), codes (N,) in 0 .. K-1."""

import torch
from torch import Tensor


def nearest(vectors: Tensor, codebook: Tensor) -> Tensor:
    """argmin_k ‖z − e_k‖² = argmin_k ‖e_k‖² − 2 z·e_k, int64 (N,); ties go to the lowest code.

    In the dtype of the tensors, under autocast too: half-precision distances confuse near codes.
    """
    with torch.no_grad(), torch.autocast(vectors.device.type, enabled=False):
        squares = codebook.square().sum(1)
        return torch.addmm(squares, vectors, codebook.T, alpha=-2).argmin(1)


def straight_through(z: Tensor, quantised: Tensor) -> Tensor:
    """``quantised``, bit for bit, with the gradient going to z as it is.

    Van den Oord et al. 2017, sec. 3.2.
    """
    # z - z is exactly zero; z + (quantised - z) would round.
    return quantised.detach() + (z - z.detach())


def counts(codes: Tensor, count: int) -> Tensor:
    """n_k, how many vectors have code k of ``count``, int64 (K,)."""
    return torch.bincount(codes, minlength=count)


def sums(vectors: Tensor, codes: Tensor, count: int) -> Tensor:
    """m_k = Σ z_i over the vectors with code k of ``count``, (K, D)."""
    return vectors.new_zeros(count, vectors.shape[1]).index_add_(0, codes, vectors)


def smoothed_means(running_counts: Tensor, running_sums: Tensor, eps: float) -> Tensor:
    """e_k = m_k / N'_k with Laplace-smoothed counts N'_k = (N_k + ε)/(n + K·ε)·n, n = Σ_k N_k; (K, D).

    Van den Oord et al. 2017, app. A.1; the smoothing is that of the published code.
    """
    total = running_counts.sum()
    smoothed = (running_counts + eps) / (total + len(running_counts) * eps) * total
    return running_sums / smoothed[:, None]
