# Two commands on a fresh machine: `make demo` and `make test`. Everything they make stays inside this folder (target/, .venv/, .cache/).
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## check the machine and make the Python environment
	@tests/support/setup test

.PHONY: demo
demo: ## build, start Lazuli and run the lifecycle tour on real data
	@tests/support/setup demo
	@tests/support/stage "build (release)" cargo build --release --locked
	@.venv/bin/python examples/breast-cancer/tour.py --bin target/release/lazuli --home .cache/demo

.PHONY: test
test: ## everything that must pass: format, lints, documentation, tests on both databases, end-to-end tests
	@tests/support/setup test
	@tests/support/all

.PHONY: lint
lint: ## format, lints, documentation, licences
	@tests/support/check-prerequisites build
	@tests/support/all lint

.PHONY: reference
reference: ## write the generated reference pages again
	@UPDATE_REFERENCE=1 cargo test --package lazuli --quiet -- reference
	@UPDATE_REFERENCE=1 cargo test --package lazuli-api --quiet -- reference
	@UPDATE_SCHEMA=1 cargo test --package lazuli-store --quiet -- schema

.PHONY: bench
bench: ## measure the release build: start, idle, job overhead; tracking and artifacts beside mlflow server
	@tests/support/setup demo
	@tests/support/stage "build (release)" cargo build --release --locked
	@.venv/bin/python benches/startup.py --bin target/release/lazuli
	@.venv/bin/python benches/job_overhead.py --bin target/release/lazuli
	@.venv/bin/python benches/tracking.py --bin target/release/lazuli
	@.venv/bin/python benches/scale.py --bin target/release/lazuli --runs 10000
	@.venv/bin/python benches/training_loop.py --bin target/release/lazuli
	@.venv/bin/python benches/artifacts.py --bin target/release/lazuli
	@.venv/bin/python benches/growth.py --bin target/release/lazuli
	@.venv/bin/python benches/large_object.py --bin target/release/lazuli

.PHONY: clean
clean: ## remove what these commands made
	rm -rf target .venv .cache
