# Two commands: `make demo` runs the main job on real inputs, `make test` checks everything.
# Both set up what they need; Python 3.11 or newer is all that must be there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint tools bench-gate lock clean release-rehearsal

demo: $(READY)
	$(BIN)/python -m benchmarks.demo

test: lint tools
	$(BIN)/python -m pytest -n auto

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Programs that tests run beside Python: judges of executables, emulators, and zstd.
tools:
	@.ci/tools

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	touch $@

# Every step of a release on one machine: pages, tap and users are stand-ins, the commands are not.
release-rehearsal: $(READY) tools
	$(BIN)/python -m fixtures.rehearsal $(REHEARSAL)

# Fails where a first start takes too long, a ratio leaves its bound, or instructions grow.
bench-gate: $(READY) tools
	$(BIN)/python -m benchmarks.gate $(GATE)

lock:
	pip-compile --quiet --allow-unsafe --extra=dev --extra=freeze --generate-hashes --no-emit-find-links \
	  --no-emit-index-url --no-emit-trusted-host --output-file=requirements.lock --strip-extras pyproject.toml

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
