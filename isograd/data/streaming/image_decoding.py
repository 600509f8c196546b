"""Image members to arrays, tensors or Pillow images, by the names WebDataset gave the choices."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from isograd.tensor.creation import from_numpy

__all__ = ["IMAGE_EXTENSIONS", "IMAGE_SPECS", "decode_image"]

IMAGE_EXTENSIONS = frozenset(
    "jpg jpeg png ppm pgm pbm pnm bmp gif tif tiff webp".split()  # what Pillow reads itself
)

# name: (what is made, range of the values, mode of the image)
IMAGE_SPECS: dict[str, tuple[str, str, str]] = {
    "l8": ("numpy", "uint8", "L"),
    "rgb8": ("numpy", "uint8", "RGB"),
    "rgba8": ("numpy", "uint8", "RGBA"),
    "l": ("numpy", "float", "L"),
    "rgb": ("numpy", "float", "RGB"),
    "rgba": ("numpy", "float", "RGBA"),
    "torchl8": ("torch", "uint8", "L"),
    "torchrgb8": ("torch", "uint8", "RGB"),
    "torchrgba8": ("torch", "uint8", "RGBA"),
    "torchl": ("torch", "float", "L"),
    "torchrgb": ("torch", "float", "RGB"),
    "torchrgba": ("torch", "float", "RGBA"),
    "torch": ("torch", "float", "RGB"),
    "pill": ("pil", "", "L"),
    "pilrgb": ("pil", "", "RGB"),
    "pilrgba": ("pil", "", "RGBA"),
    "pil": ("pil", "", ""),
}


def decode_image(data: bytes, spec: str) -> Any:
    """One image.

    Shape:
        numpy: (H, W, C), or (H, W) for "l"; torch: (C, H, W), C = 1 for "torchl". float is float32
        in [0, 1].

    Raises:
        ImportError: without Pillow.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            f"decode({spec!r}): images need Pillow; pip install pillow, or leave the image's "
            "bytes as they are by not naming an image decoder"
        ) from error
    kind, values, mode = IMAGE_SPECS[spec]
    with Image.open(io.BytesIO(data)) as file:
        image = file.convert(mode) if mode else file.copy()
    if kind == "pil":
        return image
    array = np.asarray(image)
    if values == "float":
        array = array.astype(np.float32) / np.float32(255)
    if kind == "numpy":
        return array
    if array.ndim == 2:
        array = array[:, :, None]
    return from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))
