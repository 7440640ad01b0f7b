"""One digest of all that decides what a network computes: weights, the state beside them, hooks and code."""

import functools
import hashlib
import io
import os
import random
import re
import sys
from argparse import Namespace
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

# What is defined under these folders is known by its name; the provenance has the versions.
_BASE = tuple(str(Path(str(module.__file__)).parent) + os.sep for module in (torch, np, os))
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), torch.dtype, torch.device, Path, range)
_OF_MODULES = frozenset(vars(nn.Module()))
_HOOKS = {
    "_forward_pre_hooks": "_forward_pre_hooks_with_kwargs",
    "_forward_hooks": "_forward_hooks_with_kwargs",
}
_COUNTER = "num_batches_tracked"  # of batches seen in training; no output depends on it in evaluation mode
_INSTALLED = "site-packages"
_HEAP_TYPE = 1 << 9  # made by Python code
_MISSING = object()


def network_digest(network: nn.Module) -> str:
    """Return the SHA-256 (hex) of what decides a network's output, the same in every process.

    Covered are the modules by name, their weights, buffers (persistent or not), attributes of any type, mode, hooks and
    a `forward` put on an instance; the code of their classes and of every function and object among the attributes,
    with defaults, what a closure holds, and in a user's own files the global numbers, texts, tensors and functions
    that the code names and the environment variables that it spells out. Of torch, numpy and the standard library the
    names count. Lists and dicts that a function holds from outside do not, since hooks collect in them what they see.

    No digest can cover all code (a file read in `forward`, a global dict); caches are therefore also compared by rows.
    """
    return _Digests()(network).hex()


class _Digests:
    """Digests of values by content; what was described once is not described again."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[bytes, Any]] = {}  # the value is kept, so that its id stays its own
        self._open: set[int] = set()

    def __call__(self, value: Any) -> bytes:
        key = id(value)
        if isinstance(value, _PLAIN) or key not in self._done:
            if key in self._open:
                return b"(contains itself)"
            self._open.add(key)
            sha = hashlib.sha256(type(value).__qualname__.encode())
            for part in self._parts(value):
                sha.update(
                    hashlib.sha256(part.encode(errors="surrogatepass") if isinstance(part, str) else part).digest()
                )
            self._open.discard(key)
            self._done[key] = sha.digest(), value
        return self._done[key][0]

    def _parts(self, value: Any) -> Iterator[str | bytes | memoryview]:
        if isinstance(value, _PLAIN) and not isinstance(value, Enum):
            yield repr(value)
        elif isinstance(value, torch.Tensor):
            yield from _tensor(value)
        elif isinstance(value, nn.Module):
            yield from self._module(value)
        elif isinstance(value, Mapping):
            yield from (digest for pair in list(value.items()) for digest in map(self, pair))
        elif isinstance(value, AbstractSet):
            yield from sorted(map(self, value))
        elif isinstance(value, list | tuple | deque):
            yield from map(self, value)
        elif isinstance(value, np.ndarray | np.generic):
            yield from self._array(np.asarray(value))
        elif isinstance(value, type):
            yield from self._class(value)
        elif (inside := _wrapped(value)) is not None:
            yield from map(self, inside)
        elif isinstance(value, FunctionType):
            yield from self._function(value)
        else:
            yield from self._object(value)

    def _array(self, array: np.ndarray[Any, Any]) -> Iterator[str | bytes]:
        yield f"{array.dtype} {array.shape}"
        yield self(array.tolist()) if array.dtype.hasobject else array.tobytes()

    def _module(self, module: nn.Module) -> Iterator[bytes | memoryview | str]:
        if "_orig_mod" in module._modules:  # of torch.compile, which computes the same
            yield self(module._orig_mod)
            return
        yield f"training {module.training}"
        if isinstance(module, torch.jit.ScriptModule):
            yield from self._script(module)
            return
        yield self(type(module))
        for kind in (module._parameters, module._buffers, module._modules):
            yield from (self((name, value)) for name, value in kind.items() if name != _COUNTER)
        for hooks, named in _HOOKS.items():
            with_kwargs = getattr(module, named)
            yield from (self((hooks, hook, key in with_kwargs)) for key, hook in getattr(module, hooks).items())
        yield from (self((name, value)) for name, value in vars(module).items() if name not in _OF_MODULES)

    def _script(self, module: torch.jit.ScriptModule) -> Iterator[bytes | str]:
        """The code of a module in TorchScript, and of what it names of itself the values."""
        code = str(module.code)
        yield re.sub(r"___torch_mangle_\d+", "", code)
        names = sorted(set(re.findall(r"\bself\.(\w+)", code)))
        yield from (self((name, getattr(module, name, None))) for name in names)

    def _class(self, kind: type) -> Iterator[bytes | str]:
        yield f"{kind.__module__ if _is_base(kind) else ''} {kind.__qualname__}"
        for ancestor in kind.__mro__[:-1]:
            base = _is_base(ancestor)
            yield ancestor.__qualname__
            for name, value in list(vars(ancestor).items()):
                function = getattr(value, "__func__", value)
                if isinstance(function, FunctionType | property | functools.cached_property):
                    if not (base and _is_base(function)):  # somebody may have patched a class of the library
                        yield self((name, value))
                elif not base and not name.startswith(("__", "_abc_")) and _holds_data(value):
                    yield self((name, value))

    def _function(self, function: FunctionType) -> Iterator[bytes | str]:
        cells = (_content(cell) for cell in function.__closure__ or ())
        yield from (self(value) for value in cells if _is_fixed(value))
        if _is_base(function):  # such as the wrapper of torch.no_grad()
            yield f"{function.__module__}.{function.__qualname__}"
            return
        yield self._code(function.__code__)
        yield self((function.__defaults__, function.__kwdefaults__))
        if _INSTALLED not in function.__code__.co_filename:
            yield from self._outside(function)

    def _code(self, code: CodeType) -> bytes:
        """The instructions without line numbers and file names: moving a function changes nothing."""
        constants = [self._code(c) if isinstance(c, CodeType) else c for c in code.co_consts]
        return self((code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants))

    def _outside(self, function: FunctionType) -> Iterator[bytes]:
        """The globals that the code of a function names, and the environment variables that it spells out."""
        for code in _nested(function.__code__):
            for name in code.co_names:
                value = function.__globals__.get(name, _MISSING)
                if _is_fixed(value):
                    yield self((name, value))
            if {"environ", "getenv"} & set(code.co_names):
                texts = [c for c in code.co_consts if isinstance(c, str) and "=" not in c and "\0" not in c]
                yield self([(text, os.environ.get(text)) for text in texts])

    def _object(self, value: Any) -> Iterator[bytes | str]:
        if isinstance(value, torch.Generator):
            yield self(value.get_state())
        elif isinstance(value, np.random.Generator | np.random.RandomState):
            yield repr(value.bit_generator.state if isinstance(value, np.random.Generator) else value.get_state())
        elif isinstance(value, random.Random):
            yield repr(value.getstate())
        elif isinstance(value, torch.jit.ScriptFunction | torch._C.ScriptMethod):
            yield str(getattr(value, "code", ""))
        elif isinstance(value, ModuleType):
            yield value.__name__
        elif _is_base(type(value)) and not isinstance(value, SimpleNamespace | Namespace):
            yield re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
        else:
            yield self(type(value))
            slots = [name for kind in type(value).__mro__ for name in _slots(kind) if hasattr(value, name)]
            yield self({name: getattr(value, name) for name in slots})
            yield self(getattr(value, "__dict__", {}))


def _tensor(tensor: torch.Tensor) -> Iterator[str | bytes | memoryview]:
    yield f"{tensor.dtype} {tuple(tensor.shape)}"
    value = tensor.detach().cpu()
    if value.layout is torch.strided and not value.is_quantized and not value.is_meta:
        value = value.resolve_conj().resolve_neg().contiguous().flatten()
        yield value.view(torch.uint8).numpy().data if value.numel() else b""
    else:
        buffer = io.BytesIO()
        torch.save(value, buffer)
        yield buffer.getvalue()


def _wrapped(value: Any) -> tuple[Any, ...] | None:
    """What a wrapper of functions holds; None for what is no wrapper."""
    if isinstance(value, functools.partial):
        return value.func, value.args, value.keywords
    if isinstance(value, MethodType):
        return value.__func__, value.__self__
    if isinstance(value, staticmethod | classmethod):
        return (value.__func__,)
    if isinstance(value, property):
        return value.fget, value.fset
    if isinstance(value, functools.cached_property):
        return (value.func,)
    if isinstance(value, functools._lru_cache_wrapper):
        return (value.__wrapped__,)
    return None


def _is_base(value: Any) -> bool:
    """Whether a class, function or property is of torch, numpy or the standard library, by the file it is from."""
    if isinstance(value, property | functools.cached_property):
        value = value.fget if isinstance(value, property) else value.func
    if isinstance(value, FunctionType):
        return _in_base(value.__code__.co_filename)
    module = sys.modules.get(getattr(value, "__module__", None) or "")
    if module is None or module.__name__ in sys.builtin_module_names:
        return not value.__flags__ & _HEAP_TYPE  # a class of `exec` says that it is of builtins
    return _in_base(getattr(module, "__file__", None) or "")


def _in_base(file: str) -> bool:
    if file.startswith("<frozen"):
        return True
    return file.startswith(_BASE[:2]) or (file.startswith(_BASE[2]) and _INSTALLED not in file)


def _is_fixed(value: Any) -> bool:
    """Whether a function that holds the value from outside can be known by it: no list or dict, which it may fill."""
    if isinstance(value, tuple | frozenset):
        return all(map(_is_fixed, value))
    known = (*_PLAIN, torch.Tensor, np.ndarray, np.generic, FunctionType, BuiltinFunctionType, MethodType, type)
    return isinstance(value, (*known, functools.partial, nn.Module, Enum))


def _holds_data(value: Any) -> bool:
    return _is_fixed(value) or isinstance(value, list | dict | set)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that was never bound
        return _MISSING


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _slots(kind: type) -> Iterable[str]:
    slots = vars(kind).get("__slots__", ())
    return [name for name in ((slots,) if isinstance(slots, str) else slots) if name not in ("__dict__", "__weakref__")]
