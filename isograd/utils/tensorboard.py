"""``torch.utils.tensorboard.SummaryWriter``, over tensorboardX, which needs no TensorBoard.

Tensors are given to it as NumPy arrays. ``add_graph`` and ``add_onnx_graph`` would need a trace of
the model, which does not exist yet, and say so.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor

try:
    import tensorboardX
except ImportError as error:
    raise ImportError(
        "utils.tensorboard needs tensorboardX: pip install 'isograd[tensorboard]'"
    ) from error

__all__ = ["SummaryWriter"]


def _as_host(value: Any) -> Any:
    """Tensors as NumPy arrays that TensorBoard's formats can hold, also inside of containers."""
    if isinstance(value, Tensor):
        array = value.detach().cpu().numpy()
        return array.astype(np.float32) if array.dtype.kind == "V" else array
    if isinstance(value, dict):
        return {key: _as_host(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_as_host(v) for v in value]) if type(value) in (list, tuple) else value
    return value


class SummaryWriter(tensorboardX.SummaryWriter):  # type: ignore[misc]
    """Writes scalars, images, histograms, ... for TensorBoard into a folder, ``runs/...``.

    Args:
        log_dir: the folder; ``runs/<date>_<host><comment>`` by default.
        comment: added to the default folder's name.
        purge_step: TensorBoard hides what was written from this step on by a run before.
        max_queue: events kept before they are written.
        flush_secs: seconds after which they are written in any case.
        filename_suffix: added to the file's name.

    Example:
        >>> with SummaryWriter("runs/first") as writer:  # doctest: +SKIP
        ...     writer.add_scalar("loss", loss, global_step=step)
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        super().__init__(
            logdir=None if log_dir is None else str(log_dir), comment=comment,
            purge_step=purge_step, max_queue=max_queue, flush_secs=flush_secs,
            filename_suffix=filename_suffix,
        )  # fmt: skip

    @property
    def log_dir(self) -> str:
        """The folder."""
        return str(self.logdir)

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def add_graph(self, model: Any, *args: Any, **kwargs: Any) -> None:
        """Not supported: a model's graph is not recorded.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("SummaryWriter.add_graph: isograd does not record graphs")

    add_onnx_graph = add_graph


def _with_tensors(name: str) -> Any:
    inner = getattr(tensorboardX.SummaryWriter, name)

    @wraps(inner)
    def method(self: SummaryWriter, *args: Any, **kwargs: Any) -> Any:
        return inner(self, *_as_host(args), **_as_host(kwargs))

    return method


for _name in (
    "add_scalar", "add_scalars", "add_histogram", "add_histogram_raw", "add_image", "add_images",
    "add_image_with_boxes", "add_video", "add_audio", "add_embedding", "add_pr_curve",
    "add_pr_curve_raw", "add_mesh", "add_hparams",
):  # fmt: skip
    setattr(SummaryWriter, _name, _with_tensors(_name))
