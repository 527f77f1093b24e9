# What one does with Depot on a machine without Docker. Each target is one script of deploy/; CI runs the same.
# Backing services that are given by environment (DATABASE_URL, REDIS_ADDR, KAFKA_BROKERS, MINIO_ENDPOINT) are used
# instead of private ones. A second stack on one machine: STACK_PORT_OFFSET=1000.

NATIVE := deploy/native
DEPOT := $(NATIVE)/with-settings.sh target/debug/depot
ROLE ?= writer
SUB ?= alice

.DEFAULT_GOAL := help
.PHONY: help demo up services-up down reset status logs token build migrate migrate-status migrate-down topics buckets \
	sqlx-prepare sqlx-check prove fmt lint deny advisories test test-all faults race stress tsan coverage mutants fuzz load \
	saturate bench bench-quick bench-micro bench-growth profile check-containers pin

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

.PHONY: lint-scripts
lint-scripts: ## the scripts by shellcheck, the formatting of what is written in Go
	@$(NATIVE)/test.sh scripts

deny: ## licences, bans and sources of dependencies
	@$(NATIVE)/deny.sh

.PHONY: check-kubernetes rehearse-kubernetes manifests
check-kubernetes: ## chart and manifests by the real tools, and against the code; then the same with planted faults
	@deploy/check/kubernetes.sh
	@deploy/check/planted-kubernetes.sh

rehearse-kubernetes: build ## what the pods of the chart would run, as processes in a network namespace; as root
	@deploy/check/rehearse-kubernetes.sh

manifests: ## write deploy/k8s anew from the chart
	@deploy/k8s/render.sh

.PHONY: check-rules picture
check-rules: ## what Prometheus is told: read, tested, and compared with the code; then the same with planted faults
	@deploy/check/rules.sh
	@deploy/check/planted-rules.sh

.PHONY: console console-pictures
console: ## the console in the system's Chromium, on a stack of its own
	@$(NATIVE)/install.sh console
	@tests/console/run.sh

console-pictures: ## draw docs/images/console-*.png
	@$(NATIVE)/install.sh console
	@tests/console/run.sh screenshots

picture: build ## draw docs/images/pipeline-dashboard.svg from a minute of `make load` on the running stack
	@deploy/grafana/picture.sh
.PHONY: check-contracts
check-contracts: ## the OpenAPI and AsyncAPI documents by the specifications' own tools; then the same with planted faults
	@deploy/check/contracts.sh
	@deploy/check/planted-contracts.sh

.PHONY: check-workflows check-deploy check-deploy-planted
check-workflows: ## what the hosted CI runs, by the real tools; then the same with planted faults
	@deploy/check/workflows.sh
	@deploy/check/planted-workflows.sh

check-deploy: ## all that deploys Depot by the real tools: containers, chart and manifests, workflows, rules, commands of the documents
	@failed=0; for part in containers kubernetes workflows rules documents; do deploy/check/$$part.sh || failed=1; done; exit $$failed

check-deploy-planted: ## the same checks with one fault of each kind planted: fails if one is not caught
	@failed=0; for part in containers kubernetes workflows rules documents; do deploy/check/planted-$$part.sh || failed=1; done; exit $$failed

.PHONY: image image-push release-contracts release-check release-programs release-draft
image: ## build the image depot:development; wants a container engine
	@deploy/docker/image.sh build

image-push: ## push it to REPOSITORY=registry/name under the version of TAG=v1.2.3
	@deploy/docker/image.sh push

release-contracts: ## keep what is published as that of the version of the workspace, in schemas/released
	@deploy/release.sh keep

release-check: ## whether TAG=v1.2.3 is the version of the workspace
	@deploy/release.sh check

release-programs: ## programs of the release profile with their checksums, in target/dist
	@deploy/release.sh programs

release-draft: ## a draft of a release with what is in target/dist: TAG=v1.2.3; wants gh
	@deploy/release.sh draft

advisories: ## what has become known of dependencies; clones a database from the network
	@$(NATIVE)/deny.sh advisories

.PHONY: unit-test contracts integration-test
unit-test: ## the tests that need no backing service: those inside the sources, and of the crates without input and output
	@cargo test --locked --workspace --lib --bins
	@cargo test --locked -p depot-domain -p depot-fuzz --tests

contracts: ## what is published against the code, and against the last version: REST, gRPC, events, topics
	@cargo test --locked -p depot-schemas -p depot-proto
	@cargo test --locked -p command-api -p query-api --lib openapi

integration-test: ## the tests on the backing services: OBJECT_STORE=seaweedfs|versitygw
	@$(NATIVE)/test.sh integration

test: ## everything that fits into 45 minutes, with one summary
	@$(NATIVE)/test.sh

test-all: ## the same and what is long
	@$(NATIVE)/test.sh all

.PHONY: rehearse-upgrade
rehearse-upgrade: ## roll the next version out under load, and back: NEXT=contract-first is one that has to fail
	@$(NATIVE)/rehearse-upgrade.sh $(NEXT)

faults: ## break everything under load, then check the promises from outside: FAULTS=60 SEED=1
	@$(NATIVE)/faults.sh

.PHONY: exhibits
exhibits: ## the naive ways of docs/outbox.md, made to fail one after the other: prints how, and what Depot does there
	@$(NATIVE)/exhibits.sh

race: ## models of what meets in threads, checked in every order (loom)
	@$(NATIVE)/race.sh

stress: ## the tests in which things meet, N=50 times under load of the processors
	@$(NATIVE)/stress.sh $(or $(N),50)

tsan: ## ThreadSanitizer over the unit tests; wants a nightly toolchain with rust-src
	@$(NATIVE)/tsan.sh

coverage: ## lines of domain, outbox, consumer and saga that tests run, at least 85 %; wants cargo-llvm-cov
	@$(NATIVE)/coverage.sh

mutants: ## changes of domain and consumer that no test notices; wants cargo-mutants
	@$(NATIVE)/mutants.sh

fuzz: ## bytes that break what reads bytes of strangers, FUZZ_SECONDS=60 for each; wants cargo-fuzz and a nightly toolchain
	@$(NATIVE)/fuzz.sh $(T)

load: ## one minute of load on the running stack: report and latency plot in loadtest/results
	@$(NATIVE)/install.sh load
	@loadtest/run.sh

saturate: ## as many reads as are answered, by wrk and hey on the running stack: DURATION=30s
	@$(NATIVE)/install.sh load
	@loadtest/saturate.sh

bench: ## measure every row against its limit and its peers, an hour: ROWS=a,b RESUME=1
	@loadtest/bench.sh $(if $(ROWS),--rows $(ROWS)) $(if $(RESUME),--resume)

bench-quick: ## a first reading of each row, or of ROWS=a,b
	@loadtest/bench.sh --quick $(if $(ROWS),--rows $(ROWS))

bench-micro: ## what a command, an event and a read take without any service (criterion), in nanoseconds
	@cargo bench --locked --workspace --bench hot_path

profile: ## flame graphs of the services while rows of the benchmark run: ROWS=accepted-commands
	@loadtest/bench.sh --profile --quick --rows $(or $(ROWS),accepted-commands)

bench-growth: ## how cost grows with what lies behind: ROWS=growth-of-drain RESUME=1
	@loadtest/bench.sh --growth $(if $(ROWS),--rows $(ROWS)) $(if $(RESUME),--resume)

check-containers: ## Dockerfiles, compose files and what they use, by the real tools; then the same with planted faults
	@deploy/check/containers.sh
	@deploy/check/planted-containers.sh

pin: ## write digests of images and commits of actions into compose files, Dockerfiles and workflows; from the network
	@deploy/pin.sh
