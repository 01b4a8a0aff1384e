"""Codes as authenticator apps make them."""

from base64 import b32encode
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from clinic_project.api.one_time_codes import code_at, new_recovery_codes, new_secret, provisioning_uri, recovery_digest

RFC_SECRET = b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("seconds", "code"),
    # The last six digits of those in RFC 6238, appendix B.
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_rfc(seconds, code):
    assert code_at(RFC_SECRET, seconds // 30) == code


def test_secrets_and_recovery_codes_differ_each_time():
    assert len(new_secret()) == 32
    assert new_secret() != new_secret()
    assert len({code for _ in range(10) for code in new_recovery_codes()}) == 100


def test_a_recovery_code_that_was_misread_is_the_same():
    assert recovery_digest("oib2 OIB2-0182 2345") == recovery_digest("OIB2-OIB2-OIB2-2345")
    assert recovery_digest("OIB2-OIB2-OIB2-2346") != recovery_digest("OIB2-OIB2-OIB2-2345")


def test_what_an_app_scans():
    uri = urlsplit(provisioning_uri("ABC", "ann+1@clinic.example", "Clinic records"))
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", "/Clinic records:ann+1@clinic.example")
    assert parse_qs(uri.query) == {"secret": ["ABC"], "issuer": ["Clinic records"]}
    assert "+" not in uri.query
