"""Values as messages show them."""

from __future__ import annotations

__all__ = ["printable", "shown"]


def printable(text: str, limit: int = 500) -> str:
    """The text on one line, shortened, with control characters escaped: what a terminal can be trusted with.

    >>> printable("web\\x1b[2J")
    'web\\\\x1b[2J'
    """
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def shown(value: object, limit: int = 60) -> str:
    """A value as quoted in a message: text in quotes, YAML's words for the rest, never longer than about ``limit``.

    >>> shown("web1"), shown(True), shown(None), shown({"a": 1})
    ("'web1'", 'true', 'null', 'a mapping')
    """
    if isinstance(value, str):
        return f"'{printable(value, limit)}'"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return printable(str(value), limit)
