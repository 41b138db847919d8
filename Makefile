# Two commands: `make demo` runs the main job on real inputs, `make test` checks everything.
# Both set up what they need; Python 3.11 or newer is all that must be there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint tools lock clean

demo: $(READY)
	$(BIN)/python -m benchmarks.demo

test: lint tools
	$(BIN)/python -m pytest -n auto

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The rescue recipe of container/FORMAT.md is carried out with nothing but a shell and zstd.
tools:
	@command -v zstd >/dev/null || { \
	  echo "installing zstd"; \
	  if command -v brew >/dev/null; then brew install --quiet zstd; \
	  elif [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq zstd; \
	  else sudo apt-get update -qq && sudo apt-get install -y -qq zstd; fi; }
	@zstd --version

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	touch $@

lock:
	pip-compile --quiet --allow-unsafe --extra=dev --extra=freeze --generate-hashes --no-emit-find-links \
	  --no-emit-index-url --no-emit-trusted-host --output-file=requirements.lock --strip-extras pyproject.toml

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
