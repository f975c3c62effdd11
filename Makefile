# `make` alone explains itself. Every target is one line of something you can also type.
.DEFAULT_GOAL := help
.PHONY: help servers build run test bench chaos sqlx fmt lint clean-data

DATA_DIR ?= ./data
MINUTES ?= 5

help: ## this text
	@echo 'weltgewebe: an event-sourced backend. First steps:'
	@echo
	@echo '  make servers    once: fetches Postgres, Redis and nats-server, whichever is missing'
	@echo '  make run        starts the API; without URLs it runs private servers below $(DATA_DIR)'
	@echo
	@echo 'All targets:'
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'
	@echo
	@echo 'Your own servers instead: set DATABASE_URL, KEYS_DATABASE_URL, NATS_URL, REDIS_URL.'

servers: ## install or unpack the servers we run on (quick when they are there)
	@scripts/servers.sh

build: ## release binaries api and replay
	cargo build --release --workspace --bins

run: servers ## the API with everything in one process, data in DATA_DIR
	cargo build --release -p api -p replay --bins
	@exec "$${CARGO_TARGET_DIR:-target}"/release/api serve --data-dir $(DATA_DIR)

# With crash points, which only tests build. The release binary is built too, without: a test looks
# into it for what must not be there.
test: servers ## all tests, against real private servers
	@scripts/servers.sh --test-extras
	cargo build --workspace --bins --features kernel/crash-points
	cargo build --release -p api -p replay --bins
	cargo test --workspace --no-fail-fast --features kernel/crash-points

bench: servers ## the benchmarks (release build; leave the machine alone meanwhile)
	cargo run --release -p bench -- all

chaos: servers ## kills, pauses and cuts off everything for MINUTES (5), then checks; SEED=, FULL=1 (hours)
	cargo run --release -p chaos -- --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(FULL),--full)

sqlx: servers ## renew .sqlx after changing a query or a migration
	scripts/sqlx-prepare.sh

fmt: ## format everything
	cargo fmt --all

lint: ## what the build refuses to merge: format, clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

# The lock is the servers' own: while they run, nothing is deleted. Keys of the key folder stay.
clean-data: ## delete the private servers' data in DATA_DIR, after asking (YES=1: without)
	@cd '$(DATA_DIR)' 2>/dev/null && test -f lock || { echo 'no private servers have run in $(DATA_DIR)'; exit 0; }; \
	if [ -z '$(YES)' ]; then \
		printf 'Delete all events, keys and streams in %s? [y/N] ' "$$PWD"; read answer; [ "$$answer" = y ] || exit 0; \
	fi; \
	flock -n lock rm -rf postgres-log postgres-keys nats redis typesense meilisearch logs sockets servers.json secrets.json \
		|| { echo "$$PWD is in use: stop the servers first"; exit 2; }
