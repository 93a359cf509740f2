# Every target makes and reuses .venv. Needs Python >= 3.11, make and a package index, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# A strict editable install links each file, so a new or removed file asks for a new install.
SOURCES := $(sort $(wildcard *.py */*.py */*/*.py))
TREE := $(shell echo '$(filter-out tests/% benchmarks/% build/%,$(SOURCES))' | cksum | cut -d' ' -f1)
RUN := $(VENV)/.installed-$(TREE)
DEV := $(VENV)/.installed-dev-$(TREE)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=strict

# numba does not see changes in functions that a cached kernel calls from another file.
KERNELS := $(VENV)/.kernels-$(shell cat *.py drivers/*.py sim/*.py sim/*/*.py protocols/*.py protocols/*/*.py app/fused/*.py | cksum | cut -d" " -f1)

.PHONY: demo test lint bench results clean

demo: $(RUN) $(KERNELS)
	$(BIN)/mtjloop train examples/wine/bench.yaml examples/wine/experiment.yaml --seed 0 --report

test: $(DEV) $(KERNELS)
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p mtjloop
	$(BIN)/mypy tests benchmarks
	$(BIN)/lint-imports

bench: $(DEV) $(KERNELS)
	$(BIN)/python -m benchmarks.run

results: $(DEV) $(KERNELS)
	$(BIN)/python -m benchmarks.results

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUN): pyproject.toml | $(BIN)/python
	@echo "installing mtjloop into $(VENV) (once)"
	@rm -rf build $(VENV)/.installed-*
	$(INSTALL) -e .
	@touch $@

$(DEV): pyproject.toml | $(BIN)/python
	@echo "installing mtjloop and its developer tools into $(VENV) (once)"
	@rm -rf build $(VENV)/.installed-*
	$(INSTALL) -e '.[dev]'
	@touch $@ $(RUN)

$(KERNELS): | $(BIN)/python
	@rm -f $(VENV)/.kernels-*
	@find . -name '*.nb[ic]' -not -path './.git/*' -exec rm -f {} +
	@touch $@
