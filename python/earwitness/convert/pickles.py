"""A reader of pickles that cannot run anything.

Python's own unpickler calls what a file names, and can be made to allocate far more than the file
holds. This machine knows the two dozen opcodes that tables of tensors are written with, builds
nothing but plain containers, and calls only functions that its caller vouches for. The opcodes'
meaning is documented in the standard library's `pickletools`, which also splits the stream.
"""

from __future__ import annotations

import pickletools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from earwitness.errors import ModelError


@dataclass(frozen=True)
class Function:
    """A function that a pickle may call, by the name the caller resolved."""

    call: Callable[..., Any]


_MARK = object()
_LITERALS = frozenset(
    "BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE".split()  # noqa: SIM905
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Machine:
    def __init__(
        self, find_name: Callable[[str, str], Any], find_object: Callable[[Any], Any]
    ) -> None:
        self._find_name = find_name
        self._find_object = find_object
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def _pop(self, count: int) -> list[Any]:
        if count > len(self._stack):
            raise ModelError("the pickle takes more than it has put down")
        start = len(self._stack) - count
        items = self._stack[start:]
        if any(item is _MARK for item in items):
            raise ModelError("the pickle reaches below a mark")
        del self._stack[start:]
        return items

    def _pop_to_mark(self) -> list[Any]:
        for start in range(len(self._stack) - 1, -1, -1):
            if self._stack[start] is _MARK:
                items = self._stack[start + 1 :]
                del self._stack[start:]
                return items
        raise ModelError("the pickle has no mark")

    def _top(self, kind: type) -> Any:
        if not self._stack or not isinstance(self._stack[-1], kind):
            raise ModelError(f"the pickle expects a {kind.__name__} that is not there")
        return self._stack[-1]

    def _set_items(self, items: list[Any]) -> None:
        table = self._top(dict)
        if len(items) % 2:
            raise ModelError("the pickle has a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Tables of tensors are keyed by names; hashing deep structures can be made to crash.
            if not isinstance(key, (str, int)):
                raise ModelError(f"the pickle has a table keyed by a {type(key).__name__}")
            table[key] = value

    def _call(self) -> None:
        function, arguments = self._pop(2)
        if not isinstance(function, Function) or not isinstance(arguments, tuple):
            raise ModelError("the pickle calls something that is no function")
        try:
            self._stack.append(function.call(*arguments))
        except TypeError as error:
            raise ModelError(f"the pickle calls a function wrongly: {error}") from error

    def _build(self) -> None:
        # PyTorch hangs its own notes on the OrderedDict of a state dict; they are not needed.
        self._pop(1)
        self._top(OrderedDict)

    def _store(self, index: int) -> None:
        self._memo[index] = self._top(object)

    def _name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ModelError("the pickle names something with no text")
        self._stack.append(self._find_name(module, name))

    def step(self, opcode: str, argument: Any) -> None:
        """Carry out one opcode."""
        stack = self._stack
        if opcode in _LITERALS:
            stack.append(argument)
        elif opcode in _CONSTANTS:
            stack.append(_CONSTANTS[opcode])
        elif opcode in _TUPLES:
            stack.append(tuple(self._pop(_TUPLES[opcode])))
        elif opcode in ("BINPUT", "LONG_BINPUT"):
            self._store(argument)
        elif opcode == "MEMOIZE":
            self._store(len(self._memo))
        elif opcode in ("BINGET", "LONG_BINGET"):
            if argument not in self._memo:
                raise ModelError("the pickle recalls what it has not stored")
            stack.append(self._memo[argument])
        else:
            self._step_structure(opcode, argument)

    def _step_structure(self, opcode: str, argument: Any) -> None:
        stack = self._stack
        if opcode == "MARK":
            stack.append(_MARK)
        elif opcode == "TUPLE":
            stack.append(tuple(self._pop_to_mark()))
        elif opcode == "EMPTY_DICT":
            stack.append({})
        elif opcode == "EMPTY_LIST":
            stack.append([])
        elif opcode == "SETITEM":
            self._set_items(self._pop(2))
        elif opcode == "SETITEMS":
            self._set_items(self._pop_to_mark())
        elif opcode == "APPEND":
            items = self._pop(1)
            self._top(list).extend(items)
        elif opcode == "APPENDS":
            items = self._pop_to_mark()
            self._top(list).extend(items)
        elif opcode == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            self._name(module, name)
        elif opcode == "STACK_GLOBAL":
            self._name(*self._pop(2))
        elif opcode == "REDUCE":
            self._call()
        elif opcode == "BUILD":
            self._build()
        elif opcode == "BINPERSID":
            stack.append(self._find_object(self._pop(1)[0]))
        elif opcode not in ("PROTO", "FRAME"):
            raise ModelError(f"the pickle uses {opcode}, which tables of tensors do not need")

    def result(self) -> Any:
        return self._pop(1)[0]


def read_pickle(
    content: bytes, find_name: Callable[[str, str], Any], find_object: Callable[[Any], Any]
) -> Any:
    """The object a pickle describes.

    Args:
        content: the pickle.
        find_name: gives what `module`, `name` stands for: a `Function`, or a value.
        find_object: gives the object behind a persistent id.

    Raises:
        ModelError: the pickle is damaged, or needs more than this reader allows.
    """
    machine = _Machine(find_name, find_object)
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name == "STOP":
                return machine.result()
            machine.step(opcode.name, argument)
    except (ValueError, OverflowError) as error:
        raise ModelError(f"the pickle is damaged: {error}") from error
    raise ModelError("the pickle is cut short")
