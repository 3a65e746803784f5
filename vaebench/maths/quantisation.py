"""Vector quantisation as plain functions: vectors (N, D), a codebook (K, D), codes (N,) in 0 .. K-1."""

import torch
from torch import Tensor

_ROWS = 16
_CACHED = 2**19
"""How many distances are computed at a time on a CPU, so that they fit its cache."""


def nearest(vectors: Tensor, codebook: Tensor) -> Tensor:
    """Compute argmin_k ‖z − e_k‖² = argmin_k ‖e_k‖² − 2 z·e_k, int64 (N,); the lowest of equal distances.

    Rounding depends on the number of vectors and can make distances to equal codes differ. The dtype of the
    tensors is used under autocast too, because half-precision distances confuse near codes.
    """
    count = len(codebook)
    with torch.no_grad(), torch.autocast(vectors.device.type, enabled=False):
        # torch's amin is much faster than its argmin. So a vector's distances are laid out as (rows, blocks),
        # where block b holds the codes from b·rows on: amin over the rows finds the block, argmin the code.
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
        # The last block is padded with the last code; rounding may choose a padded copy.
        return torch.cat(codes).clamp_(max=count - 1)


def first_of_equals(codebook: Tensor) -> Tensor:
    """For each code, find the lowest code with the same vector, int64 (K,)."""
    _, group = torch.unique(codebook, dim=0, return_inverse=True)
    codes = torch.arange(len(codebook), device=codebook.device)
    return torch.full_like(codes, len(codebook)).scatter_reduce(0, group, codes, "amin")[group]


def straight_through(z: Tensor, quantised: Tensor) -> Tensor:
    """Return ``quantised``, bit for bit, and pass its gradient to z unchanged.

    Van den Oord et al. 2017, sec. 3.2.
    """
    # z - z is exactly zero; z + (quantised - z) would round.
    return quantised.detach() + (z - z.detach())


def counts(codes: Tensor, count: int) -> Tensor:
    """Count the vectors of each code, n_k, int64 (K,).

    :param count: K
    """
    return torch.bincount(codes, minlength=count)


def sums(vectors: Tensor, codes: Tensor, count: int) -> Tensor:
    """Sum the vectors of each code, m_k = Σ z_i, (K, D).

    :param count: K
    """
    return vectors.new_zeros(count, vectors.shape[1]).index_add_(0, codes, vectors)


def smoothed_means(running_counts: Tensor, running_sums: Tensor, eps: float) -> Tensor:
    """Compute the moving averages e_k = m_k / N'_k, (K, D), with Laplace-smoothed counts.

    N'_k = (N_k + ε)/(n + K·ε)·n with n = Σ_k N_k. Van den Oord et al. 2017, app. A.1; the smoothing follows
    the published code.
    """
    total = running_counts.sum()
    smoothed = (running_counts + eps) / (total + len(running_counts) * eps) * total
    return running_sums / smoothed[:, None]
