"""What tensors here never are: sparse, quantised, nested, or on devices other than CPU and CUDA.

Scripts ask, and get the answer; what would make such a tensor raises and says what to do instead.
"""

from __future__ import annotations

from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.public import public

__all__ = ["is_conj", "is_neg", "is_nonzero", "to_dense", "typename"]


def _never(name: str, what: str) -> None:
    setattr(Tensor, name, property(lambda self: False, doc=f"False: no tensor is {what}."))


for _name, _what in {
    "is_sparse_csr": "sparse", "is_mkldnn": "in oneDNN's own layout", "is_nested": "nested",
    "is_mps": "on an Apple GPU", "is_xla": "on an XLA device", "is_xpu": "on an Intel GPU",
    "is_ipu": "on an IPU", "is_vulkan": "on a Vulkan device",
}.items():  # fmt: skip
    _never(_name, _what)


def _refused(name: str) -> None:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f"{name}: isograd has no sparse tensors; keep indices and values as dense tensors and "
            "use index_add_, scatter_add_ or gather"
        )

    method.__name__ = name
    method.__doc__ = "Not supported: there are no sparse tensors."
    setattr(Tensor, name, method)


for _name in ("to_sparse", "to_sparse_coo", "to_sparse_csr", "to_sparse_csc", "coalesce",
              "sparse_mask"):  # fmt: skip
    _refused(_name)


@public(function=False)
def to_dense(input: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """The tensor itself, or a cast: it is dense."""
    return input if dtype is None else input.to(dtype)


@public()
def is_conj(input: Tensor) -> bool:
    """False: a conjugate is computed at once, never left for later."""
    return False


@public()
def is_neg(input: Tensor) -> bool:
    """False: a negation is computed at once, never left for later."""
    return False


@public()
def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not zero.

    Raises:
        RuntimeError: for any other number of elements.
    """
    return bool(input)


@public(method=False)
def typename(obj: Any) -> str:
    """The type's full name; of a tensor its legacy name, ``torch.FloatTensor``."""
    if isinstance(obj, Tensor):
        return str(obj.type())
    kind = obj if isinstance(obj, type) else type(obj)
    module = getattr(kind, "__module__", "") or ""
    return kind.__qualname__ if module in ("", "builtins") else f"{module}.{kind.__qualname__}"
