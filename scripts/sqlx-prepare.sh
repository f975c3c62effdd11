#!/usr/bin/env bash
# Renews .sqlx, the record of every compile-time checked query, against a fresh private Postgres.
#   scripts/sqlx-prepare.sh           renew
#   scripts/sqlx-prepare.sh --check   exit 1 when .sqlx is not what the code asks for
# Log and key tables and generation 1 of every read model share one throw-away database.
set -euo pipefail
cd "$(dirname "$0")/.."
check=${1:-}
work=$(mktemp -d)
trap 'kill "${servers:-0}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT

say() { echo "sqlx: $*" >&2; }
fail() { say "$*"; exit 2; }

psql=$(ls .servers/root/usr/lib/postgresql/*/bin/psql /usr/lib/postgresql/*/bin/psql 2>/dev/null | tail -n 1 || true)
[ -n "$psql" ] || psql=$(command -v psql) || fail 'psql is missing: run `make servers`'
export LD_LIBRARY_PATH="$(ls -d "$PWD"/.servers/root/usr/lib/*-linux-gnu 2>/dev/null | tail -n 1):${LD_LIBRARY_PATH:-}"

say 'starting a private Postgres'
cargo build -q -p embedded --bin private-servers
target=$(cargo metadata --no-deps --format-version 1 | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')
"$target/debug/private-servers" --data-dir "$work/data" --only log --print-env > "$work/env" 2> "$work/log" &
servers=$!
for _ in $(seq 300); do
    grep -q '^ready' "$work/env" && break
    kill -0 "$servers" 2>/dev/null || { cat "$work/log" >&2; fail 'the private Postgres did not start'; }
    sleep 0.1
done
grep -q '^ready' "$work/env" || fail 'the private Postgres did not answer within 30 seconds'
eval "$(grep '^export ' "$work/env")"
owner=$OWNER_DATABASE_URL

say 'applying migrations and read model schemas'
run() { PGOPTIONS="${2:-}" "$psql" -X -q -v ON_ERROR_STOP=1 -d "$owner" -f "$1" > /dev/null; }
for file in migrations/log/*.sql migrations/keys/*.sql; do run "$file"; done
path=public
for schema in projections/src/*/*/schema.sql; do
    name=$(basename "$(dirname "$schema")")
    generation="${name}_g1"
    {
        echo "create schema $generation; create schema if not exists read; set search_path to $generation;"
        cat "$schema"
        # The views that the queries read, as the runtime makes them.
        cat <<SQL
;
do \$\$
declare t text;
begin
    for t in select tablename from pg_tables where schemaname = '$generation' loop
        execute format('create view read.%I as select * from %I.%I', t, '$generation', t);
    end loop;
end
\$\$;
create view read.${name}_checkpoint as
    select position, epoch, generation from public.projection_checkpoints
    where projection = '$name' and generation = 1;
SQL
    } > "$work/schema.sql"
    run "$work/schema.sql"
    path="$path,$generation"
done

say 'compiling every query against it'
mkdir -p "$work/queries"
separator='?'; case $owner in *\?*) separator='&';; esac
export DATABASE_URL="${owner}${separator}options=-csearch_path%3D$path"
# A target folder of its own: every query macro has to run, none may come from a cache.
rm -rf "$target/sqlx/debug/.fingerprint"/{eventstore,projections,commands,lifecycle,api,replay,bench,tests,chaos}-* 2>/dev/null || true
SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$work/queries" CARGO_TARGET_DIR="$target/sqlx" \
    cargo check -q --workspace --all-targets

count=$(ls "$work/queries" | wc -l)
[ "$count" -gt 0 ] || fail 'no query was compiled'
if [ "$check" = --check ]; then
    if ! diff -rq .sqlx "$work/queries" >&2; then
        say 'out of date: run `make sqlx` and commit .sqlx'
        exit 1
    fi
    say "$count queries, all as committed"
else
    rm -rf .sqlx && mkdir .sqlx && cp "$work"/queries/* .sqlx/
    say "$count queries written to .sqlx"
fi
