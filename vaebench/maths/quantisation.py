"""Vector quantisation as plain functions: vectors (N, D), a codebook (K, D), codes (N,) in 0 .. K-1."""

import torch
from torch import Tensor

_ROWS = 16
_CACHED = 2**19
"""Distances at a time on a CPU, so that they stay in its cache."""


def nearest(vectors: Tensor, codebook: Tensor) -> Tensor:
    """argmin_k ‖z − e_k‖² = argmin_k ‖e_k‖² − 2 z·e_k, int64 (N,); equal distances go to the lowest code.

    Rounding, which depends on how many vectors there are, may tell the distances to equal codes apart.

    In the dtype of the tensors, under autocast too: half-precision distances confuse near codes.
    """
    count = len(codebook)
    with torch.no_grad(), torch.autocast(vectors.device.type, enabled=False):
        # torch's argmin is slow and its amin is fast. So a vector's distances are laid out as (rows, blocks),
        # where block b is the codes from b·rows on; amin over the rows finds the block, argmin the rest.
        blocks = -(-count // _ROWS)
        order = torch.arange(blocks * _ROWS, device=codebook.device).view(blocks, _ROWS).T.flatten()
        laid_out = codebook[order.clamp(max=count - 1)]
        squares = laid_out.square().sum(1)
        piece = max(1, _CACHED // len(order)) if vectors.device.type == "cpu" else len(vectors)
        codes = []
        for some in vectors.split(piece):
            distances = torch.addmm(squares, some, laid_out.T, alpha=-2).view(-1, _ROWS, blocks)
            block = distances.amin(1).argmin(1)
            inside = distances.gather(2, block[:, None, None].expand(-1, _ROWS, 1))[:, :, 0].argmin(1)
            codes.append(block * _ROWS + inside)
        # The last block is filled up with the last code, which rounding may prefer in its second place.
        return torch.cat(codes).clamp_(max=count - 1)


def first_of_equals(codebook: Tensor) -> Tensor:
    """For each code the lowest one of the same vector, int64 (K,)."""
    _, group = torch.unique(codebook, dim=0, return_inverse=True)
    each = torch.arange(len(codebook), device=codebook.device)
    return torch.full_like(each, len(codebook)).scatter_reduce(0, group, each, "amin")[group]


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
