"""Conversions between types: an expression for ALTER COLUMN … TYPE … USING that changes no value.

Each fails where a value doesn't fit, and never cuts or rounds it. Many go through text, since PostgreSQL's input functions
are stricter than its casts: 2::boolean is true, '2'::boolean an error; 1.5::integer is 2, '1.5'::integer an error.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from ...schema.model import Column, identifier, literal

_INTEGERS = ("smallint", "integer", "bigint")
_FLOATS = ("real", "double precision")
_NUMBERS = (*_INTEGERS, *_FLOATS, "numeric")
_TEXTS = ("text", "character varying", "character", "name", '"char"')
_TIMESTAMP, _TIMESTAMPTZ = "timestamp without time zone", "timestamp with time zone"
_TIME = "time without time zone"
_TIMES = (_TIMESTAMP, _TIMESTAMPTZ, _TIME, "time with time zone", "interval")

#: pg_input_is_valid() is since PostgreSQL 16. On older servers, a query creates what stands for it, in its own transaction.
_INPUT_IS_VALID = 160000
OWN_INPUT_IS_VALID = "pg_temp.reconcile_input_is_valid"
CREATE_INPUT_IS_VALID = f"""
    CREATE FUNCTION {OWN_INPUT_IS_VALID}(value text, type text) RETURNS boolean LANGUAGE plpgsql STRICT AS $$
    BEGIN
        EXECUTE format('SELECT %L::%s', value, type);
        RETURN true;
    EXCEPTION WHEN data_exception THEN
        RETURN false;
    END $$
"""

_UTC = "The values are taken to be in UTC: replace 'UTC' if they are in another zone."
_DUPLICATE_KEYS = "Of a key that an object has twice, jsonb keeps the last value."
_SESSION_ZONE = "Values that name no zone are read in the session's time zone."
_MICROSECONDS = "The numbers are taken to be microseconds, as Django stores them."


@dataclass(frozen=True, slots=True)
class Conversion:
    """The SQL of a column's value in its new type. `misfit` is a condition that is true for values that can't be converted,
    None where only PostgreSQL's own attempt can tell. `assumption` is a sentence for the person who runs it.
    """

    expression: str
    misfit: str | None = None
    assumption: str = ""


@dataclass(frozen=True, slots=True)
class _Request:
    """A column's quoted name, its value as text, its present type and the new one, without their modifiers."""

    name: str
    text: str
    before: str
    after: str
    after_type: str
    version: int

    @property
    def modifiers(self) -> list[int]:
        found = re.search(r"\(([\d,]+)\)", self.after_type)
        return [int(number) for number in found[1].split(",")] if found else []

    @property
    def is_text(self) -> bool:
        return _is_text(self.before)

    def parsed(self, *, condition: str = "", misfit: str = "", assumption: str = "") -> Conversion:
        """Read the text as the new type; where `condition` is given, only if it is true, else fail."""
        cast = f"{self.text}::{self.after}"
        if condition:
            cast = f"CASE WHEN {condition} THEN {cast} ELSE {self._failure()} END"
        is_valid = "pg_input_is_valid" if self.version >= _INPUT_IS_VALID else OWN_INPUT_IS_VALID
        invalid = f"NOT {is_valid}({self.text}, {literal(self.after)})"
        # A CASE, since the other condition may fail for a text that isn't valid.
        conditions = " ".join(f"WHEN {condition} THEN true" for condition in (invalid, misfit) if condition)
        return Conversion(cast, f"CASE {conditions} END", assumption)

    def checked(self, value: str, fits: str) -> Conversion:
        """Return the value where it fits, else fail."""
        return Conversion(f"CASE WHEN {fits} THEN {value} ELSE {self._failure()} END", f"NOT ({fits})")

    def _failure(self) -> str:
        """An expression that fails where it is evaluated, without showing the value; it isn't constant, so not before."""
        return f"('a value does not fit' || left({self.text}, 0))::{self.after}"


def conversion(declared: Column, actual: Column, version: int, value: str = "") -> Conversion | None:
    """Return how to convert the column's values, or an SQL `value` of its type, on a server of this version.

    None if there is no safe way.
    """
    name = value or identifier(declared.name)
    if actual.type == declared.type:
        return Conversion(name)
    before, after = base_type(actual.type), base_type(declared.type)
    request = _Request(name, f"{name}::text", before, after, declared.type, version)
    if after.endswith("[]"):
        return _to_array(request)
    if _is_text(after):
        return _to_text(request)
    if request.modifiers and after in _TIMES:
        return None  # a precision would round
    converter = _CONVERTERS.get(after)
    return converter(request) if converter is not None else None


def base_type(type_: str) -> str:
    """Return the type without its modifiers: its length, precision or scale."""
    return re.sub(r"\([^()]*\)", "", type_)


def family(type_: str) -> str:
    """Return what types have in common whose values compare alike, so that expressions hold for each of them."""
    base = base_type(type_)
    if _is_text(base):
        return "text"
    if base in _NUMBERS:
        return "number"
    return base


def is_integer(type_: str) -> bool:
    return type_ in _INTEGERS


def _is_text(base: str) -> bool:
    return base in _TEXTS or base.rpartition(".")[2] == "citext"


def _is_named(base: str) -> bool:
    """Whether the type isn't PostgreSQL's own: an enumeration, a domain, …"""
    return "." in base and not base.endswith("[]")


def _to_text(r: _Request) -> Conversion | None:
    if r.before == "bytea":
        return None
    if not r.modifiers:
        return Conversion(r.text if not _is_named(r.after) else f"{r.text}::{r.after}")
    # Without the dot, spaces at the end would be cut where the value is too long; so that is an error, as for any other.
    too_long = f"char_length({r.text}) > {r.modifiers[0]}"
    return Conversion(f"CASE WHEN {too_long} THEN {r.text} || '.' ELSE {r.text} END", too_long)


def _to_boolean(r: _Request) -> Conversion | None:
    if r.before in _INTEGERS:
        return Conversion(f"{r.text}::boolean", f"{r.name} NOT IN (0, 1)")
    return r.parsed() if r.is_text or r.before == "bit" or _is_named(r.before) else None


def _to_integer(r: _Request) -> Conversion | None:
    if r.before in _INTEGERS:
        return Conversion(f"{r.name}::{r.after}")
    if r.before == "boolean":
        return Conversion(f"{r.name}::integer::{r.after}")
    if r.before == "numeric":
        return Conversion(f"trim_scale({r.name})::text::{r.after}", f"{r.name} <> trunc({r.name})")
    if r.before in _FLOATS:
        return Conversion(f"{r.text}::{r.after}", f"{r.name} <> trunc({r.name})")
    return r.parsed() if r.is_text or _is_named(r.before) else None


def _to_numeric(r: _Request) -> Conversion | None:
    if r.before not in _NUMBERS and not r.is_text and not _is_named(r.before):
        return None
    value = r.name if r.before == "numeric" else f"{r.text}::numeric"
    if not r.modifiers:
        return r.parsed() if r.before not in _NUMBERS else Conversion(value)
    precision, scale = r.modifiers if len(r.modifiers) > 1 else (r.modifiers[0], 0)
    fits = f"{value} = round({value}, {scale}) AND abs({value}) < 1e{precision - scale}"
    if r.before in _NUMBERS:
        return r.checked(value, fits)
    return r.parsed(condition=fits, misfit=f"NOT ({fits})")


def _to_float(r: _Request) -> Conversion | None:
    if r.before in _NUMBERS:
        value = f"{r.text}::{r.after}"
        return r.checked(value, f"({value})::text::numeric = {r.text}::numeric")
    return r.parsed() if r.is_text or _is_named(r.before) else None


def _to_date(r: _Request) -> Conversion | None:
    if r.before == _TIMESTAMP:
        return r.checked(f"{r.name}::date", f"{r.name} = {r.name}::date")
    if r.before == _TIMESTAMPTZ:
        local = f"({r.name} AT TIME ZONE 'UTC')"
        result = r.checked(f"{local}::date", f"{local} = {local}::date")
        return Conversion(result.expression, result.misfit, _UTC)
    # Year, month, day alone: PostgreSQL would also take 03/04/2024, in the order of the session, and drop a time.
    iso = rf"{r.text} ~ '^\s*\d{{4}}-\d\d-\d\d([ T]00:00(:00(\.0+)?)?)?\s*$'"
    return r.parsed(condition=iso, misfit=f"NOT {iso}") if r.is_text or _is_named(r.before) else None


def _to_timestamptz(r: _Request) -> Conversion | None:
    if r.before == _TIMESTAMPTZ:
        return Conversion(r.name)
    if r.before in (_TIMESTAMP, "date"):
        return Conversion(f"{r.name}::timestamp AT TIME ZONE 'UTC'" if r.before == "date" else _at_utc(r), None, _UTC)
    return r.parsed(assumption=_SESSION_ZONE) if r.is_text or _is_named(r.before) else None


def _at_utc(r: _Request) -> str:
    return f"{r.name} AT TIME ZONE 'UTC'"


def _to_timestamp(r: _Request) -> Conversion | None:
    if r.before == _TIMESTAMPTZ:
        return Conversion(_at_utc(r), None, _UTC)
    return Conversion(f"{r.name}::timestamp") if r.before in (_TIMESTAMP, "date") else None


def _to_time(r: _Request) -> Conversion | None:
    if r.before == _TIME:
        return Conversion(r.name)
    only_a_time = rf"{r.text} ~ '^\s*\d{{1,2}}:\d\d(:\d\d(\.\d{{1,6}})?)?\s*$'"
    return r.parsed(condition=only_a_time, misfit=f"NOT {only_a_time}") if r.is_text else None


def _to_interval(r: _Request) -> Conversion | None:
    if r.before in _INTEGERS:
        return Conversion(f"{r.name} * interval '1 microsecond'", None, _MICROSECONDS)
    return r.parsed() if r.is_text else None


def _to_uuid(r: _Request) -> Conversion | None:
    if r.before == "bytea":
        return Conversion(f"encode({r.name}, 'hex')::uuid", f"length({r.name}) <> 16")
    return r.parsed() if r.is_text or _is_named(r.before) else None


def _to_json(r: _Request) -> Conversion | None:
    assumption = _DUPLICATE_KEYS if r.after == "jsonb" else ""
    if r.before in ("json", "jsonb") or r.before.endswith(".hstore"):
        return Conversion(f"{r.name}::{r.after}", None, assumption if r.before == "json" else "")
    if r.is_text:
        return r.parsed(assumption=assumption)
    if r.before.endswith("[]") or r.before in (*_INTEGERS, "numeric", "boolean"):
        return Conversion(f"to_{r.after}({r.name})")
    return None


def _to_network(r: _Request) -> Conversion | None:
    if r.is_text or {r.before, r.after} == {"inet", "cidr"}:
        return r.parsed()
    return None


def _to_array(r: _Request) -> Conversion | None:
    element = r.after.removesuffix("[]")
    if r.modifiers and not _is_text(element):
        return None  # a scale or precision would round
    if r.is_text:
        return r.parsed()
    if not r.before.endswith("[]"):
        return None
    before = r.before.removesuffix("[]")
    if _is_text(element) and before != "bytea":
        return Conversion(f"{r.name}::text[]")  # an assignment fails where an element is too long, a cast would cut it
    if before in _INTEGERS and element in _INTEGERS:
        return Conversion(f"{r.name}::{r.after}")
    return None


_CONVERTERS: dict[str, Callable[[_Request], Conversion | None]] = {
    "boolean": _to_boolean,
    **dict.fromkeys(_INTEGERS, _to_integer),
    "numeric": _to_numeric,
    **dict.fromkeys(_FLOATS, _to_float),
    "date": _to_date,
    _TIMESTAMPTZ: _to_timestamptz,
    _TIMESTAMP: _to_timestamp,
    _TIME: _to_time,
    "interval": _to_interval,
    "uuid": _to_uuid,
    "json": _to_json,
    "jsonb": _to_json,
    **dict.fromkeys(("inet", "cidr"), _to_network),
    **dict.fromkeys(("macaddr", "macaddr8"), _to_network),
}
