"""The hash of what is signed: RFC 8785's own examples, and what jsonb makes of JSON. Without a database."""

import hashlib
import json

import pytest

from medical_records.exceptions import Unsignable
from medical_records.signatures import SignedContent, canonical, parse

#: https://www.rfc-editor.org/rfc/rfc8785#section-3.2.2 and #section-3.2.3
_PRIMITIVES = r"""{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
}"""
_CANONICAL_PRIMITIVES = (
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
    r'"string":"€$\u000f\nA'
    "'"
    r'B\"\\\\\"/"}'
)
_KEYS = r"""{
    "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
    "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
}"""
_SORTED = [
    *("Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign"),
    *("Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh"),
]

#: https://www.rfc-editor.org/rfc/rfc8785#appendix-B
_NUMBERS = {
    "0": "0",
    "-0.0": "0",
    "5e-324": "5e-324",
    "-5e-324": "-5e-324",
    "1.7976931348623157e308": "1.7976931348623157e+308",
    "9007199254740992": "9007199254740992",
    "-9007199254740992": "-9007199254740992",
    "295147905179352830000": "295147905179352830000",
    "9.999999999999997e22": "9.999999999999997e+22",
    "1e23": "1e+23",
    "1.0000000000000001e23": "1.0000000000000001e+23",
    "999999999999999700000": "999999999999999700000",
    "999999999999999900000": "999999999999999900000",
    "1000000000000000000000": "1e+21",
    "9.999999999999997e-7": "9.999999999999997e-7",
    "0.000001": "0.000001",
    "333333333.3333332": "333333333.3333332",
    "333333333.33333325": "333333333.33333325",
    "333333333.3333333": "333333333.3333333",
    "333333333.3333334": "333333333.3333334",
    "333333333.33333343": "333333333.33333343",
    "-0.0000033333333333333333": "-0.0000033333333333333333",
    "1424953923781206.2": "1424953923781206.2",
}


def test_primitives():
    # RFC 8785 lets a parser round its first number, and a signature doesn't: here as it is rounded.
    assert (
        canonical(parse(_PRIMITIVES.replace("333333333.33333329", "333333333.3333333")))
        == _CANONICAL_PRIMITIVES.encode()
    )


def test_keys_are_sorted_by_their_utf_16():
    assert list(json.loads(canonical(parse(_KEYS))).values()) == _SORTED


@pytest.mark.parametrize(("number", "written"), _NUMBERS.items())
def test_numbers(number, written):
    assert canonical(parse(number)) == written.encode()


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "9007199254740993", "333333333.33333329", "0." + "1" * 30, "1e-400"]
)
def test_a_number_beyond_ieee_754_is_refused_and_not_rounded(number):
    with pytest.raises(Unsignable, match="too large or too precise"):
        parse(number)


def test_what_is_nested_too_deeply_is_refused():
    with pytest.raises(Unsignable, match="nested too deeply"):
        parse("[" * 200_000 + "]" * 200_000)


def content(**other) -> SignedContent:
    columns = {
        "patient_id": 7,
        "template_name": "First visit",
        "appointment_id": None,
        "template_snapshot": '{"name": "First visit", "fields": [{"id": "a", "order": 0}]}',
        "values": '{"a": 37.50, "b": "ä"}',
        "photos": ["c4", "5d"],
    }
    return SignedContent(**{**columns, **other})


def test_the_hash_is_that_of_the_canonical_json_which_anybody_can_make():
    written = (
        '{"appointment_id":null,"patient_id":7,"photos":["5d","c4"],"template_name":"First visit",'
        '"template_snapshot":{"fields":[{"id":"a","order":0}],"name":"First visit"},"values":{"a":37.5,"b":"ä"}}'
    )
    assert content().hash() == hashlib.sha256(written.encode()).hexdigest()


@pytest.mark.parametrize(
    "same",
    [
        {"values": '{"b": "ä", "a": 37.5}'},
        {"values": r'{"a": 3.75e1, "b": "\u00e4"}'},
        {"photos": ["5d", "c4"]},
    ],
)
def test_what_means_the_same_has_the_same_hash(same):
    assert content(**same).hash() == content().hash()


@pytest.mark.parametrize(
    "other",
    [
        {"patient_id": 8},
        {"template_name": "first visit"},
        {"appointment_id": 7},
        {"template_snapshot": "{}"},
        {"values": '{"a": "37.5", "b": "ä"}'},
        {"values": '{"a": 37.5, "b": "a\u0308"}'},
        {"photos": ["5d"]},
        {"photos": ["5d", "c4", None]},
    ],
)
def test_anything_else_has_another(other):
    assert content(**other).hash() != content().hash()
