"""
A short hash of what a task runs: the same in every process, another one when its code is another.

Of a function it is the compiled code that counts, so that comments, blank lines, the words of a docstring
and whatever else stands in its file change nothing. Functions of the user's own that it calls by name count as well;
what it reaches through a module or an object does not. Another minor version of Python compiles to other
code and so makes another hash.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType, MethodType
from typing import Any

_LENGTH = 16
# A task that reaches more functions of the user's is told by these.
_MOST_FUNCTIONS = 200
_DEEPEST = 6


def code_hash(function: Callable[..., Any] | None, *fields: object) -> str | None:
    """
    Hash of a callable and of what it is given.

    Args:
        function: What runs; a function, method, partial or a callable object, also decorated.
        *fields: Texts, figures and collections of these that belong to it, such as a query. Of anything
            else only the class counts, for its text may hold an address in memory.

    Returns:
        16 hexadecimal digits; ``None`` if there is neither code in Python nor a field.

    >>> code_hash(None) is None
    True
    >>> code_hash(None, "SELECT 1") == code_hash(None, "SELECT 1") != code_hash(None, "SELECT 2")
    True
    """
    plain = _function(function)
    if plain is None and not any(field is not None for field in fields):
        return None
    digest = hashlib.sha256()
    if plain is not None:
        for each in _reached(plain):
            digest.update(repr(_of_function(each)).encode())
    for field in fields:
        digest.update(repr(_of_value(field)).encode())
    return digest.hexdigest()[:_LENGTH]


def _function(thing: Any) -> FunctionType | None:
    """The function behind methods, partials, decorators that say so, and callable objects."""
    for _ in range(_DEEPEST):
        if isinstance(thing, functools.partial):
            thing = thing.func
        elif isinstance(thing, MethodType):
            thing = thing.__func__
        elif (wrapped := getattr(thing, "__wrapped__", None)) is not None:
            thing = wrapped
        elif isinstance(thing, FunctionType):
            return thing
        else:
            thing = getattr(type(thing), "__call__", None)  # noqa: B004 -- its function is wanted
    return None


def _reached(first: FunctionType) -> Iterator[FunctionType]:
    """A function, and those of the user's that it reaches by name, each once."""
    found: dict[CodeType, FunctionType] = {first.__code__: first}
    for each in _growing(found):
        for name in _names(each.__code__):
            called = _function(each.__globals__.get(name))
            if called is not None and _is_users(called) and len(found) < _MOST_FUNCTIONS:
                found.setdefault(called.__code__, called)
        yield each


def _growing(found: Mapping[CodeType, FunctionType]) -> Iterator[FunctionType]:
    """The values of a dictionary that gets more while one looks."""
    done = 0
    while done < len(found):
        yield list(found.values())[done]
        done += 1


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_users(function: FunctionType) -> bool:
    """Neither of the standard library nor installed: another version of these is another image."""
    return not function.__code__.co_filename.startswith(_installed())


@functools.cache
def _installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return ("<frozen", *sorted(folders))


def _of_function(function: FunctionType) -> tuple[object, ...]:
    defaults = function.__defaults__ or (), sorted((function.__kwdefaults__ or {}).items())
    return _of_code(function.__code__, function.__doc__), _of_value(defaults)


def _of_code(code: CodeType, docstring: str | None = None) -> tuple[object, ...]:
    constants = code.co_consts
    if docstring is not None and constants[:1] == (docstring,):
        constants = constants[1:]
        # Instructions name constants by their place, so that the place must not be lost.
        constants = (None, *constants)
    return (
        sys.version_info[:2],
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        tuple(_of_value(constant) for constant in constants),
    )


def _of_value(value: object, depth: int = 0) -> object:
    if isinstance(value, CodeType):
        return _of_code(value)
    if value is None or isinstance(value, (str, bytes, int, float, complex)):
        return value
    if depth < _DEEPEST:
        if isinstance(value, (list, tuple)):
            return [_of_value(each, depth + 1) for each in value]
        # Neither sets nor, across files, dictionaries keep an order.
        if isinstance(value, (set, frozenset)):
            return ["set", *sorted(repr(_of_value(each, depth + 1)) for each in value)]
        if isinstance(value, Mapping):
            items = ((str(k), repr(_of_value(v, depth + 1))) for k, v in value.items())
            return ["mapping", *sorted(items)]
    return f"a {type(value).__module__}.{type(value).__qualname__}"
