"""Module: the base of all layers and models.

A module owns parameters, buffers and other modules, by name; assigning one of these to an attribute
is enough. ``module(x)`` calls ``forward(x)`` and the hooks, if there are any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from isograd.autograd.backward import clear_grad
from isograd.autograd.modes import no_grad
from isograd.nn.module_hooks import HookedModule, hook_tables
from isograd.nn.module_state import StatefulModule
from isograd.nn.parameter import Buffer, Parameter
from isograd.tensor.conversion import parse_to
from isograd.tensor.core import Tensor
from isograd.tensor.creation import empty
from isograd.tensor.devices import device as Device
from isograd.tensor.dtypes import bfloat16, dtype, float16, float32, float64
from isograd.tensor.memory_format import order_of

__all__ = ["Module"]

T = TypeVar("T", bound="Module")
V = TypeVar("V")


def _typename(value: Any) -> str:
    """The name of a value's type as torch writes it in messages."""
    if isinstance(value, Parameter):
        return "torch.nn.Parameter"
    if isinstance(value, Tensor):
        return str(value.type())
    cls = value if isinstance(value, type) else type(value)
    return (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )


def _no_forward(self: Any, *args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError(
        f'Module [{type(self).__name__}] is missing the required "forward" function'
    )


class Module(HookedModule, StatefulModule):
    """Base class of all layers and models; subclasses define ``__init__`` and ``forward``.

    Example:
        >>> from isograd import nn
        >>> class Twice(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.inner = nn.Linear(4, 4)
        ...
        ...     def forward(self, x):
        ...         return self.inner(self.inner(x))
        >>> [name for name, _ in Twice().named_parameters()]
        ['inner.weight', 'inner.bias']
    """

    training: bool
    forward: Callable[..., Any] = _no_forward

    def __init__(self) -> None:
        own = self.__dict__
        own["training"] = True
        own["_parameters"] = {}
        own["_buffers"] = {}
        own["_modules"] = {}
        own["_non_persistent_buffers_set"] = set()
        own.update(hook_tables())

    # -- attributes

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        for table in ("_parameters", "_buffers", "_modules"):
            if table in own and name in own[table]:
                return own[table][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        parameters = own.get("_parameters")
        if isinstance(value, Parameter):
            self._require_init("parameters")
            self._forget(name, "_buffers", "_modules")
            self.register_parameter(name, value)
        elif parameters is not None and name in parameters:
            if value is not None:
                raise _misassigned(value, "parameter", name, "torch.nn.Parameter or None expected")
            parameters[name] = None
        elif isinstance(value, Module):
            self._require_init("module")
            self._forget(name, "_parameters", "_buffers")
            own["_modules"][name] = value
        elif name in own.get("_modules", ()):
            if value is not None:
                raise _misassigned(value, "child module", name, "torch.nn.Module or None expected")
            own["_modules"][name] = None
        elif isinstance(value, Buffer) or name in own.get("_buffers", ()):
            self._set_buffer(name, value)
        else:
            object.__setattr__(self, name, value)

    def _require_init(self, what: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")

    def _set_buffer(self, name: str, value: Any) -> None:
        self._require_init("buffer")
        if value is not None and not isinstance(value, Tensor):
            raise _misassigned(
                value, "buffer", name, "torch.nn.Buffer, torch.Tensor or None expected"
            )
        if isinstance(value, Buffer):
            self._forget(name, "_modules")
            self.register_buffer(name, value, value.persistent)
        else:
            self._buffers[name] = value

    def _forget(self, name: str, *tables: str) -> None:
        own = self.__dict__
        own.pop(name, None)
        for table in tables:
            own[table].pop(name, None)
        if "_buffers" in tables:
            self._non_persistent_buffers_set.discard(name)

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = {
            *dir(type(self)),
            *self.__dict__,
            *self._parameters,
            *self._buffers,
            *self._modules,
        }
        return sorted(n for n in names if not n[:1].isdigit())

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name, table in hook_tables().items():
            self.__dict__.setdefault(name, table)

    # -- registration

    def _check_name(self, what: str, name: Any, known: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {_typename(name)}")
        if "." in name:
            suffix = f", got: {name}" if what == "module" else ""
            raise KeyError(f'{what} name can\'t contain "."{suffix}')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        if name not in known and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Own a tensor that is not trained, under ``name``.

        Args:
            persistent: whether it is part of ``state_dict()``.
        """
        self._require_init("buffer")
        self._check_name("buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{_typename(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Own a parameter under ``name``; None keeps the place of one that is absent."""
        self._require_init("parameter")
        self._check_name("parameter", name, self._parameters)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{_typename(param)}' object to parameter '{name}' "
                    "(torch.nn.Parameter or None required)"
                )
            if param._node is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must "
                    f"be created explicitly. To express '{name}' as a function of another Tensor, "
                    "compute the value in the forward() method."
                )
        self._parameters[name] = param

    def add_module(self, name: str, module: Module | None) -> None:
        """Own another module under ``name``."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{_typename(module)} is not a Module subclass")
        self._check_name("module", name, self._modules)
        self._modules[name] = module

    register_module = add_module

    # -- reading the tree

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as ``"encoder.layers.0"``; "" is this module."""
        found: Any = self
        for part in target.split(".") if target else ():
            if not hasattr(found, part):
                raise AttributeError(f"{found._get_name()} has no attribute `{part}`")
            found = getattr(found, part)
            if not isinstance(found, Module):
                raise AttributeError(f"`{part}` is not an nn.Module")
        return found

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as ``"encoder.weight"``."""
        _, name, found = self._get_leaf(target)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as ``"norm.running_mean"``."""
        owner, name, found = self._get_leaf(target)
        if name not in owner._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found

    def _get_leaf(self, target: str) -> tuple[Module, str, Any]:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if not hasattr(owner, name):
            raise AttributeError(f"{owner._get_name()} has no attribute `{name}`")
        return owner, name, getattr(owner, name)

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put ``module`` at a path; with ``strict`` one must be there already."""
        path, _, name = target.rpartition(".")
        if not name:
            raise ValueError("Cannot set the submodule without a target name!")
        owner = self.get_submodule(path)
        if strict and not hasattr(owner, name):
            raise AttributeError(f"{owner._get_name()} has no attribute `{name}`")
        if hasattr(owner, name) and not isinstance(getattr(owner, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(owner, name, module)

    def children(self) -> Iterator[Module]:
        """The modules this one owns directly."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """As `children`, with names."""
        seen: set[Any] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """As `modules`, with paths.

        Args:
            memo: modules to leave out; those given are added.
            remove_duplicate: give a module that is owned twice only once.
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def _named_members(
        self,
        get: Callable[[Any], Any],
        prefix: str,
        recurse: bool,
        remove_duplicate: bool,
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        owners = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, owner in owners:
            for name, value in get(owner):
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once; without ``recurse`` only this module's own."""
        for _, value in self.named_parameters(recurse=recurse):
            yield value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """As `parameters`, with paths."""
        return self._named_members(
            lambda m: m._parameters.items(), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once; without ``recurse`` only this module's own."""
        for _, value in self.named_buffers(recurse=recurse):
            yield value

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """As `buffers`, with paths."""
        return self._named_members(lambda m: m._buffers.items(), prefix, recurse, remove_duplicate)

    # -- changing all tensors

    def apply(self: T, fn: Callable[[Module], None]) -> T:
        """Call ``fn`` on every module below and then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self: T, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> T:
        """Replace every tensor ``t`` by ``fn(t)``; parameters stay the same objects."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        with no_grad():
            for param in self._parameters.values():
                if param is not None:
                    _replace_data(param, fn)
                    if param.grad is not None:
                        _replace_data(param.grad, fn)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self: T, *args: Any, **kwargs: Any) -> T:
        """Move or cast all parameters and buffers, in place; integers keep their dtype.

        Args:
            args: as for ``Tensor.to``: a device, a floating dtype, or a tensor.
            kwargs: also ``memory_format``, for tensors of its number of dimensions.

        Raises:
            TypeError: if the dtype is an integer type.
        """
        form = kwargs.pop("memory_format", None)
        rank = len(order_of("Module.to", form))
        where, d, _ = parse_to(args, dict(kwargs))
        if d is not None and d.category < 2:
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={d}"
            )

        def convert(t: Tensor) -> Tensor:
            moved = t.to(where, d if t.dtype.category > 1 else None)
            return moved.contiguous(memory_format=form) if rank and t.ndim == rank else moved

        return self._apply(convert)

    def cpu(self: T) -> T:
        """Move everything to the CPU."""
        return self._apply(lambda t: t.cpu())

    def cuda(self: T, device: Any = None) -> T:
        """Move everything to a CUDA device."""
        return self._apply(lambda t: t.cuda(device))

    def type(self: T, dst_type: Any) -> T:
        """Cast everything to a dtype."""
        return self._apply(lambda t: t.type(dst_type))

    def _cast(self: T, d: dtype) -> T:
        return self._apply(lambda t: t.to(d) if t.is_floating_point() else t)

    def float(self: T) -> T:
        """Cast floating tensors to float32."""
        return self._cast(float32)

    def double(self: T) -> T:
        """Cast floating tensors to float64."""
        return self._cast(float64)

    def half(self: T) -> T:
        """Cast floating tensors to float16."""
        return self._cast(float16)

    def bfloat16(self: T) -> T:
        """Cast floating tensors to bfloat16."""
        return self._cast(bfloat16)

    def to_empty(self: T, *, device: Any, recurse: bool = True) -> T:
        """Move to a device without copying the values; they are uninitialised afterwards."""
        where = Device(device)
        return self._apply(lambda t: empty(t.shape, dtype=t.dtype, device=where), recurse)

    def share_memory(self: T) -> T:
        """Not supported: processes do not share tensors here."""
        raise NotImplementedError(
            "share_memory: tensors are not shared between processes; give every process its own "
            "module, or start the script with `isograd run -n N`"
        )

    def train(self: T, mode: bool = True) -> T:
        """Set training mode here and below."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: T) -> T:
        """Set evaluation mode here and below."""
        return self.train(False)

    def requires_grad_(self: T, requires_grad: bool = True) -> T:
        """Whether the parameters want gradients."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the parameters' gradients, or set them to zero."""
        for param in self.parameters():
            clear_grad(param, set_to_none)

    # -- printing

    def _get_name(self) -> str:
        return self.__class__.__name__

    def extra_repr(self) -> str:
        """What to print between the brackets; override."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        if len(lines) == 1 and not self._modules:
            return f"{self._get_name()}({extra})"
        for name, module in self._modules.items():
            lines.append(f"({name}): " + repr(module).replace("\n", "\n  "))
        body = "\n  " + "\n  ".join(lines) + "\n" if lines else ""
        return f"{self._get_name()}({body})"


def _misassigned(value: Any, what: str, name: str, wanted: str) -> TypeError:
    return TypeError(f"cannot assign '{_typename(value)}' as {what} '{name}' ({wanted})")


def _replace_data(t: Tensor, fn: Callable[[Tensor], Tensor]) -> None:
    old = t.detach()
    new = fn(old)
    if new is not old:
        t.data = new
