# The project's chores: `make` lists them.

# What makes the environment: `make PYTHON=python3.12` picks another.
PYTHON ?= python3
VERSION_CHECK := import sys; \
	sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))

BUILDIFIER := npm_config_fetch_retries=1 npm_config_loglevel=error \
	npx --yes @bazel/buildifier@8.2.1

VENV := .venv
# A copy of the requirements that are installed in it.
STAMP := $(VENV)/requirements.txt
# There from the making of the environment to the end of its first install.
INCOMPLETE := $(VENV)/incomplete

RECIPES := $(notdir $(basename $(wildcard l2l_tf/meta_training/recipes/*.json)))

# What TensorBoard shows: the demo's output where nothing else was trained.
LOGDIR ?= $(firstword $(wildcard runs demo_output) runs)

SOURCES := $(wildcard l2l_tf scripts tests benchmarks docs .ci)

# On all cores, a file at a time: its tests share what they compile.
PARALLEL := --numprocesses=auto --dist=loadfile --no-loadscope-reorder

# TensorFlow's start-up messages say nothing of interest.
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' \
		Makefile

.PHONY: demo
demo: venv  ## run the demo
	@$(VENV)/bin/python scripts/demo.py $(ARGS)

.PHONY: test
test: venv  ## run the tests on all cores; ARGS="-k name" picks some
	@$(VENV)/bin/python -m pytest tests $(PARALLEL) $(ARGS)

.PHONY: lint
lint: venv  ## check style, formatting and what rooms import
	@$(VENV)/bin/ruff check $(SOURCES)
	@$(VENV)/bin/ruff format --check $(SOURCES)
	@$(VENV)/bin/python .ci/check_rooms.py

.PHONY: format
format: venv  ## format the sources
	@$(VENV)/bin/ruff check --fix $(SOURCES)
	@$(VENV)/bin/ruff format $(SOURCES)

.PHONY: docs
docs: venv  ## build the documentation site in build/docs
	@$(VENV)/bin/python -m sphinx --fail-on-warning --keep-going --quiet \
		-d build/doctrees docs build/docs $(ARGS)
	@echo "The site: build/docs/index.html"

.PHONY: tutorials
tutorials: venv  ## execute the tutorials, and keep what they print and draw
	@$(VENV)/bin/python .ci/execute_tutorials.py docs/tutorials/*.ipynb

.PHONY: build-file
build-file: venv  ## write the BUILD files anew from the imports
	@$(VENV)/bin/python .ci/write_build.py

# Fetched first, so that a missing network is not taken for a finding.
.PHONY: check-build
check-build:  ## check the style of the Bazel files, where npm is installed
	@if ! command -v npx >/dev/null; then \
		echo "check-build: skipped, since npx is not installed"; \
	elif ! $(BUILDIFIER) --version >/dev/null 2>&1; then \
		echo "check-build: skipped, since npx cannot fetch buildifier"; \
	else \
		$(BUILDIFIER) -lint=warn -mode=check BUILD MODULE.bazel \
			l2l_tf/*/BUILD; \
	fi

# Each continues where it was stopped.
.PHONY: optimizers
optimizers: venv  ## train all bundled optimizers anew into runs/, for hours
	@for recipe in $(RECIPES); do \
		$(VENV)/bin/python scripts/train.py --recipe=$$recipe --resume \
			--save_path=runs/$$recipe $(ARGS) || exit; \
	done

.PHONY: tensorboard
tensorboard: venv  ## watch the runs in runs/, or LOGDIR=demo_output
	@$(VENV)/bin/tensorboard --logdir $(LOGDIR) $(ARGS)

.PHONY: clean
clean:  ## remove caches and build products, but no results
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache
	find $(SOURCES) -name __pycache__ -prune -exec rm -rf {} +

# Makes the environment where there is none, and installs the requirements when
# they have changed. An environment that was never completed is made anew:
# there is no telling in what state an interruption left it. Its removal starts
# with the interpreter, so that an interrupted removal shows.
.PHONY: venv
venv:
	@set -e; \
	cmp -s requirements.txt $(STAMP) && [ -x $(VENV)/bin/python ] && exit; \
	check_version() { \
		"$$1" -c '$(VERSION_CHECK)' 2>/dev/null && return; \
		echo "l2l_tf needs Python 3.10 to 3.13, but $$1 is" \
			"$$("$$1" --version 2>&1); try make PYTHON=..." >&2; \
		return 1; \
	}; \
	if [ -e $(INCOMPLETE) ] || [ ! -x $(VENV)/bin/python ]; then \
		check_version "$(PYTHON)"; \
		echo "Making $(VENV)"; \
		rm -rf $(VENV)/bin $(VENV); \
		mkdir $(VENV); \
		touch $(INCOMPLETE); \
		"$(PYTHON)" -m venv $(VENV); \
	fi; \
	check_version $(VENV)/bin/python; \
	echo "Installing requirements.txt in $(VENV)"; \
	$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || \
		$(VENV)/bin/python -m ensurepip >/dev/null; \
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		-r requirements.txt; \
	$(VENV)/bin/python -c 'import site; \
		open(site.getsitepackages()[0] + "/l2l_tf.pth", "w").write("$(CURDIR)")'; \
	cp requirements.txt $(STAMP); \
	rm -f $(INCOMPLETE)
