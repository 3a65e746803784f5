"""Sizes of feature maps between an image and a vector."""

from vaebench.contracts import ImageShape

Size = tuple[int, int]


def halvings(image: ImageShape, smallest: int) -> tuple[Size, ...]:
    """(H, W) of the image and of its halvings, rounded up, until the longer side is at most ``smallest``."""
    sizes = [(image.height, image.width)]
    while max(sizes[-1]) > smallest:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return tuple(sizes)
