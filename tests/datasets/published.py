"""Files in the layouts of published data sets, each image saying its number."""

import numpy as np

from vaebench.contracts import Split


def numbered(count: int, shape: tuple[int, ...]) -> np.ndarray:
    """Images whose first four bytes are their number, followed by every intensity."""
    pixels = int(np.prod(shape))
    images = (np.arange(count)[:, None] + np.arange(pixels)).astype(np.uint8)
    images[:, :4] = np.arange(count, dtype="<u4")[:, None].view(np.uint8)
    return images.reshape(count, *shape)


def numbers(split: Split) -> np.ndarray:
    """The numbers of ``numbered`` images."""
    first = split.images.flatten(1)[:, :4].contiguous().numpy()
    return first.view("<u4").ravel()


def idx(array: np.ndarray) -> bytes:
    """An unsigned-byte array in the IDX format."""
    sizes = np.array(array.shape, ">i4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def mnist_files() -> dict[str, bytes]:
    return {
        "train-images-idx3-ubyte": idx(numbered(60_000, (28, 28))),
        "train-labels-idx1-ubyte": idx(np.arange(60_000) % 10),
        "t10k-images-idx3-ubyte": idx(numbered(10_000, (28, 28))),
        "t10k-labels-idx1-ubyte": idx(np.arange(10_000) % 10),
    }
