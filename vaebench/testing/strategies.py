"""Hypothesis strategies: image shapes of any depth, tiny images, parameters at their extremes, seeds."""

from typing import Any

from hypothesis import strategies as st

from vaebench.contracts import ImageShape
from vaebench.testing.subject import PartSubject, Subject
from vaebench.testing.values import extremes

seeds = st.integers(0, 10**6)
"""Seeds of weights, images and noise."""


def images(subject: PartSubject, smallest: int = 1, largest: int = 7) -> st.SearchStrategy[ImageShape]:
    """Shapes and bit depths that the component allows; sides of ``smallest`` to ``largest`` pixels."""
    side = st.integers(smallest, largest)
    return st.builds(
        lambda kind, height, width: ImageShape(kind[0], height, width, kind[1]),
        st.sampled_from(subject.kinds_of_image),
        side,
        side,
    )


def tiny_images(subject: PartSubject, most: int = 128, square: bool = False) -> st.SearchStrategy[ImageShape]:
    """Shapes with so few pixels and levels that all their images, at most ``most``, can be listed."""
    sides = [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (1, 3)]
    shapes = [
        ImageShape(c, h, w, n)
        for h, w in sides
        for c, n in subject.kinds_of_image
        if n ** (c * h * w) <= most and (h == w or not square)
    ]
    return st.sampled_from(sorted(shapes, key=lambda s: (s.levels**s.dims, s.dims)))


def parameters(target: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Values of a component's parameters, at the ends of their ranges (``vaebench.testing.values``)."""
    return st.fixed_dictionaries({name: st.sampled_from(some) for name, some in extremes(target).items()})


def models(subject: Subject, smallest: int = 1, largest: int = 7) -> st.SearchStrategy[dict[str, Any]]:
    """An image shape, parameters and a seed: what a model around a component is built from."""
    assert isinstance(subject, PartSubject)
    return st.fixed_dictionaries(
        {
            "image": images(subject, smallest, largest),
            "parameters": parameters(subject.target),
            "seed": seeds,
        }
    )
