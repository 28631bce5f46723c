# Each target works alone from a clean clone: what a machine lacks is installed by scripts/setup.
.DEFAULT_GOAL := help
CARGO ?= cargo

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## make this machine ready: packages, a Docker Engine, the base image; only what is missing
	@scripts/setup

.PHONY: demo
demo: setup ## watch a push go live, a change, and a broken one; KEEP=1 leaves it running
	@KEEP="$(KEEP)" scripts/with-engine scripts/demo

.PHONY: test
test: setup ## every test (T=words: only those whose name holds them)
	@scripts/with-engine scripts/test $(T)

.PHONY: compose-differential
compose-differential: setup ## projects made by chance, beside `docker compose` (SEED=1 CASES=2000 COMPOSE="docker compose")
	@SEED="$(SEED)" CASES="$(CASES)" COMPOSE="$(or $(COMPOSE),docker compose)" scripts/with-engine \
		$(CARGO) test --locked --lib -- --ignored --nocapture differential::thousands beside_compose::containers

.PHONY: lint
lint: setup ## formatting and clippy, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	@# What is fuzzed is a package of its own, with a lock file of its own.
	$(CARGO) tree --locked --manifest-path fuzz/Cargo.toml >/dev/null

.PHONY: fmt
fmt: ## format the code
	$(CARGO) fmt --all

.PHONY: build
build: ## the binary: target/release/launchway
	@scripts/setup build
	$(CARGO) build --locked --release

.PHONY: docs
docs: ## the book of docs/, in target/book (needs crates.io the first time)
	@scripts/setup docs
	@target/tools/bin/mdbook build docs

.PHONY: bench
bench: setup ## the figures of docs/BENCHMARKS.md
	@scripts/with-engine $(CARGO) bench --locked

.PHONY: fuzz
fuzz: ## run the fuzz targets, S seconds each (T=words: only those targets)
	@scripts/setup fuzz
	@scripts/fuzz $(or $(S),60) $(T)

.PHONY: package-test
package-test: ## build the image, bring up docker-compose.yml, deploy examples/shop through it (needs root)
	@scripts/setup packaging
	@scripts/with-engine tests/packaging.sh

.PHONY: restart-test
restart-test: setup ## restart an engine of its own, and pull its plug, in the middle of deployments (needs root)
	@tests/own-engine test

.PHONY: contract
contract: ## hold the GitHub client against GitHub's published API description (needs the npm registry)
	@scripts/setup contract
	@tests/contract/run
