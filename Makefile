# make run    install into .venv (no torch), build the sample index, open the chat page
# make test   install into .venv-test (with torch), run all tests
# make encoder CORPUS=…   distil the bundled encoder again (hours; see docs/encoder.md)

PYTHON ?= python3
HOST   ?= 127.0.0.1
PORT   ?= 7860
FAQ    ?= data/faq.csv
DB     ?= data/faq.db

RUN  := .venv/bin/python
TEST := .venv-test/bin/python
PIP_FLAGS := --quiet --disable-pip-version-check

.PHONY: run test encoder clean

run: .venv/installed
	@$(RUN) -m indexer prepare $(FAQ) --db $(DB)
	@exec $(RUN) app.py --db $(DB) --host $(HOST) --port $(PORT)

test: .venv-test/installed
	$(TEST) -m pytest $(ARGS)

.venv/installed: pyproject.toml constraints.txt
	@$(call make_venv,.venv)
	@echo "installing into .venv (a minute or two, once) …" >&2
	@$(RUN) -m pip install $(PIP_FLAGS) -c constraints.txt -e .
	@touch $@

.venv-test/installed: pyproject.toml constraints.txt
	@$(call make_venv,.venv-test)
	@echo "installing into .venv-test (some minutes, once) …" >&2
	@# torch first and by its exact version: a range would fetch the build for GPUs
	@$(TEST) -m pip install $(PIP_FLAGS) torch==2.13.0
	@$(TEST) -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[distill,dev]'
	@touch $@

define make_venv
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
  { echo "Python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=python3.12 …" >&2; exit 1; }; \
$(PYTHON) -m venv $(1) || \
  { echo "python3 cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; }
endef

clean:
	rm -rf .venv .venv-test *.egg-info
