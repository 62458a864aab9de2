"""Conditions on columns, as text: `num_heads > 100 and weather == 'RAIN'`.

A small part of Python's expressions: columns, numbers and texts, compared, and joined by `and`,
`or`, `not`. Nothing is called and nothing else can be named, so that the text may be anybody's.
"""

from __future__ import annotations

import ast
import difflib
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans
from gtahead.errors import UsageError, shortened

_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_IN = (ast.In, ast.NotIn)
_SHOWN = 8
"""How many texts of a column a message shows."""
_REMEDY = "such as \"num_heads > 100 and weather in ('RAIN', 'FOGGY')\""


def holds(
    condition: str, names: Sequence[str], column: Callable[[str], Sequence[Any]], rows: int
) -> Booleans:
    """Return for which rows, (N,), a condition holds.

    A comparison with an unknown value doesn't hold; `column == None` and `column != None` ask for
    unknown values.

    Args:
        condition: as text.
        names: of the columns.
        column: gives a column's N values, None where unknown.
        rows: N.

    Raises:
        UsageError: it isn't a condition, no such column, or a number is compared with a text.

    Example:
        >>> hours = {"hour": [6.5, 12.0, None, 22.0]}
        >>> holds("hour < 7 or hour >= 20", ["hour"], hours.__getitem__, 4).tolist()
        [True, False, False, True]
    """
    parsed = _parsed(condition)
    try:
        found = _Evaluator(condition, names, column).of(parsed)
    except RecursionError as error:
        raise UsageError("a condition of too many parts", value=shortened(condition)) from error
    return np.broadcast_to(found, rows).copy()


def known(name: object, names: Sequence[str]) -> str:
    """Return a column's name, if there is one.

    Raises:
        UsageError: there is none.
    """
    if not isinstance(name, str):
        raise UsageError("columns are named by text", value=name)
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"one of {', '.join(names)}"
        raise UsageError("no such column", value=name, remedy=remedy)
    return name


def values_met(condition: str, names: Sequence[str], column: Callable[[str], Sequence[Any]]) -> str:
    """Return what a condition's columns hold, for those whose condition no row meets.

    Example:
        >>> frames = {"split": ["train", "test"], "hour": [6.5, 22.0]}
        >>> values_met("split == 'val' or hour > 23", [*frames], frames.__getitem__)
        "split is 'test' or 'train'; hour is 6.5 to 22.0"
    """
    named = [node.id for node in ast.walk(_parsed(condition)) if isinstance(node, ast.Name)]
    return "; ".join(
        f"{name} is {_summary(column(known(name, names)))}" for name in dict.fromkeys(named)
    )


def _summary(values: Sequence[Any]) -> str:
    there = sorted({value for value in values if value is not None})
    if not there:
        return "unknown throughout"
    if isinstance(there[0], str):
        more = f" or {len(there) - _SHOWN:,} others" if len(there) > _SHOWN else ""
        return " or ".join(map(repr, there[:_SHOWN])) + more
    return f"{there[0]} to {there[-1]}" if len(there) > 1 else str(there[0])


def _parsed(condition: str) -> ast.expr:
    try:
        return ast.parse(condition.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError("not a condition", value=condition, remedy=_REMEDY) from error


class _Evaluator:
    def __init__(
        self, condition: str, names: Sequence[str], column: Callable[[str], Sequence[Any]]
    ) -> None:
        self._condition, self._names, self._column = condition, names, column

    def _wrong(self, what: str, node: ast.AST) -> UsageError:
        value = ast.get_source_segment(self._condition.strip(), node) or self._condition
        return UsageError(what, value=value, remedy=_REMEDY)

    def of(self, node: ast.expr) -> Booleans:
        """Return the rows for which a part of the condition holds."""
        if isinstance(node, ast.BoolOp):
            join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            found = self.of(node.values[0])
            for value in node.values[1:]:
                found = join(found, self.of(value))
            return found
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return np.logical_not(self.of(node.operand))
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            found = np.ones(1, np.bool_)
            for left, kind, right in zip(sides, node.ops, sides[1:], strict=False):
                found = np.logical_and(found, self._compared(left, kind, right, node))
            return found
        raise self._wrong("not a condition that can be understood", node)

    def _compared(
        self, left: ast.expr, kind: ast.cmpop, right: ast.expr, node: ast.Compare
    ) -> Booleans:
        if isinstance(kind, _IN):
            if not isinstance(right, ast.List | ast.Tuple | ast.Set):
                raise self._wrong("a list has to follow `in`", node)
            wanted = isinstance(kind, ast.In)
            found = np.full(1, not wanted)
            for one in right.elts:
                this = self._pair(left, operator.eq if wanted else operator.ne, one, node)
                found = np.logical_or(found, this) if wanted else np.logical_and(found, this)
            return found
        compare = operator.eq if isinstance(kind, ast.Is) else _COMPARED.get(type(kind))
        compare = operator.ne if isinstance(kind, ast.IsNot) else compare
        if compare is None:
            raise self._wrong("not a comparison that can be understood", node)
        return self._pair(left, compare, right, node)

    def _pair(
        self, left: ast.expr, compare: Callable[[Any, Any], Any], right: ast.expr, node: ast.Compare
    ) -> Booleans:
        a, b = self._values(left), self._values(right)
        unknown = [
            np.array([value is None for value in side.tolist()], np.bool_) for side in (a, b)
        ]
        for side, other in ((left, 1), (right, 0)):
            if isinstance(side, ast.Constant) and side.value is None:
                if compare not in (operator.eq, operator.ne):
                    raise self._wrong("None has no order: ask with == or !=", node)
                found = unknown[other]
                return found if compare is operator.eq else np.logical_not(found)
        kinds = [{type(v) is str for v in side.tolist() if v is not None} for side in (a, b)]
        if len(kinds[0] | kinds[1]) > 1:
            raise self._wrong("a number is compared with a text", node)
        known = np.logical_not(np.logical_or(*unknown))
        a, b, known = np.broadcast_arrays(a, b, known)
        found = np.zeros(len(known), np.bool_)
        found[known] = compare(a[known], b[known]).astype(np.bool_)
        return found

    def _values(self, node: ast.expr) -> npt.NDArray[np.object_]:
        """Return the values of a column, or a constant, (N,) or (1,)."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = node.operand
            if isinstance(inner, ast.Constant) and isinstance(inner.value, int | float):
                return np.array([-inner.value], np.object_)
        if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):
            return np.array([node.value], np.object_)
        if isinstance(node, ast.Name):
            return np.array([*self._column(known(node.id, self._names)), None], np.object_)[:-1]
        raise self._wrong("neither a column, a number nor a text", node)
