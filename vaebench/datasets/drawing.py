"""Random splits: by the bytes of each file, or by a shuffle of all files."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from vaebench.datasets.splits import partition

How = Literal["hash", "shuffle"]


class Drawn(NamedTuple):
    """Rows of the three splits, and the names of splits that were filled with the nearest files."""

    train: Tensor
    validation: Tensor
    test: Tensor
    short: tuple[str, ...] = ()


def by_hash(sha256: Sequence[str], validation: float, test: float, seed: int) -> Drawn:
    """Split images such that the split of each depends only on its file's bytes and the seed.

    With u in [0, 1), the first 53 bits of sha256(``"<seed> <sha256 of the file>"``) over 2^53: test where
    u < ``test``, validation where u < ``test`` + ``validation``, else train, each in the order of u. So an
    added file moves no other file, equal files share a split, and the counts vary around the shares.

    Few images can leave a split of a positive share empty: it then takes the files of the smallest u among
    the later splits. A file that is added can move these back towards train, and none the other way.
    """
    u = torch.tensor([_uniform(digest, seed) for digest in sha256], dtype=torch.float64)
    order = u.argsort(stable=True)
    rest = u[order]
    short: list[str] = []
    edges: list[int] = []
    for name, edge, share in (("test", test, test), ("validation", test + validation, validation)):
        begin = edges[-1] if edges else 0
        end = max(begin, int((rest < edge).sum()))
        if share and end == begin and begin < len(rest):
            end = int((rest <= rest[begin]).sum())
            short.append(name)
        edges.append(end)
    first, second = edges
    return Drawn(order[second:], order[first:second], order[:first], tuple(short))


def _uniform(sha256: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed} {sha256}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def by_shuffle(count: int, validation: float, test: float, seed: int) -> Drawn:
    """Split by ``partition``, with shares rounded to whole images; a positive share gives at least one."""
    last = _share(count, test)
    return Drawn(*partition(count, min(_share(count, validation), count - last), last, seed))


def _share(count: int, share: float) -> int:
    return min(count, max(1, round(count * share))) if share else 0


def drawn(
    how: How, sha256: Sequence[str], given: Mapping[str, Tensor], shares: Mapping[str, float], seed: int
) -> Drawn:
    """Complete the given splits: missing ones are drawn from train, or from all rows if none is given.

    :param given: split -> its rows of ``sha256``
    :param shares: the shares of validation and test, which are ignored for given splits
    """
    pool = given["train"] if given else torch.arange(len(sha256))
    validation, test = (0.0 if name in given else shares[name] for name in ("validation", "test"))
    if how == "hash":
        new = by_hash([sha256[row] for row in pool], validation, test, seed)
    else:
        new = by_shuffle(len(pool), validation, test, seed)
    return Drawn(
        pool[new.train] if len(given) < 3 else pool,
        given.get("validation", pool[new.validation]),
        given.get("test", pool[new.test]),
        new.short,
    )
