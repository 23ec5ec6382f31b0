"""Keep secrets out of what is attached to a kit: anyone who can pull the kit can read it, and it stays.

Two rules. In any text, what stands before the ``@`` of a URL goes, so do query values and fragments whose names sound
secret, and what looks like a well-known kind of token or a private key. In parameters, a value whose name sounds
secret goes as a whole. Names are judged by their words, so that ``pad_token`` and ``max_tokens``, which language models
have, stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"

_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s?#]*@")
_PAIR = re.compile(r"([?&#;])([^=&#;\s\"'<>]+)=([^&#;\s\"'<>]*)")
_TOKENS = re.compile(
    r"\b(?:gh[opsur]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|hf_\w{16,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}"
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+)"  # the last is a JSON web token
    r"|(?i:\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_SECRET = frozenset(["passcode", "pwd", "credential", "credentials", "authorization"])
_SECRET_ENDINGS = ("password", "passwd", "passphrase", "secret", "apikey", "accesskey", "secretkey", "authtoken")
_SIGNATURES = frozenset(["sig", "signature"])  # of a presigned URL; a model's signature is no secret
_SECRET_KEYS = frozenset(["api", "access", "account", "private", "secret", "signing", "encryption", "auth", "ssh"])
_VOCABULARY = frozenset(  # "pad_token" is a word of a tokenizer, "max_tokens" a count
    ["bos", "eos", "pad", "unk", "mask", "sep", "cls", "special", "start", "end", "image", "stop", "num", "max", "min"]
)


def redact_text(text: str) -> str:
    """``text`` without credentials in URLs, well-known tokens and private keys."""
    text = _USERINFO.sub(r"\1", text)
    text = _PAIR.sub(lambda m: f"{m[1]}{m[2]}={HIDDEN}" if _hides_value(unquote(m[2])) else m[0], text)
    return _TOKENS.sub(HIDDEN, text)


def redact(value: Any) -> Any:
    """Free-form data with its secrets replaced by ``***``: texts by what is in them, values by their names."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {redact_text(str(key)): _named(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(item) for item in value]
    return value


def sounds_secret(name: str) -> bool:
    """Whether a parameter of this name is likely to hold a secret: ``db_password``, ``apiKey``, ``hf-token``."""
    words = _words(name)
    for before, word in zip(["", *words], words, strict=False):
        if word in _SECRET or word.removesuffix("s").endswith(_SECRET_ENDINGS):
            return True
        if word in ("token", "tokens") and before not in _VOCABULARY:
            return True
        if word in ("key", "keys") and before in _SECRET_KEYS:
            return True
    return False


def _hides_value(query_name: str) -> bool:
    return sounds_secret(query_name) or not _SIGNATURES.isdisjoint(_words(query_name))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _named(name: str, value: Any) -> Any:
    if not sounds_secret(name):
        return redact(value)
    # A truth value or an absent one tells nothing, and a number of tokens is a count.
    if value is None or isinstance(value, bool) or (isinstance(value, (int, float)) and "token" in name.lower()):
        return value
    return HIDDEN
