# Two commands from a fresh clone: `make run` serves, `make test` proves. Python 3.11 or newer and make is all they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CHROMIUM_TESTS := tests/chromium

.PHONY: run test browser lighthouse screenshots check bench bench-deadline stop help

help:
	@echo "make run    serve on http://127.0.0.1:8000, or make run PORT=8104 (installs and migrates first)"
	@echo "make test   run the tests against a PostgreSQL and a Redis of their own"
	@echo "make browser  run the tests in a real browser (apt-get install chromium)"
	@echo "make lighthouse, make screenshots  measure the pages, picture them into docs/images"
	@echo "make check  linters, types and the direction of imports"
	@echo "make bench  measure with N users (make bench N=10000000)"
	@echo "make bench-deadline  measure what the deadline costs a request"
	@echo "make stop   stop the embedded PostgreSQL, which outlives the service"

run: $(VENV)/installed
	@$(BIN)/flask db upgrade
	@$(BIN)/flask setup-link --before-start
	@exec $(BIN)/gunicorn wsgi:app

# Several processes, each with a PostgreSQL and a Redis of its own; more than there are cores, since many tests wait.
TEST_PROCESSES ?= 3
test: $(VENV)/installed-test
	$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile

browser: $(VENV)/installed-browser $(CHROMIUM_TESTS)/node_modules/.axe
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { echo "There is no Chromium: apt-get install chromium"; exit 1; }
	$(BIN)/pytest -m "browser and not heavy"

lighthouse: $(VENV)/installed-browser $(CHROMIUM_TESTS)/node_modules/.lighthouse
	@PYTHONPATH=tests $(BIN)/python -m chromium.lighthouse

screenshots: $(VENV)/installed-browser
	@PYTHONPATH=tests $(BIN)/python -m chromium.screenshots

check: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

N ?= 1000000
bench: $(VENV)/installed-test
	$(BIN)/python tests/benchmarks/bench.py --users $(N) --json bench-$(N).json

bench-deadline: $(VENV)/installed-test
	$(BIN)/python tests/benchmarks/deadline_overhead.py

stop: $(VENV)/installed
	@$(BIN)/flask embedded stop

# An environment without pip (Python without python3-venv left it), or of a Python that is gone, is made anew.
ifneq ($(wildcard $(VENV)/installed*),)
ifneq ($(shell $(BIN)/python -c 'import pip' 2>/dev/null && echo usable),usable)
$(shell rm -f $(VENV)/installed*)
endif
endif

$(VENV)/installed: EXTRAS = embedded
$(VENV)/installed-test: EXTRAS = test
$(VENV)/installed-dev: EXTRAS = dev
$(VENV)/installed-browser: EXTRAS = browser
$(VENV)/installed $(VENV)/installed-test $(VENV)/installed-dev $(VENV)/installed-browser: setup.cfg constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Rollcall needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	@$(BIN)/python -c 'import pip' 2>/dev/null || { \
		$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
			{ echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }; \
		test ! -e $(VENV) || test -e $(VENV)/pyvenv.cfg || \
			{ echo "$(VENV) exists and is not a virtual environment: remove it, or choose another folder (make VENV=…)"; exit 1; }; \
		$(PYTHON) -m venv --clear $(VENV); }
	@echo "installing rollcall[$(EXTRAS)] into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

# What is not Python comes from npm; what Lighthouse depends on is taken as it was on this day, too.
$(CHROMIUM_TESTS)/node_modules/.axe: LESS = --omit=dev
$(CHROMIUM_TESTS)/node_modules/.axe $(CHROMIUM_TESTS)/node_modules/.lighthouse: $(CHROMIUM_TESTS)/package.json
	@echo "installing what $< names …"
	@npm install --prefix $(CHROMIUM_TESTS) $(LESS) --before=2026-11-23 --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@
