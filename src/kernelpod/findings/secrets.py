"""Finds secrets in values: by the names of their keys, and by their forms.

What is about a secret is none: the name of a Secret, the path of a file, the address where tokens are made.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

from kernelpod.findings.yamlfile import Keys, inner_of

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_NAMES_ONE = re.compile(
    r".*(passw(or)?d|passphrase|token|apikey|accesskey|privatekey|credential)s?|.*secret|dockerconfigjson"
)
# Words that name a secret only at the end: DATABASE_PASS, GITHUB_PAT.
_SHORT = frozenset(("pass", "pat", "pw", "pwd"))
_KEYS_OF = frozenset(
    (
        *("access", "account", "api", "app", "auth", "cookie", "crypt", "crypto", "encryption", "hmac", "master"),
        *("private", "secret", "session", "signing", "ssh", "storage"),
    )
)
# A key that begins or ends with such a word is about a secret.
_ABOUT_FIRST = frozenset(
    (
        *("allow", "allowed", "automount", "enable", "enabled", "existing", "has", "is", "no", "num", "publish"),
        *("require", "requires", "use"),
    )
)
_ABOUT_LAST = frozenset(
    (
        *("algorithm", "age", "attr", "attribute", "claim", "class", "count", "dir", "enabled", "endpoint", "env"),
        *("expiration", "expires", "expiry", "field", "file", "files", "folder", "format", "header", "hint", "id"),
        *(
            "ids",
            "in",
            "label",
            "length",
            "lifetime",
            "limit",
            "method",
            "mount",
            "name",
            "names",
            "params",
            "path",
        ),
        *("paths", "policy", "prefix", "provider", "ref", "regex", "required", "scope", "scopes", "seconds"),
        *("secrets", "size", "suffix", "timeout", "ttl", "type", "uri", "url", "urls", "user", "username"),
    )
)
# In these, what a secret is for is its value: c.JupyterHub.api_tokens = {SECRET: USER}.
_BY_SECRET = ("api_tokens", "service_tokens")
_NO_SECRET = re.compile(
    r"|true|false|yes|no|on|off|none|null|str|required|optional"
    r"|\$\{?\w+\}?|\$\([^)]*\)?|\{\{.*\}\}|\{\w*\}|<[^>]*>|%\(?\w*\)?s?"  # filled in later
    r"|(~|\.{0,2})/[\w./@-]*",  # a path
    re.IGNORECASE,
)
_VARIABLES_NAME = re.compile(r"[A-Z]+(_[A-Z]+)+")
_CODE = re.compile(r"^(import \w|from [\w.]+ import |(async )?def \w+\(|class \w+|c\.\w+|@\w+)", re.MULTILINE)
_IN_ANY_TEXT = (
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY|client-key-data\s*:\s*\w|A[KS]IA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}"
        r"|github_pat_\w{22}|glpat-[\w-]{20}|xox[abprs]-[\w-]{10,}|hf_[A-Za-z]{30}|npm_[A-Za-z0-9]{36}"
        r"|AIza[\w-]{35}|(?<![\w-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}"
    ),
    re.compile(r"://[^/\s:@'\"]*:(?P<value>[^/\s@'\"]+)@"),
    re.compile(r"\b(machine\s+\S+|default)\s+((login|account)\s+\S+\s+)*password\s+(?P<value>\S+)"),
    re.compile(r"\b(?i:bearer|basic)\s+(?=\S*\d)(?P<value>[\w+/=.-]{16,})"),
    re.compile(r"\"auth\"\s*:\s*\"(?P<value>[\w+/]{8,}=*)\""),
    re.compile(
        r"(?<![\w.-])(?P<key>[\w.-]+)[\"']?\]?\s*(?:=>|:=|[:=])\s*[bru]?(?P<mark>[\"'])(?P<value>[^\"'\s]+)(?P=mark)"
    ),
)
# In code, what is not quoted is a name or a call.
_IN_OTHER_TEXT = (
    re.compile(
        r"^[ \t]*(?:-[ \t]+)?(?:(?:export|ENV|set)[ \t]+)?[\"']?(?P<key>[\w.-]+)[\"']?[ \t]*[:=][ \t]*"
        r"(?![\w.]+\(|[\[{(|>&*\"'])(?P<value>\S+)[ \t]*(?:#.*)?$",
        re.MULTILINE,
    ),
    re.compile(r"(?<![\w.-])(?P<key>[\w.-]+)=(?P<value>[^\s\"';&,)]{6,})"),
    re.compile(r"(?<!-)--(?P<key>[\w-]+)[ =](?P<value>[^\s-]\S*)"),
)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_RANDOM, _RANDOM_BITS = re.compile(r"[A-Za-z0-9+/=_-]{24,}"), 3.7


def secrets_in(value: Any, keys: Keys = ()) -> Iterator[Keys]:
    """Yield the path of each secret in a value. A text that holds one, such as code, counts as a whole."""
    if _is_secret(keys, value):
        yield keys
        return
    if isinstance(value, list):
        yield from _after_flags(value, keys)
    # A variable may be {name: ..., value: ...}; then its name decides.
    name = str(value.get("name", "")) if isinstance(value, dict) else ""
    for key, inner in inner_of(value):
        if name and key == "value" and _is_secret((name,), inner):
            yield (*keys, key)
        else:
            yield from secrets_in(inner, (*keys, key))


def _after_flags(words: list[Any], keys: Keys) -> Iterator[Keys]:
    """Yield the path of each word of a command that follows a flag for a secret, such as `--token`."""
    for number, (flag, word) in enumerate(pairwise(words), 1):
        texts = isinstance(flag, str) and isinstance(word, str)
        if texts and re.match("--[^=]+$", flag) and word[:1] != "-" and is_secret(flag.strip("-"), word):
            yield (*keys, number)


def is_secret(name: str, value: str) -> bool:
    """Return whether a text is a secret or holds one. `name` is that of its key; empty if it has none."""
    word = value.strip()
    if "\n" not in word and names_secret(name) and _is_literal(word):
        return True
    if _VARIABLE.fullmatch(name) and _RANDOM.fullmatch(word) and not word.startswith("/") and _is_random(word):
        return True
    return _holds_secret(value, code=False)


def names_secret(name: str) -> bool:
    """Return whether a key of this name has a secret as its value."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[0] in _ABOUT_FIRST or words[-1] in _ABOUT_LAST or {"max", "min"} & {*words}:
        return False
    before, last = words[-2] if len(words) > 1 else "", words[-1]
    if last in ("key", "keys") and before in _KEYS_OF:
        return True
    if (before, last) == ("pull", "secret"):  # its name
        return False
    return (last in _SHORT and before not in ("by", "proxy")) or any(map(_NAMES_ONE.fullmatch, words))


def shown(keys: Keys) -> str:
    """Return a path as text, in which a key that is a secret is `...`."""
    before = (None, *keys)
    pairs = zip(before, map(str, keys), strict=False)
    return ".".join("..." if above in _BY_SECRET or _key_holds_secret(key) else key for above, key in pairs)


@lru_cache(maxsize=4096)
def _key_holds_secret(key: str) -> bool:
    return _holds_secret(key)


def _is_secret(keys: Keys, value: Any) -> bool:
    name = str(keys[-1]) if keys and isinstance(keys[-1], str) else ""
    if isinstance(value, dict):
        return name in _BY_SECRET and bool(value)
    if isinstance(value, bytes):
        return _is_secret(keys, value.decode("latin-1"))
    if keys[-2:] in (("CryptKeeper", "keys"), ("manual", "key")) or keys[-2:-1] == ("consumers",):
        name = "secret"
    elif keys[-2:-1] == ("extraConfig",) and isinstance(value, str):  # named as the admin likes
        return _holds_secret(value, code=True)
    if isinstance(value, (list, set)):
        return bool(value) and names_secret(name) and all(_is_secret((name,), one) for one in value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return names_secret(name)
    return isinstance(value, str) and is_secret(name, value)


def _holds_secret(text: str, *, code: bool = False) -> bool:
    """Return whether something in a text has the form of a secret."""
    forms = _IN_ANY_TEXT if code or _CODE.search(text) else (*_IN_ANY_TEXT, *_IN_OTHER_TEXT)
    for form in forms:
        for found in form.finditer(text):
            parts = found.groupdict()
            if names_secret(parts.get("key", "secret")) and _is_literal(parts.get("value", "secret")):
                return True
    return False


def _is_literal(word: str) -> bool:
    """Return whether a word can be a secret itself, and is not where one will be."""
    return not (_NO_SECRET.fullmatch(word) or _VARIABLES_NAME.fullmatch(word))


def _is_random(word: str) -> bool:
    """Return whether a long word looks random: mixed characters and a high entropy in bits per character."""
    kinds = sum(bool(re.search(kind, word)) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    counts = Counter(word).values()
    bits = -sum(count / len(word) * math.log2(count / len(word)) for count in counts)
    return kinds == 3 and bits >= _RANDOM_BITS
