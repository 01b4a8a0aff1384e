"""What DATABASE_URL and REPLICA_URL may look like, how they connect, and that no error shows a part of a password."""

import traceback

import pytest
from django.core.exceptions import ImproperlyConfigured

from clinic_project.database import REPLICA_OPTIONS, database_config, replica_config
from clinic_project.database_url import parse_database_url

#: Its parts are looked for in errors.
SECRET = ("hunter", "tiger")


def place(url: str) -> tuple[str, str, str | int]:
    found = parse_database_url(url)
    return found["NAME"], found["HOST"], found["PORT"]


@pytest.mark.parametrize("special", "#?%@:[ ]&=+$é")
def test_a_password_may_have_anything_but_a_slash_as_it_is(special):
    password = special.join(SECRET)
    found = parse_database_url(f"postgresql://clinic:{password}@db:5432/records?sslmode=require")
    assert (found["USER"], found["PASSWORD"]) == ("clinic", password)
    assert (found["NAME"], found["HOST"], found["PORT"], found["OPTIONS"]) == (
        "records",
        "db",
        5432,
        {"sslmode": "require"},
    )


def test_and_anything_percent_encoded():
    found = parse_database_url("postgresql://own%40er:hunter%2Ftiger%25%3A@db/records")
    assert (found["USER"], found["PASSWORD"]) == ("own@er", "hunter/tiger%:")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://clinic:hunter/tiger@db:5432/records",
        "postgresql://clinic:12/tiger@db:5432/records",
        "postgresql://clinic:12/tiger?hunter@db/records",
        "postgresql://clinic:hunter?1/2tiger@db/records",
        "postgresql://clinic:hunter@tiger:hunter/records",
        "postgresql://clinic:hunter@db/records?tiger",
        "postgresql://clinic:hunter@db/records?tiger=hunter",
        "postgresql://clinic:hunter%00tiger@db/records",
        "postgresql://clinic:hunter@[tiger/records",
        "postgresql+psycopg2://clinic:hunter@tiger/records",
        "'postgresql://clinic:hunter@tiger/records'",
        "mysql://clinic:hunter@tiger/records",
        "host=tiger password=hunter dbname=records",
        "jdbc:postgresql://tiger/records?password=hunter",
        "postgresql://clinic:hunter@tiger",
        "postgresql:///?password=hunter",
        "hunter",
    ],
)
def test_an_error_shows_no_part_of_a_password(url):
    with pytest.raises(ImproperlyConfigured) as refusal:
        parse_database_url(url, "REPLICA_URL")
    text = "".join(traceback.format_exception(refusal.value))
    said = [line for line in text.splitlines() if not line.startswith("    ")]  # which are lines of code
    assert not any(part in "\n".join(said) for part in SECRET)
    assert str(refusal.value).startswith("REPLICA_URL ")
    assert "Expected: postgresql://USER:PASSWORD@HOST:PORT/NAME" in str(refusal.value)


@pytest.mark.parametrize("where", ["h1,,h2", "h1,", ",h2", "h1:1,h2:0", "h1:65536", "h1:-1", "h1:1,h2:two", "h1:1:2"])
def test_hosts_and_ports_that_cant_be_read_are_refused(where):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL names a host that can't be read, or its port"):
        parse_database_url(f"postgresql://clinic@{where}/records")


def test_as_many_ports_as_hosts_or_one_for_all():
    assert place("postgresql:///records?host=h1,h2&port=5433") == ("records", "h1,h2", 5433)
    with pytest.raises(ImproperlyConfigured, match="a host that can't be read"):
        place("postgresql:///records?host=h1,h2,h3&port=1,2")


@pytest.mark.parametrize(
    ("where", "host", "port"),
    [
        ("clinic@/records?host=/run/Postgresql", "/run/Postgresql", ""),
        ("clinic@/records?host=/run/Postgresql&port=5433&sslmode=disable", "/run/Postgresql", 5433),
        ("clinic@%2Frun%2FPostgresql:5433/records", "/run/Postgresql", 5433),
        ("clinic@%2Fcloudsql%2Fproject%3Aregion%3Ainstance/records", "/cloudsql/project:region:instance", ""),
        ("clinic@//cloudsql/project:region:instance/records", "/cloudsql/project:region:instance", ""),
        ("clinic@[2001:db8::1]:5433/records", "2001:db8::1", 5433),
        ("/records", "", ""),
    ],
)
def test_sockets_and_addresses(where, host, port):
    assert place(f"postgres://{where}") == ("records", host, port)


def test_parameters_name_what_the_rest_may():
    found = parse_database_url(
        "postgresql://db/?dbname=records&user=me%40server&password=a%2Bb&connect_timeout=5&ssl=true"
    )
    assert (found["NAME"], found["USER"], found["PASSWORD"]) == ("records", "me@server", "a+b")
    assert found["OPTIONS"] == {"connect_timeout": 5, "sslmode": "require"}


@pytest.mark.parametrize("equals", ["=", "%3D"])
def test_names_and_options_are_decoded(equals):
    found = parse_database_url(f" postgresql://db/the%20records?options=-csearch_path{equals}north\r\n")
    assert (found["NAME"], found["OPTIONS"]) == ("the records", {"options": "-csearch_path=north"})


@pytest.mark.parametrize(
    ("where", "hosts", "ports"),
    [
        ("db1:5432,db2:5433", "db1,db2", "5432,5433"),
        ("db1:5433,db2", "db1,db2", "5433,"),  # and the second's is libpq's
        ("[::1]:5432,[fd00::2]", "::1,fd00::2", "5432,"),
    ],
)
def test_of_several_hosts_the_one_is_used_that_takes_writes(where, hosts, ports):
    config = database_config(f"postgresql://clinic:a%2Cb@{where}/records?connect_timeout=9")
    assert (config["HOST"], config["PORT"], config["PASSWORD"]) == (hosts, ports, "a,b")
    assert (config["OPTIONS"]["target_session_attrs"], config["OPTIONS"]["connect_timeout"]) == ("read-write", 9)


def test_one_host_is_used_whether_or_not_it_takes_writes():
    assert database_config("postgresql://clinic@db1/records")["OPTIONS"] == {}


def test_a_replica_is_given_up_soon_unless_its_url_says_otherwise():
    config = replica_config("postgresql://clinic@db2,db3/records?tcp_user_timeout=9000")
    assert config["HOST"] == "db2,db3"
    assert config["OPTIONS"] == {**REPLICA_OPTIONS, "tcp_user_timeout": 9000}
    assert config["OPTIONS"]["connect_timeout"] == 2


def test_a_replica_that_is_no_database_is_named_by_its_variable():
    with pytest.raises(ImproperlyConfigured, match="REPLICA_URL names no PostgreSQL database") as refused:
        replica_config("mysql://clinic@db2/records")
    assert "DATABASE_URL" not in str(refused.value)
