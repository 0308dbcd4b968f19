"""The functions that the chart's templates call, as Helm has them: Go's, sprig's and Helm's own.

Source: https://helm.sh/docs/chart_template_guide/function_list/
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import yaml

from kernelpod.base import yamltext
from kernelpod.deploy.withouthelm.template import TemplateError

_VERB = re.compile(r"%(?P<flags>0?\d*)(?P<verb>[sdvqb%])")
_WIDTH = 1_000_000
# Characters that YAML does not take as they are, or takes for the end of a line.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")


def text_of(value: Any) -> str:
    """Return a value as it is printed. Raises TemplateError for lists and objects, which Go prints in its way."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    raise TemplateError(f"{value!r} cannot be printed")


def _quoted(value: Any) -> str:
    text = json.dumps(text_of(value), ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _printf(form: str, *values: Any) -> str:
    left = list(values)

    def part(found: re.Match[str]) -> str:
        verb, flags = found["verb"], found["flags"]
        if verb == "%":
            return "%"
        value = left.pop(0)
        if verb == "q":
            return _quoted(value)
        return format(value, f"{flags}{verb}") if verb in "db" else text_of(value)

    return _VERB.sub(part, form)


def _fail(message: str) -> None:
    raise TemplateError(message)


def _int(value: Any) -> int:
    """Return a number, or 0 for a text that is none; a text may say its base, as in 0xff."""
    try:
        return int(value, 0) if isinstance(value, str) and not value.isdecimal() else int(value or 0)
    except ValueError:
        return 0


def _equal(first: Any, *others: Any) -> bool:
    return any(first == other for other in others)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else value[key]
    return value


def _has(wanted: Any, among: list[Any] | None) -> bool:
    return wanted in (among or [])


def _set(target: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    target[key] = value
    return target


def _dig(*words: Any) -> Any:
    *keys, missing, value = words
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return missing
        value = value[key]
    return value


def _merge(target: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    """Add to `target` what it lacks or has empty."""
    for other in others:
        for key, value in other.items():
            if isinstance(target.get(key), dict) and isinstance(value, dict):
                _merge(target[key], value)
            elif not target.get(key) and value is not None:
                target[key] = copy.deepcopy(value)
    return target


def _uniq(values: list[Any]) -> list[Any]:
    return [value for number, value in enumerate(values) if value not in values[:number]]


def _url(text: str) -> dict[str, str]:
    parts = urlsplit(text)
    return {"scheme": parts.scheme, "host": parts.netloc, "path": parts.path}


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group() if found else ""


def _yaml(value: Any) -> str:
    return yamltext.dump(_sorted(value), width=_WIDTH).rstrip("\n") if value != "" else '""'


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def _read_yaml(text: str) -> Any:
    return yaml.safe_load(text) or {}


def _nindent(spaces: int, text: str) -> str:
    before = " " * spaces
    return "\n" + "\n".join(before + line for line in text.split("\n"))


def _dict(*words: Any) -> dict[str, Any]:
    return dict(zip(words[::2], words[1::2], strict=True))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": lambda *values: sum(map(_int, values)),
    "append": lambda values, value: [*(values or []), value],
    "b64enc": lambda text: base64.b64encode(text.encode()).decode(),
    "compact": lambda values: [value for value in values if value],
    "concat": lambda *lists: [value for one in lists for value in one or []],
    "contains": lambda part, text: part in text,
    "deepCopy": copy.deepcopy,
    "default": lambda missing, value=None: value or missing,
    "dict": _dict,
    "dig": _dig,
    "empty": lambda value: not value,
    "eq": _equal,
    "fail": _fail,
    "first": lambda values: values[0] if values else None,
    "fromJson": json.loads,
    "fromJsonArray": json.loads,
    "fromYaml": _read_yaml,
    "get": lambda values, key: values.get(key, ""),
    "gt": lambda first, second: first > second,
    "has": _has,
    "hasKey": lambda values, key: key in values,
    "hasPrefix": lambda part, text: text.startswith(part),
    "hasSuffix": lambda part, text: text.endswith(part),
    "index": _index,
    "initial": lambda values: values[:-1],
    "int": _int,
    "int64": _int,
    "keys": list,
    "last": lambda values: values[-1] if values else None,
    "len": len,
    "list": lambda *values: list(values),
    "max": lambda *values: max(map(_int, values)),
    "merge": _merge,
    "ne": lambda first, second: first != second,
    "nindent": _nindent,
    "not": lambda value: not value,
    "prepend": lambda values, value: [value, *(values or [])],
    "print": lambda *values: "".join(map(text_of, values)),
    "printf": _printf,
    "quote": _quoted,
    "regexFind": _found,
    "regexMatch": lambda pattern, text: bool(_found(pattern, text) or re.search(pattern, text)),
    "replace": lambda old, new, text: text.replace(old, new),
    "set": _set,
    "sha256sum": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "sortAlpha": sorted,
    "splitList": lambda mark, text: text.split(mark),
    "sub": lambda first, second: _int(first) - _int(second),
    "ternary": lambda yes, no, which: yes if which else no,
    "toJson": lambda value: json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
    "toYaml": _yaml,
    "trimSuffix": lambda part, text: text.removesuffix(part),
    "trunc": lambda length, text: text[:length],
    "uniq": _uniq,
    "until": lambda number: list(range(number)),
    "urlParse": _url,
}
