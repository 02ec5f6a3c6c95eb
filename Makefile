# One command each; `make help` lists them. Everything installs into .venv, and nothing outside of it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo docs local-aws bench bench-scale cold-import test foreign soak fuzz mutants pictures check fix named-stage deploy package teardown clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

# $(call install,what is installed,its size,pip's arguments)
define install
@echo "Installing $(1) into $(VENV): $(2). Only once; nothing outside of this folder."
@$(PYTHON) -m venv $(VENV)
@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(3)
@touch $@
endef

$(STAMP): pyproject.toml requirements.txt requirements-dev.txt
	$(call install,Headroom and the tools to work on it,105 packages and 600 MB in about two minutes,-r requirements-dev.txt)

# The commands alone, without the tools for tests: enough for the demo.
COMMANDS := $(VENV)/.commands

$(COMMANDS): pyproject.toml requirements.txt
	$(call install,Headroom and what it runs on (boto3, moto, numpy),56 packages and 270 MB in about a minute,-e .)

demo: $(if $(wildcard $(STAMP)),$(STAMP),$(COMMANDS)) ## a day of traffic against the real app, in an embedded region (no AWS account needed)
	$(BIN)/headroom demo

PORT ?= 5000

local-aws: $(STAMP) ## an AWS of moto on this machine, to try every command: docs/start.md
	@echo "Paste this into another terminal. Ctrl-C ends the local AWS, and everything in it."
	@echo "export AWS_ENDPOINT_URL=http://127.0.0.1:$(PORT)"
	@echo "export AWS_DEFAULT_REGION=us-east-1"
	@echo "export AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing"
	@echo ". $(BIN)/activate"
	@$(BIN)/moto_server -p $(PORT) >/dev/null 2>&1

# The generator has an environment of its own: the tests do not need it.
DOCS := $(VENV)-docs
SITE := build/docs

$(DOCS)/.installed: pyproject.toml
	@echo "Installing the generator into $(DOCS): 35 packages and 120 MB. Only once."
	@$(PYTHON) -m venv $(DOCS)
	@$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' > $(DOCS)/requirements.txt
	@$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check -r $(DOCS)/requirements.txt
	@touch $@

docs: $(DOCS)/.installed ## the documentation as a site with search, in build/docs; a broken link fails
	$(DOCS)/bin/sphinx-build --fail-on-warning --keep-going --quiet --doctree-dir build/doctrees -c docs . $(SITE)
	@echo "Open $(SITE)/index.html"

TRACES ?= $(wildcard ../shared/traces)

bench: $(STAMP) ## the benchmark, on the traces of TRACES=folder, or else on generated ones
	$(BIN)/headroom bench $(if $(TRACES),--traces $(TRACES))

SCALE ?= 10,100,1000

bench-scale: $(STAMP) ## what it does in large accounts, of SCALE tables: make bench-scale SCALE=10,100
	$(BIN)/headroom bench-scale --tables $(SCALE)

cold-import: $(STAMP) ## how long the import of the package takes, beside that of an empty Chalice app
	$(BIN)/python -m headroom.deploy.cold_import

# Compiled tests and modules are kept, even where the environment says otherwise: the tests start many processes.
test foreign: export PYTHONDONTWRITEBYTECODE :=

test: $(STAMP) ## format, lint, types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist loadfile --cov -m "not foreign"

FOREIGN := .foreign
DYNALITE := $(FOREIGN)/node_modules/.package-lock.json

# Without npm, or without a registry, the tests that need a part are skipped with a reason.
$(DYNALITE): tests/foreign/package.json
	@mkdir -p $(FOREIGN) && cp $< $(FOREIGN)/
	-npm install --prefix $(FOREIGN) --no-audit --no-fund --loglevel=error

PARSERS := $(FOREIGN)/python/.installed

$(PARSERS): tests/foreign/requirements.txt
	@mkdir -p $(FOREIGN)
	-$(PYTHON) -m venv $(FOREIGN)/python \
	&& $(FOREIGN)/python/bin/python -m pip install --quiet --disable-pip-version-check -r $< \
	&& touch $@

foreign: $(STAMP) $(DYNALITE) $(PARSERS) ## tests against software of others: Lambda's runtime client, dynalite, cfn-lint, moto's server
	$(BIN)/pytest -n auto --dist loadfile -m foreign -rs

# Without HOURS it plays fixed seeds, as CI does; with SAVE=1 the figures are written.
soak: $(STAMP) ## seeded faults: random days on which calls fail, functions are killed, people interfere; SEEDS=8 for fewer, HOURS=1 for more
	$(BIN)/python -m tests.soak $(if $(HOURS),--hours $(HOURS)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SAVE),--save)

pictures: $(STAMP) ## the pictures of README and docs, with Chromium
	$(BIN)/python -m tests.foreign.pictures

MUTANTS ?= chalicelib.core.budget* chalicelib.core.plan* chalicelib.core.throttling* chalicelib.core.table_alarms*

fuzz: $(STAMP) ## broken messages, configurations, traces and imported files: make fuzz EXAMPLES=10000
	$(BIN)/python -m tests.fuzz $(if $(EXAMPLES),--examples $(EXAMPLES)) $(if $(SAVE),--save)

mutants: $(STAMP) ## how many changes to the engine's pure code its unit tests notice: make mutants MUTANTS="chalicelib.core.*"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check mutmut==3.8.1
	$(BIN)/mutmut run $(MUTANTS)
	$(BIN)/python -m tests.mutants

check: test ## the same as test

fix: $(STAMP) ## format, and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

named-stage:
	@test -n "$(STAGE)" || { echo "which stage? For example: make $(MAKECMDGOALS) STAGE=dev"; exit 2; }

deploy: $(STAMP) named-stage ## into your account: make deploy STAGE=dev (safe to repeat)
	$(BIN)/headroom setup --stage $(STAGE)
	$(BIN)/headroom deploy --stage $(STAGE)
	$(BIN)/headroom setup --stage $(STAGE)

package: $(STAMP) named-stage ## a SAM template and a Terraform module in out/: make package STAGE=dev
	$(BIN)/headroom package --stage $(STAGE) out

teardown: $(STAMP) named-stage ## everything out of your account, but never a table: make teardown STAGE=dev
	$(BIN)/headroom teardown --stage $(STAGE)

clean: ## remove what the commands above made
	rm -rf $(VENV) $(DOCS) build/docs build/doctrees $(FOREIGN) .pytest_cache .hypothesis .mypy_cache .ruff_cache .coverage *.egg-info
