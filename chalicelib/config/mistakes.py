"""What is wrong with a value of the configuration, in the words of TOML instead of Python's: where,
what, and what to write."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

#: What a plain value is called.
WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
}
#: How the bounds of a number are called, by their name in Meta.
BOUNDS: Mapping[str, str] = {"ge": "from", "gt": "above", "le": "to", "multiple_of": "in steps of"}
FIELD = re.compile(r"Object (?P<what>contains unknown|missing required) field `(?P<key>[^`]*)`")
UNQUOTED = re.compile(r"-?\d[\d_]*(\.\d+)?|true|false")
PART = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<place>\d+|\.\.\.)\]")


def every(raw: Any, kind: Any) -> Iterator[tuple[str, str]]:
    """Yield where each mistake of a value is, and what is wrong there.

    A value as a whole is looked at when its parts are right.
    """
    mistakes = list(_of_parts(raw, _plain(kind)))
    yield from mistakes
    if not mistakes:
        try:
            msgspec.convert(raw, kind)
        except msgspec.ValidationError as error:
            yield describe(error, raw, kind)


def _of_parts(raw: Any, base: Any) -> Iterator[tuple[str, str]]:
    if isinstance(raw, list) and Ellipsis in get_args(base):
        inner = get_args(base)[0]
        for i, value in enumerate(raw):
            yield from ((f"[{i}]{at}", message) for at, message in every(value, inner))
    if isinstance(raw, dict) and isinstance(base, type) and issubclass(base, msgspec.Struct):
        hints = get_type_hints(base, include_extras=True)
        for key in raw.keys() - hints.keys():
            yield f".{key}", f"unknown key{nearest(key, hints)}"
        for field in msgspec.structs.fields(base):
            key, hint = field.encode_name, hints[field.encode_name]
            if key in raw:
                yield from ((f".{key}{at}", message) for at, message in every(raw[key], hint))
            elif field.required:
                yield f".{key}", _missing(hint)


def describe(error: msgspec.ValidationError, raw: Any, kind: Any) -> tuple[str, str]:
    """Return where in `raw` the mistake is, such as `[0].between`, and what is wrong there.

    kind: the type that `raw` should have. A text that has a pattern is not repeated, because it may
    be an address that is a secret.
    """
    message, _, at = str(error).partition(" - at `$")
    at = at.rstrip("`")
    value, hint = _locate(raw, kind, at)
    field = FIELD.fullmatch(message)
    if field:
        hints = get_type_hints(_plain(hint), include_extras=True)
        key = field["key"]
        if field["what"] == "missing required":
            return f"{at}.{key}", _missing(hints[key])
        return f"{at}.{key}", f"unknown key{nearest(key, hints)}"
    if message.startswith(("Expected", "Invalid enum value")):
        return at, f"expected {_expected(hint)}{_got(value, hint)}"
    return at, message[:1].lower() + message[1:]  # our own words, from a __post_init__


def _missing(hint: Any) -> str:
    return f"missing; it must be {_expected(hint)}"


def nearest(given: str, known: Collection[str]) -> str:
    """Return a question that suggests the most similar known word, or an empty text."""
    near = get_close_matches(given, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near and given not in known else ""


def _locate(raw: Any, kind: Any, at: str) -> tuple[Any, Any]:
    """Return the value and the type at a path.

    msgspec writes `[...]` for a value of a table that may have any keys.
    """
    for part in PART.finditer(at):
        base = _plain(kind)
        if part["key"]:
            raw, kind = raw[part["key"]], get_type_hints(base, include_extras=True)[part["key"]]
        elif part["place"] == "...":
            kind = get_args(base)[-1]
            raw = next(value for value in raw.values() if not isinstance(value, _plain(kind)))
        else:
            place, inner = int(part["place"]), get_args(base)
            raw, kind = raw[place], inner[0] if Ellipsis in inner else inner[place]
    return raw, kind


def _plain(hint: Any) -> Any:
    """Return the type without its annotations, and without None if the value is optional."""
    if get_origin(hint) is Annotated:
        return _plain(get_args(hint)[0])
    if type(None) in get_args(hint):
        return _plain(next(part for part in get_args(hint) if part is not type(None)))
    return hint


def _metas(hint: Any) -> list[Meta]:
    return [part for part in get_args(hint) if isinstance(part, Meta)]


def _expected(hint: Any) -> str:
    """Return what a value has to be."""
    metas = _metas(hint)
    is_not_empty = any(meta.min_length for meta in metas)
    return _kind(_plain(hint), metas) + (" that is not empty" if is_not_empty else "")


def _kind(base: Any, metas: Collection[Meta]) -> str:
    if get_origin(base) is Literal:
        return f"one of {', '.join(map(str, get_args(base)))}"
    if get_origin(base) is tuple:
        return _list(base)
    if base not in WORDS:
        return f"a table{_sample(base)}"
    example = next((f" such as {meta.examples[0]}" for meta in metas if meta.examples), "")
    words = [WORDS[base] if base is bool else f"a {WORDS[base]}"]
    for meta in metas:
        bounds = [(word, getattr(meta, name)) for name, word in BOUNDS.items()]
        words += [
            f"{word} {bound:g}" if isinstance(bound, float) else f"{word} {bound}"
            for word, bound in bounds
            if bound is not None
        ]
    return " ".join(words) + example


def _list(base: Any) -> str:
    inner = get_args(base)
    if Ellipsis not in inner:
        return f"a list of {len(inner)}"
    sample = _sample(_plain(inner[0])).removeprefix(", ")
    return f"a list of tables, [{sample}]" if sample else "a list"


def _sample(base: Any) -> str:
    """Return an example of a table in braces, with the keys that it must have."""
    if not (isinstance(base, type) and issubclass(base, msgspec.Struct)):
        return ""
    needed = [field.encode_name for field in msgspec.structs.fields(base) if field.required]
    return f", {{ {', '.join(f'{key} = …' for key in [*needed, '…'])} }}".replace("… = …", "…")


def _got(value: Any, hint: Any) -> str:
    """Return the value that the file has, and what to write if that is clear."""
    if any(meta.pattern for meta in _metas(hint)) and isinstance(value, str):
        return ""
    shown = "a table" if isinstance(value, dict) else _json(value)
    return f", got {shown}{_advice(value, _plain(hint))}"


def _json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _advice(value: Any, base: Any) -> str:
    if get_origin(base) is tuple and isinstance(value, dict):
        return "; put it in brackets, or write [[…]] instead of […] above it"
    if not isinstance(value, str):
        return ""
    if get_origin(base) is Literal:
        return nearest(value, get_args(base))
    if get_origin(base) is tuple:
        return "" if _list(base).startswith("a list of") else f"; write [{_json(value)}]"
    is_quoted = base in (int, float, bool) and UNQUOTED.fullmatch(value)
    return "; write it without quotation marks" if is_quoted else ""
