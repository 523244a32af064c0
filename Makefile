# One line a target. `make help` lists them.
.DEFAULT_GOAL := help
# Tools that lint and interop install, outside the sources.
TENANTRY_TOOLS ?= .local/tools
CARGO_DENY := 0.20.2
CARGO_LAMBDA := 1.9.2
LAMBDA_TOOLS = $(abspath $(TENANTRY_TOOLS))/cargo-lambda-$(CARGO_LAMBDA)
TARGET = $${CARGO_TARGET_DIR:-target}
ARGS ?=

help: ## Lists the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Builds everything, starts the local stack, shows one line per request (ARGS="--api-port 0 …")
	@cargo build --workspace --bins && exec "$(TARGET)/debug/local-stack" $(ARGS)

watch: ## The same, and builds and replaces the functions whenever their sources change
	@cargo build --workspace --bins && exec "$(TARGET)/debug/local-stack" --watch $(ARGS)

watch-lambda: ## The same, with the functions under `cargo lambda watch` (installed from PyPI if missing)
	@cargo lambda --version >/dev/null 2>&1 || test -x "$(LAMBDA_TOOLS)/bin/cargo-lambda" || { \
		python3 -m venv "$(LAMBDA_TOOLS)" && \
		"$(LAMBDA_TOOLS)/bin/pip" install --quiet --disable-pip-version-check cargo-lambda==$(CARGO_LAMBDA); }
	@cargo build --workspace --bins && \
		PATH="$$PATH:$(LAMBDA_TOOLS)/bin" exec "$(TARGET)/debug/local-stack" --functions cargo-lambda $(ARGS)

reset: ## Empties the local stack's data
	@rm -rf .local/data .local/stack.json .local/stack.env .local/*.new && echo "The local stack's data is gone."

test: ## Runs every test: needs Rust, a C compiler and make
	cargo build --workspace --bins
	@# Four hundred connections at once are more than some systems' default of open files.
	@ulimit -n 4096 2>/dev/null || true; if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --workspace && cargo test --workspace --doc --quiet; else cargo test --workspace; fi

lint: fmt-check clippy docs deny ## Checks form, lints, docs, licences and dependencies

fmt-check:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

deny:
	@test -x "$(TENANTRY_TOOLS)/cargo-deny-$(CARGO_DENY)/bin/cargo-deny" || cargo install cargo-deny --version $(CARGO_DENY) --locked --root "$(TENANTRY_TOOLS)/cargo-deny-$(CARGO_DENY)"
	"$(TENANTRY_TOOLS)/cargo-deny-$(CARGO_DENY)/bin/cargo-deny" check bans licenses sources

interop: ## Runs the tests with strangers' tools: cfn-lint, the SAM translator, the AWS CLI, boto3
	@interop/run "$(TENANTRY_TOOLS)"

conformance: ## Tries rules of API Gateway and Lambda, and shows how sure each is (ARGS="--target URL" asks AWS)
	@cargo build --workspace --bins && exec "$(TARGET)/debug/conformance" $(ARGS)

bench-stack: ## Measures the local stack: requests a second, what gateway, checks and many tenants add, memory of limits
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo build --workspace --bins --release
	@exec "$(TARGET)/release/bench-stack" $(ARGS)

build: ## Builds the functions' zips for AWS (needs cargo-lambda)
	cargo lambda build --release --output-format zip $(addprefix --bin ,$(notdir $(wildcard functions/*))) $(ARGS)

.PHONY: help run watch watch-lambda reset test lint fmt-check clippy docs deny interop conformance bench-stack build
