"""The codes of the two-step login: those of authenticator apps, and those for the day on which the app is lost.

The first are time-based one-time passwords (RFC 6238) of six digits, a new one every 30 seconds, by HMAC-SHA-1: what every
app knows.
"""

import hashlib
import hmac
import secrets
import time
from base64 import b32decode, b32encode
from urllib.parse import quote, urlencode

SECONDS, DIGITS = 30, 6
#: How many steps a phone's clock may be off.
TOLERANCE = 1

RECOVERY_CODES = 10
#: Digits that no recovery code has, and the letters that were meant.
_NOT_IN_BASE32 = str.maketrans("018", "OIB")


def new_secret() -> str:
    """Return what an app and the database share: 160 random bits in base32, as people can type them."""
    return b32encode(secrets.token_bytes(20)).decode()


def code_at(secret: str, step: int) -> str:
    """Return the code of a step, which is the number of times that 30 seconds have passed since 1970."""
    digest = hmac.digest(b32decode(secret), step.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def current_step() -> int:
    return int(time.time()) // SECONDS


def is_time_based(code: str) -> bool:
    """Whether `code` looks like one of an app."""
    return len(code) == DIGITS and code.isascii() and code.isdigit()


def matching_step(secret: str, code: str) -> int | None:
    """Return the step of which `code` is the code, if it is one of now."""
    now = current_step()
    for step in range(now - TOLERANCE, now + TOLERANCE + 1):
        if hmac.compare_digest(code_at(secret, step), code):
            return step
    return None


def provisioning_uri(secret: str, account: str, issuer: str) -> str:
    """Return what a QR code tells an app: https://github.com/google/google-authenticator/wiki/Key-Uri-Format"""
    parameters = urlencode({"secret": secret, "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer)}:{quote(account)}?{parameters}"


def new_recovery_codes() -> list[str]:
    """Return codes of 80 random bits, in four groups."""
    codes = (b32encode(secrets.token_bytes(10)).decode() for _ in range(RECOVERY_CODES))
    return ["-".join(code[start : start + 4] for start in range(0, 16, 4)) for code in codes]


def recovery_digest(code: str) -> str:
    """Return what is kept of a recovery code. It is random: a plain hash can't be guessed backwards."""
    return hashlib.sha256(normalized(code).translate(_NOT_IN_BASE32).encode(errors="surrogatepass")).hexdigest()


def normalized(code: str) -> str:
    """Return `code` as it was made, however it was typed."""
    return "".join(code.split()).replace("-", "").upper()
