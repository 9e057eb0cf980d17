# make demo   the main job on a real broker, from nothing to a compared restore
# make test   all tests, with whatever they need
# make help   everything else
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lifeboat
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
# end-to-end tests wait for their brokers or for their turn: more of them run than there are cores
TEST_THREADS := $(or $(RUST_TEST_THREADS),$(shell cores=$$(nproc); echo $$((cores < 4 ? 3 * cores : 2 * cores))))
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := $(CACHE)/tools/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: packages
packages: ## the Debian packages that building and testing want
	@tests/packages.sh

.PHONY: kafka
kafka: packages ## Apache Kafka itself, from its Maven artifacts, once
	@tests/kafka/get.sh >/dev/null

.PHONY: stores
stores: packages ## object stores to test against (MinIO, Azurite), once
	@tests/packages.sh stores
	@tests/stores/get.sh >/dev/null

.PHONY: age
age: packages ## age itself, which opens what is encrypted, once
	@tests/packages.sh stores
	@tests/age/get.sh >/dev/null

.PHONY: test
test: packages kafka stores age ## all unit, property and end-to-end tests
	@# one build for all: the same features, and the program that the end-to-end tests run
	cargo build --workspace --all-targets --locked
	cargo test --workspace --locked --doc
	LIFEBOAT_PROGRAM=$(TARGET)/debug/lifeboat RUST_TEST_THREADS=$(TEST_THREADS) \
		cargo test --workspace --locked --no-fail-fast --lib --bins --tests

.PHONY: soak
soak: packages kafka stores age ## the same tests with the full numbers of the long sweeps (hours)
	cargo build --workspace --all-targets --locked
	LIFEBOAT_ROUNDS=$(or $(LIFEBOAT_ROUNDS),full) LIFEBOAT_PROGRAM=$(TARGET)/debug/lifeboat \
		cargo test --workspace --locked --no-fail-fast --lib --bins --tests

.PHONY: demo
demo: packages kafka ## back up a lifelike cluster, destroy it, restore it into a fresh one, compare
	@echo "building Lifeboat: some minutes the first time"
	cargo build --release --locked --package lifeboat
	cargo run --quiet --release --locked --package lifeboat-tests --example demo

.PHONY: bench
bench: packages kafka ## raw fetch, counting consumer, backup, restore and verify on the same topic
	cargo build --quiet --release --locked --package lifeboat
	cargo build --quiet --release --locked --package lifeboat-kafka --examples
	cargo run --quiet --release --locked --package lifeboat-tests --example bench

.PHONY: fmt
fmt: ## format
	cargo fmt --all

.PHONY: fmt-check
fmt-check: ## is it formatted?
	cargo fmt --all --check

.PHONY: lint
lint: packages ## clippy, warnings are errors
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: deny
deny: $(CARGO_DENY) ## licences, sources and doubles of what is built in
	$(CARGO_DENY) --locked check bans licenses sources

.PHONY: audit
audit: $(CARGO_DENY) ## known vulnerabilities of what is built in (downloads the advisories)
	$(CARGO_DENY) --locked check advisories

# built without optimisation: it takes a minute, and checks in a second all the same
$(CARGO_DENY):
	work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR=$$work cargo install --quiet --locked --debug \
		--version $(CARGO_DENY_VERSION) --root $(CACHE)/tools/cargo-deny-$(CARGO_DENY_VERSION) cargo-deny
