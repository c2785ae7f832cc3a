"""What a CEL compiler finds wrong with an expression, in plain words and with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches

from rebalancer.cluster.text import shown
from rebalancer.values import dataclass

__all__ = ["ExpressionError", "explained", "type_word"]


class ExpressionError(ValueError):
    """What is wrong with an expression, and where in it: ``line`` and ``column`` count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        self.line = line
        self.column = column
        super().__init__(message)


_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")


def explained(answer: str, source: str, subject: str, variables: tuple[str, ...]) -> ExpressionError:
    """The compiler's first error. ``subject``: what the expression is about, with its variables."""
    found = _ERROR.search(answer)
    if found is None:
        if "recursion limit" in answer:
            return ExpressionError("the expression is nested too deeply")
        return ExpressionError(answer.removeprefix("INVALID_ARGUMENT: "))
    line, column, message = int(found[1]), int(found[2]), found[3].removesuffix(" [INVALID_ARGUMENT]")
    text = source.split("\n")[line - 1]
    for pattern, words in _WORDS:
        match = re.match(pattern, message)
        if match:
            trouble = _Trouble(match, text[: column - 1], text[column - 1 :], subject, variables)
            said, shift = words(trouble)
            return ExpressionError(said, line, max(column + shift, 1))
    return ExpressionError(message.replace(" (in container '')", ""), line, column)


@dataclass(frozen=True, slots=True)
class _Trouble:
    """``found``: the parts of the compiler's message; ``before``, ``after``: the line around its position."""

    found: re.Match[str]
    before: str
    after: str
    subject: str
    variables: tuple[str, ...]


_Words = Callable[[_Trouble], tuple[str, int]]
"""The message, and by how much its column differs from the compiler's."""

_FUNCTIONS = ("contains", "endsWith", "matches", "size", "startsWith", "all", "exists", "filter", "map")


def _undeclared(trouble: _Trouble) -> tuple[str, int]:
    name = trouble.found[1]
    method = trouble.before.endswith(name) and trouble.after.startswith("(")
    if method or trouble.after.startswith(f"{name}("):
        close = get_close_matches(name, _FUNCTIONS, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        return f"there is no function '{name}'{hint}", -len(name) if method else 0
    dashed = re.search(r"\b(labels|uses|capacity)\.([\w-]+)-\s*$", trouble.before)
    if dashed:
        return f"'{dashed[2]}-{name}' is read as a subtraction; write {dashed[1]}['{dashed[2]}-{name}']", 0
    # The compiler points at the last dot.
    parts = name.rpartition(".")[0]
    shift = -len(parts) if parts and trouble.before.endswith(parts) else 0
    if "." in trouble.variables[0]:
        name = ".".join(name.split(".")[:2])
        whole = [variable for variable in trouble.variables if variable.endswith(f".{name.partition('.')[0]}")]
        if whole:
            return f"there is no variable '{name}'; write {' or '.join(whole)}", shift
    else:
        name = name.partition(".")[0]
    words = f"there is no variable '{name}'"
    close = get_close_matches(name, trouble.variables, n=1)
    if close:
        return f"{words}; did you mean '{close[0]}'?", shift
    if trouble.subject == "host" and not trouble.before.strip() and trouble.after.strip() == name:
        return f"{words}; hosts are given as a list of names, [{name}], or by an expression, name == '{name}'", shift
    return f"{words}; a {trouble.subject} has {', '.join(trouble.variables)}; text stands in quotes: '{name}'", shift


_TYPES = {
    "string": "text",
    "int": "a whole number",
    "uint": "a whole number",
    "double": "a decimal number",
    "bool": "true or false",
    "dyn": "of no fixed type",
    "null": "null",
}


def type_word(name: str) -> str:
    """CEL's name of a type in plain words."""
    if name.startswith("map"):
        return "a mapping"
    return "a list" if name.startswith("list") else _TYPES.get(name, f"of type {name}")


def _no_overload(trouble: _Trouble) -> tuple[str, int]:
    operator = trouble.found[1].replace("@", "").replace("_", " ").strip()
    types = re.findall(r"(?:map|list)\([^()]*(?:\([^()]*\)[^()]*)*\)|\w+", trouble.found[2])
    words = f"'{operator}' cannot be used with {' and '.join(type_word(name) for name in types)}"
    if set(types) == {"double", "int"}:
        words += "; write numbers with a decimal point, e.g. 3.0"
    elif types[:1] == ["map(string, string)"]:
        words += "; write labels.NAME for one label"
    elif types == ["string", "int"]:
        words += "; names and labels are text: put the number in quotes"
    return words, 0


_OPERATORS = {"=": "==", "and": "&&", "or": "||", "not": "!", "&": "&&", "|": "||"}


def _syntax(trouble: _Trouble) -> tuple[str, int]:
    detail = trouble.found[1]
    if detail.startswith("missing '"):
        return f"syntax error: {detail.replace(repr('<EOF>'), 'the end')}", 0
    found = re.search(r"(?:input|at:?) '(.*?)'(?: expecting.*)?$", detail)
    word = found[1] if found else ""
    if word.startswith("<EOF"):
        return "syntax error: the expression ends too early", 0
    if re.search(r"(?:^|\W)not\s+$", trouble.before):
        return f"syntax error: unexpected {shown(word)}; write ! for not", 0
    wrong = "=" if word.startswith("= ") else word.strip()
    if wrong in _OPERATORS:
        return f"syntax error: unexpected '{wrong}'; write {_OPERATORS[wrong]}", 0
    if word.startswith(("'", '"')):
        return "syntax error: a quotation mark is not closed", 0
    return (f"syntax error: unexpected {shown(word)}" if word else f"syntax error: {detail}"), 0


def _not_a_map(trouble: _Trouble) -> tuple[str, int]:
    return f"{type_word(trouble.found[1])} has no parts; a name with a dot is written labels['a.b']", 0


_WORDS: tuple[tuple[str, _Words], ...] = (
    (r"undeclared reference to '([^']*)'", _undeclared),
    (r"found no matching overload for '([^']*)' applied to '\((.*)\)'", _no_overload),
    (r"Syntax error: (.*)", _syntax),
    (r"expression of type '([^']*)' cannot be the operand of a select operation", _not_a_map),
)
