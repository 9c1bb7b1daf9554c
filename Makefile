# Each target makes what it needs; a second run takes seconds. Needs git, make and Python 3.11 or newer with venv;
# `interop` also needs Node 20 or newer with npm, and fails without.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
export UNDERSTUDY_HOME ?= $(CURDIR)/.understudy
BASE ?= benchmarks/base.json
TOLERANCE ?= 15

.PHONY: help demo test interop bench bench-compare check format lint types clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/run.stamp ## the main job: google-genai through the gateway against the simulator
	$(BIN)/understudy demo

test: $(VENV)/test.stamp ## all tests that need no client environment and no Node
	$(BIN)/python -m pytest -m 'not interop and not reliability' -n auto

interop: $(VENV)/test.stamp ## Google's clients for Python and JavaScript against simulator and gateway (needs Node)
	$(BIN)/python -m pytest -m 'interop and not other_clients' -n 2 --dist loadfile tests/interop

.PHONY: interop-clients client-coverage
interop-clients: $(VENV)/test.stamp ## other clients: OpenAI, Anthropic, LangChain, LiteLLM; Live by ADK, pipecat and livekit
	$(BIN)/python -m pytest -m other_clients tests/interop

.PHONY: second-opinions
second-opinions: $(VENV)/test.stamp ## ask genai-prices and LiteLLM what the grid of answers costs; write figures and docs
	PYTHONPATH=tests $(BIN)/python -m second_opinions

client-coverage: $(VENV)/test.stamp ## play all of google-genai, print the table, write docs/reference/client-coverage.md
	PYTHONPATH=tests $(BIN)/python -m interop.sdk_surface.coverage

bench: $(VENV)/run.stamp ## CPU and memory of gateway and simulator, beside plain peers; BENCH='--quick --only sse' (Linux)
	PYTHONPATH=benchmarks $(BIN)/python -m understudy_bench run --out bench.json $(BENCH)

bench-compare: $(VENV)/run.stamp ## hold the ratios of bench.json against BASE=file; TOLERANCE=percent
	PYTHONPATH=benchmarks $(BIN)/python -m understudy_bench compare $(BASE) bench.json --tolerance $(TOLERANCE)

.PHONY: autobahn
autobahn: $(VENV)/test.stamp ## Autobahn's WebSocket cases through the gateway (needs Docker, or wstest of Python 2.7)
	WEBSOCKETS_MAX_FRAGMENTS=200000 $(BIN)/python scripts/autobahn.py .autobahn $(CASES)

.PHONY: reliability soak
reliability: $(VENV)/test.stamp ## the faults that take long to make: 50 kills, 8,000 Live sessions, a log that nobody reads
	$(BIN)/python -m pytest -m reliability tests/reliability tests/soak

soak: $(VENV)/run.stamp ## 10 minutes of 200 clients, faults and kills; SOAK='--minutes N --clients N --seed N' (Linux)
	PYTHONPATH=soak $(BIN)/python -m understudy_soak $(SOAK)

.PHONY: mutants broken-gateways
mutants: $(VENV)/test.stamp ## broken gateways, then ours with a fault for each requirement; MUTANTS='--only HDR': these alone
	$(if $(MUTANTS),,PYTHONPATH=tests $(BIN)/python -m broken_gateways.matrix)
	PYTHONPATH=tests:benchmarks $(BIN)/python -m requirements.matrix $(MUTANTS)

broken-gateways: $(VENV)/test.stamp ## the suite against every broken gateway; BROKEN='NAME --json FILE'
	PYTHONPATH=tests $(BIN)/python -m broken_gateways.matrix $(BROKEN)

check: format lint types test demo interop ## all that CI runs

format: $(VENV)/lint.stamp ## is everything formatted?
	$(BIN)/ruff format --check .

lint: $(VENV)/lint.stamp ## ruff, and the shipped scenarios
	$(BIN)/ruff check .
	$(BIN)/understudy scenarios lint

types: $(VENV)/lint.stamp ## pyright: strict, tests basic; both at once, after it has fetched what it is made of
	@$(BIN)/pyright --version
	$(BIN)/pyright --warnings -p tests & tests=$$!; $(BIN)/pyright --warnings; strict=$$?; wait $$tests && exit $$strict

clean: ## remove environments and state
	rm -rf $(VENV) .understudy dist build

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "understudy needs Python 3.11 or newer; set PYTHON=/path/to/python" >&2; exit 2; }
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) || { echo "python -m venv failed; on Debian: apt install python3-venv" >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'

$(VENV)/run.stamp: $(BIN)/python pyproject.toml
	@echo "installing understudy into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp
	@echo "installing what the tests need into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group test
	@touch $@

$(VENV)/lint.stamp: $(VENV)/test.stamp
	@echo "installing formatter, linter and type checker into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group lint
	@touch $@
