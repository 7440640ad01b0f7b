"""What people hold, as NumPy arrays: tensors, tables, masked and object arrays and lists of them; or one sentence.

Nothing here imports a library that NumPy does not: tensors and tables are known by what they can do.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from numbers import Number, Real
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError

_SCALARS = (Number, Decimal, np.generic, str, bytes, type(None))
_REAL = (Real, Decimal, np.bool_)
_WORDS = 60  # of a value that an error message quotes


class NotNumbersError(InputError, TypeError):
    """An array that holds something else than numbers (also a TypeError, as in scikit-learn)."""


def held_array(x: Any) -> Any:
    """Return the array of an object that holds one under the name `array`, as `Embeddings` does, or `x` itself.

    What converts itself is left alone: the `array` of a pandas column is that library's own.

    Raises:
        InputError: a mapping of layers, as `EmbeddingCache` is.

    Example:
        >>> held_array([1, 2])
        [1, 2]
    """
    if isinstance(x, Mapping) and hasattr(x, "array"):
        raise InputError(
            f"the rows of one layer are needed, got a cache of {len(x)}; take one, as cache[{next(iter(x), 'layer')!r}]"
        )
    return x.array if hasattr(x, "array") and not hasattr(x, "__array__") else x


def to_numpy(x: Any, name: str = "x") -> NDArray[Any]:
    """Return `x` as a plain NumPy array of any shape in native byte order, without a copy where it is one already.

    Args:
        x: An array, nested sequence, memory map, tensor on any device (with or without a gradient), pandas, Polars or
            Arrow table or column (of numbers, or of one vector a row), an object whose `array` is one, or a list of
            these.
        name: What the caller calls the argument; the error messages use it.

    Returns:
        The array; bfloat16 and 8-bit floats as float32, which holds them exactly.

    Raises:
        InputError: `x` is masked anywhere, sparse, quantized, structured, ragged, without values, or no array.

    Example:
        >>> to_numpy(np.ma.masked_array([1.0, 2.0], mask=[False, False]))
        array([1., 2.])
    """
    x = held_array(x)
    _refuse_what_is_no_array(x, name)
    if hasattr(x, "detach"):
        array = _from_tensor(x, name)
    else:
        array = _read(_plain(x, name) if isinstance(x, list | tuple) else _unmasked(x, name), name)
    if array.dtype == np.dtype(object) and array.ndim == 1 and any(not isinstance(item, _SCALARS) for item in array):
        array = _read(_plain(array.tolist(), name), name)  # a column of vectors
    if array.dtype.names is not None:
        raise InputError(
            f"{name} must be a plain array, got a structured one with the fields {', '.join(array.dtype.names)};"
            " numpy.lib.recfunctions.structured_to_unstructured makes columns of them"
        )
    if array.dtype.isbuiltin == 2:  # a dtype that another library registered, such as bfloat16
        return array.astype(np.float32)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def as_real(array: NDArray[Any], name: str) -> NDArray[np.floating]:
    """Return an array as float16, float32 or float64; integers, booleans, objects and longer floats become float64.

    Raises:
        NotNumbersError: an entry of an object array is no real number (the message names its place).
        InputError: the dtype is not one of real numbers.

    Example:
        >>> as_real(np.array([[1, 2]], dtype=object), "x")
        array([[1., 2.]])
    """
    if array.dtype in (np.float16, np.float32, np.float64):
        return array
    if array.dtype == np.dtype(object):
        _refuse_other_objects(array, name)
    elif array.dtype.kind not in "biuf":
        hint = "give its real part or magnitude" if array.dtype.kind == "c" else "convert it to float32 or float64"
        raise InputError(f"{name} must be real numbers, got dtype {array.dtype}; {hint}")
    with np.errstate(over="ignore"):  # what does not fit becomes inf, which is refused with its place
        return array.astype(np.float64)


def _refuse_what_is_no_array(x: Any, name: str) -> None:
    if hasattr(x, "todense"):  # first, since some formats are mappings too
        raise InputError(f"{name} must be a dense array, got a sparse one; convert it with toarray()")
    if isinstance(x, Mapping):
        keys = ", ".join(str(key) for key in list(x)[:10]) or "(none)"
        raise InputError(f"{name} must be an array, got a mapping with the keys {keys}; give one of its values")
    if isinstance(x, str | bytes | PathLike):
        raise InputError(f"{name} must be an array, got {_quoted(x)}; load the file first")
    if x is None or isinstance(x, set | frozenset | Iterator):
        hint = "; join its blocks with numpy.concatenate(list(...))" if isinstance(x, Iterator) else ""
        raise InputError(f"{name} must be an array, got {'None' if x is None else 'a ' + type(x).__name__}{hint}")


def _from_tensor(x: Any, name: str) -> NDArray[Any]:
    """A torch tensor, without importing torch."""
    if getattr(x, "is_nested", False):
        raise InputError(f"{name} must have rows of one length, got a nested tensor; pad or pool them")
    if str(getattr(x, "layout", "torch.strided")) != "torch.strided":
        raise InputError(f"{name} must be a dense tensor, got a sparse one; convert it with to_dense()")
    if getattr(x, "is_meta", False):
        raise InputError(f"{name} must hold values, got a tensor on the meta device, which has none")
    if getattr(x, "is_quantized", False):
        raise InputError(f"{name} must not be quantized, got {x.dtype}; convert it with dequantize()")
    if hasattr(x, "get_mask"):
        return _read(
            _unmasked(np.ma.masked_array(_numpy_of(x.get_data(), name), ~_numpy_of(x.get_mask(), name)), name), name
        )
    return _numpy_of(x, name)


def _numpy_of(x: Any, name: str) -> NDArray[Any]:
    x = x.detach().cpu()
    if hasattr(x, "resolve_neg"):
        x = x.resolve_conj().resolve_neg()
    if str(x.dtype).startswith(("torch.bfloat16", "torch.float8")):  # NumPy has no such dtype
        x = x.float()
    return _read(x, name)


def _unmasked(x: Any, name: str) -> Any:
    if not isinstance(x, np.ma.MaskedArray):
        return x
    if masked := int(np.ma.count_masked(x)):  # type: ignore[no-untyped-call]
        raise InputError(f"{name} must have a value everywhere, got {masked} masked; drop those rows or fill them")
    return np.ma.getdata(x)


def _plain(items: Sequence[Any], name: str) -> Sequence[Any]:
    """A list whose members NumPy reads as they are meant: tensors and masked rows, for instance, it does not."""
    if all(issubclass(kind, _SCALARS) for kind in set(map(type, items))):
        return items
    return [
        _plain(item, f"{name}[{i}]")
        if isinstance(item, list | tuple)
        else item
        if isinstance(item, _SCALARS)
        else to_numpy(item, f"{name}[{i}]")
        for i, item in enumerate(items)
    ]


def _read(x: Any, name: str) -> NDArray[Any]:
    try:
        return np.asarray(x)
    except Exception as error:  # whatever another library's conversion raises
        if isinstance(error, ValueError) and "inhomogeneous" in str(error):
            raise InputError(
                f"{name} must be an (n, d) array, got a ragged sequence; give rows of one length"
            ) from error
        raise InputError(f"{name} must be an array, got a {type(x).__name__} that is none: {error}") from error


def _refuse_other_objects(array: NDArray[Any], name: str) -> None:
    if all(issubclass(kind, _REAL) for kind in set(map(type, array.flat))):
        return
    other = np.array([not isinstance(item, _REAL) for item in array.flat]).reshape(array.shape)
    where = tuple(int(i) for i in np.argwhere(other)[0]) if array.ndim else ()
    place = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column", "axis 2 at"), where, strict=False))
    raise NotNumbersError(
        f"{name} must be real numbers, got {_quoted(array[where])} at {place} ({int(other.sum())} such values);"
        " drop or convert them"
        if where
        else f"{name} must be an array of numbers, got a {type(array.item()).__name__}"
    )


def _quoted(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= _WORDS else words[:_WORDS] + "..."
