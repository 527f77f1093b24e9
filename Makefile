# What one does with Depot on a machine without Docker. Each target is one script of deploy/native; CI runs the same.
# Backing services that are given by environment (DATABASE_URL, REDIS_ADDR, KAFKA_BROKERS, MINIO_ENDPOINT) are used
# instead of private ones. A second stack on one machine: STACK_PORT_OFFSET=1000.

NATIVE := deploy/native
DEPOT := $(NATIVE)/with-settings.sh target/debug/depot
ROLE ?= writer
SUB ?= alice

.DEFAULT_GOAL := help
.PHONY: help demo up services-up down reset status logs token build migrate migrate-status migrate-down topics buckets \
	sqlx-prepare sqlx-check prove fmt lint deny test test-all load

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## install what is missing, bring everything up, drive the main job and print how long each hop took
	@$(NATIVE)/up.sh demo

up: ## the same without the demo: backing services, schema, topics, buckets, the four services
	@$(NATIVE)/up.sh

services-up: ## only the backing services: Postgres, Redis, Kafka, object store
	@$(NATIVE)/install.sh stack
	@$(NATIVE)/backing.sh start

down: ## stop everything; data stays
	@$(NATIVE)/down.sh

reset: ## stop everything and delete the data
	@$(NATIVE)/reset.sh

status: ## what runs, and where
	@$(NATIVE)/status.sh

logs: ## logs of the services, or of S="projector kafka"
	@$(NATIVE)/logs.sh $(S)

# Quiet, so that a token is all that is printed.
build:
	@cargo build -q --locked --workspace --bins

token: build ## print a bearer token: ROLE=reader|writer|admin SUB=alice
	@$(DEPOT) token --role $(ROLE) --sub $(SUB)

migrate: build ## apply pending migrations
	@$(DEPOT) migrate

migrate-status: build ## list migrations
	@$(DEPOT) migrate-status

migrate-down: build ## take back the newest migration of each schema (development)
	@$(DEPOT) migrate-down

topics: build ## create the declared topics and check those that are there
	@$(DEPOT) topics

buckets: build ## create the buckets and set their CORS rules
	@$(DEPOT) buckets

sqlx-prepare: ## check queries against the migrated database and write .sqlx
	@$(NATIVE)/sqlx-prepare.sh

sqlx-check: ## fail if .sqlx is not what the queries need
	@$(NATIVE)/sqlx-prepare.sh --check

prove: ## put something into each backing service and get it back
	@$(NATIVE)/prove.sh

fmt:
	@cargo fmt --all

lint: ## formatting and lints of the Rust code
	@cargo fmt --all --check
	@cargo clippy --locked --workspace --all-targets -- -D warnings

deny: ## licences, bans and sources of dependencies; wants cargo-deny
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is not installed: cargo install cargo-deny" >&2; exit 1; }
	@cargo deny check bans licenses sources

test: ## everything that fits into 45 minutes, with one summary
	@$(NATIVE)/test.sh

test-all: ## the same and what is long
	@$(NATIVE)/test.sh all

load: ## one minute of load on the running stack: report and latency plot in loadtest/results
	@$(NATIVE)/install.sh load
	@loadtest/run.sh
