"""Random tensors. On the CPU they follow torch's CPU stream, number by number.

On the GPU they are counter-based (Philox): keyed by the seed and the number of the draw, so that a
value does not depend on how the tensor is spread over devices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.backends import backend_for, backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.creation import check_options, finish
from isograd.tensor.cuts import elementwise
from isograd.tensor.devices import default_device, device
from isograd.tensor.door import apply, mode
from isograd.tensor.dtypes import dtype as DType
from isograd.tensor.dtypes import get_default_dtype
from isograd.tensor.generator import Generator, default_generator, fill
from isograd.tensor.inplace import recording
from isograd.tensor.philox import philox_normal, philox_uniform
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.shape import sizes
from isograd.tensor.public import public
from isograd.tensor.spread import whole

__all__ = ["bernoulli", "multinomial", "normal", "rand", "randint", "randn", "randperm"]


def _stream(generator: Generator | None) -> Generator:
    return default_generator if generator is None else generator


def _new(
    name: str, shape: Any, d: DType, where: Any, draw: Callable[[Any], Any], requires_grad: bool
) -> Tensor:
    target = default_device() if where is None else device(where)
    array = draw(shape)
    return finish(backend_for(target).from_numpy(array, target.index), requires_grad)


def _device_draw(
    kind: Any, target: device, shape: Any, d: DType, generator: Generator | None
) -> Any:
    """Uniform or normal numbers made on a GPU."""
    seed, draw = _stream(generator).next_draw()
    xp = backend_for(target).xp
    wide = np.float64 if d is dtypes.float64 else np.float32
    with xp.cuda.Device(target.index):
        return kind(xp, seed, draw, tuple(shape), dtype=wide).astype(d.np)


def _floating(name: str, method: str, kind: Any, doc: str) -> Any:
    def function(
        *size: Any, generator: Generator | None = None, dtype: DType | None = None,
        device: Any = None, requires_grad: bool = False, out: Tensor | None = None, **options: Any,
    ) -> Tensor:  # fmt: skip
        size = (options.pop("size"),) if "size" in options else size
        check_options(name, options)
        d = dtype or get_default_dtype()
        if d.category < 2:
            raise RuntimeError(f"\"{name}\" not implemented for '{d.name}'")
        shape = sizes(size, name)
        target = _target(device)
        if target.type == "cuda":
            made = finish(_device_draw(kind, target, shape, d, generator), requires_grad)
        else:
            made = finish(_draw_floating(_stream(generator), method, shape, d), requires_grad)
        if out is None:
            return made
        out._array = made._array
        out._bump()
        return out

    function.__name__ = name
    function.__doc__ = doc
    return public(method=False)(function)


def _target(where: Any) -> device:
    return default_device() if where is None else device(where)


def _draw_floating(stream: Generator, method: str, shape: Any, d: DType) -> Any:
    if d.category == 3:  # parts with variance 1/2 each
        parts = getattr(stream, method)((*shape, 2), d.to_real().np)
        scale = np.sqrt(0.5) if method == "normal" else 1.0
        return (parts * parts.dtype.type(scale)).view(d.np)[..., 0]
    return getattr(stream, method)(shape, d.np)


rand = _floating("rand", "uniform", philox_uniform, "Uniform numbers in [0, 1).")
randn = _floating("randn", "normal", philox_normal, "Normal numbers with mean 0 and variance 1.")


def _rand_like(name: str, base: Any) -> Any:
    def function(
        input: Tensor,
        *,
        dtype: DType | None = None,
        device: Any = None,
        requires_grad: bool = False,
        generator: Generator | None = None,
        **options: Any,
    ) -> Tensor:
        check_options(name, options)
        out: Tensor = base(
            tuple(input._array.shape),
            dtype=dtype or input.dtype,
            generator=generator,
            device=device or input.device,
            requires_grad=requires_grad,
        )
        return out

    function.__name__ = name
    function.__doc__ = f"`{base.__name__}` with the shape, dtype and device of ``input``."
    return public(method=False)(function)


rand_like, randn_like = _rand_like("rand_like", rand), _rand_like("randn_like", randn)


@public(method=False)
def randint(*args: Any, generator: Generator | None = None, dtype: DType = dtypes.int64,
            device: Any = None, requires_grad: bool = False, **options: Any) -> Tensor:  # fmt: skip
    """``randint(high, size)`` or ``randint(low, high, size)``: integers in [low, high).

    Raises:
        RuntimeError: if the range is empty.
    """
    listed = list(args)
    for key in ("low", "high", "size"):
        if key in options:
            value = options.pop(key)
            listed = (
                [value, *listed] if key == "low" and args and len(args) < 3 else [*listed, value]
            )
    check_options("randint", options)
    low, high, size = (0, *listed) if len(listed) == 2 else listed
    low, high = int(low), int(high)
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    draw = lambda shape: _stream(generator).random(shape, dtype.np, low, high)  # noqa: E731
    return _new("randint", sizes((size,), "randint"), dtype, device, draw, requires_grad)


@public(method=False)
def randint_like(input: Tensor, *bounds: Any, dtype: DType | None = None, device: Any = None,
                 **options: Any) -> Tensor:  # fmt: skip
    """`randint` with the shape, dtype and device of ``input``."""
    named = [options.pop(k) for k in ("low", "high") if k in options]
    check_options("randint_like", {k: v for k, v in options.items() if k != "requires_grad"})
    return randint(*bounds, *named, tuple(input._array.shape), dtype=dtype or input.dtype,
                   device=device or input.device)  # fmt: skip


@public(method=False)
def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: DType = dtypes.int64,
    device: Any = None,
    requires_grad: bool = False,
    out: Any = None,
    **options: Any,
) -> Tensor:
    """A random order of ``0 .. n - 1``."""
    check_options("randperm", options)
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    draw = lambda shape: _stream(generator).randperm(n, dtype.np)  # noqa: E731
    return _new("randperm", (n,), dtype, device, draw, requires_grad)


@public(method=False)
def normal(mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None,
           dtype: DType | None = None, device: Any = None, requires_grad: bool = False,
           out: Tensor | None = None, **options: Any) -> Tensor:  # fmt: skip
    """Normal numbers with the given mean(s) and standard deviation(s).

    Raises:
        RuntimeError: for a negative standard deviation.
    """
    check_options("normal", options)
    stream = _stream(generator)
    if isinstance(mean, Tensor) or isinstance(std, Tensor):
        like = mean if isinstance(mean, Tensor) else std
        m, s = (_host(v) if isinstance(v, Tensor) else v for v in (mean, std))
        if np.any(np.asarray(s) < 0):
            raise RuntimeError("normal expects all elements of std >= 0.0")
        made = _on_home(like, stream.normal_from(m, s, like.dtype.np))
        return _constant_of(made, mean, std)
    if size is None:
        raise TypeError("normal(): with numbers for mean and std, size must be given")
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    d = dtype or get_default_dtype()
    draw = lambda shape: stream.normal(shape, d.np, mean, std)  # noqa: E731
    return _new("normal", sizes((size,), "normal"), d, device, draw, requires_grad)


def _host(t: Tensor) -> Any:
    array = whole(t._array)
    return backend_of(array).to_numpy(array)


def _on_home(t: Tensor, array: Any) -> Tensor:
    where = t.device
    return wrap(backend_for(where).from_numpy(array, where.index))


_drawn = Primitive(
    "drawn",
    lambda xp, x, y, z: x,
    vjp={
        "x": lambda g: g,
        "y": lambda g, y_shape: g.new_zeros(y_shape),
        "z": lambda g, z_shape: g.new_zeros(z_shape),
    },
    cuts=elementwise(sums=[(0,)]),
    samples=lambda make: [((make(3), make(3), make(3)), {})],
    doc="Draws, which have gradient 0 in the parameters of their distribution.",
)


def _constant_of(made: Tensor, *parameters: Any) -> Tensor:
    """The draws with a history where a parameter wants a gradient: it is 0."""
    if not recording(*parameters):
        return made
    first, second = (*parameters, 0.0)[:2]
    return apply(_drawn, made, first, second)


@public()
def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None,
              out: Tensor | None = None) -> Tensor:  # fmt: skip
    """0 or 1, 1 with the probability that each element (or ``p``) says."""
    shape = tuple(input._array.shape)
    chance = _host(input.detach()) if p is None else p
    if np.any((np.asarray(chance) < 0) | (np.asarray(chance) > 1)):
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    made = _on_home(input, _stream(generator).bernoulli(chance, shape, input.dtype.np))
    return _constant_of(made, input)


@public(out="strict")
def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *,
                generator: Generator | None = None) -> Tensor:  # fmt: skip
    """Indices drawn with probabilities proportional to each row's weights.

    Shape:
        (n,) or (m, n) -> (num_samples,) or (m, num_samples), int64.

    Raises:
        RuntimeError: for bad weights, or more samples than weights without replacement.
    """
    if input.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    return _on_home(
        input, _stream(generator).multinomial(_host(input.detach()), num_samples, replacement)
    )


def _filler(name: str, doc: str, draw: Callable[..., Any]) -> None:
    """An in-place method that overwrites its tensor with draws."""

    def method(
        self: Tensor, *args: Any, generator: Generator | None = None, **kwargs: Any
    ) -> Tensor:
        if self.requires_grad and self.is_leaf and mode.grad:
            raise RuntimeError(
                f"{name}: a leaf Variable that requires grad is being used in an in-place "
                "operation."
            )
        stream = _stream(generator)
        array = self._array
        if array.__class__ is np.ndarray:
            fill(array, lambda shape: draw(stream, self, shape, *args, **kwargs))
        else:
            made = draw(stream, self, tuple(array.shape), *args, **kwargs)
            array[...] = backend_of(array).from_numpy(made, self.device.index)
        self._bump()
        return self

    method.__name__ = name
    method.__doc__ = doc
    setattr(Tensor, name, method)


def _uniform(stream: Generator, t: Tensor, shape: Any, *bounds: float, **named: float) -> Any:
    low = named.get("from", bounds[0] if bounds else 0.0)
    high = named.get("to", bounds[1] if len(bounds) > 1 else 1.0)
    if low > high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}"
        )
    return stream.uniform(shape, t.dtype.np, low, high)


def _normal(stream: Generator, t: Tensor, shape: Any, mean: float = 0.0, std: float = 1.0) -> Any:
    if std < 0:
        raise RuntimeError(f"normal_ expects std >= 0.0, but found std {std}")
    contiguous = bool(t._array.flags.c_contiguous)
    return stream.normal(shape, t.dtype.np, mean, std, contiguous=contiguous)


def _random(stream: Generator, t: Tensor, shape: Any, *bounds: int, **named: int) -> Any:
    listed = [*bounds, *named.values()]
    if len(listed) == 0:
        return stream.random(shape, t.dtype.np)
    low, high = (0, listed[0]) if len(listed) == 1 else listed
    return stream.random(shape, t.dtype.np, low, high)


def _bernoulli(stream: Generator, t: Tensor, shape: Any, p: Any = 0.5) -> Any:
    return stream.bernoulli(_host(p) if isinstance(p, Tensor) else p, shape, t.dtype.np)


_filler("uniform_", "Overwrite with uniform numbers in [from, to).", _uniform)
_filler("normal_", "Overwrite with normal numbers.", _normal)
_filler("random_", "Overwrite with integers in [from, to), or of the dtype's whole range.", _random)
_filler("bernoulli_", "Overwrite with 0 or 1, 1 with probability ``p``.", _bernoulli)
_filler(
    "exponential_",
    "Overwrite with exponential numbers of rate ``lambd``.",
    lambda stream, t, shape, lambd=1.0: stream.exponential(shape, t.dtype.np, lambd),
)
_filler("geometric_", "Overwrite with geometric numbers of success probability ``p``.",
        lambda stream, t, shape, p: stream.geometric(shape, t.dtype.np, p))  # fmt: skip
_filler("cauchy_", "Overwrite with Cauchy numbers.",
        lambda stream, t, shape, median=0.0, sigma=1.0: stream.cauchy(
            shape, t.dtype.np, median, sigma))  # fmt: skip
_filler("log_normal_", "Overwrite with numbers whose logarithm is normal.",
        lambda stream, t, shape, mean=1.0, std=2.0: stream.log_normal(
            shape, t.dtype.np, mean, std))  # fmt: skip


def get_rng_state() -> Tensor:
    """The default generator's state, as torch's bytes."""
    return wrap(default_generator.state_array())


def set_rng_state(new_state: Tensor) -> None:
    """Put the default generator into a state that `get_rng_state` gave."""
    default_generator.set_state_array(_host(new_state))


def _get_state(self: Generator) -> Tensor:
    """This generator's state, as torch's bytes (uint8)."""
    return wrap(self.state_array())


def _set_state(self: Generator, new_state: Tensor) -> Generator:
    """Take over a state that `get_state` gave."""
    self.set_state_array(_host(new_state))
    return self


Generator.get_state = _get_state  # type: ignore[attr-defined]
Generator.set_state = _set_state  # type: ignore[attr-defined]
