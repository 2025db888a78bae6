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

# Where the training text lies, the teacher's checkpoint, and where the run is kept.
CORPUS  ?= ../shared/corpus
TEACHER ?= sentence-transformers/all-MiniLM-L6-v2
WORK    ?= build/encoder

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
	@# torch first and by its exact version, so that nothing below chooses another
	@$(TEST) -m pip install $(PIP_FLAGS) torch==2.13.0
	@$(TEST) -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[distill,dev]'
	@touch $@

define make_venv
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
  { echo "Python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=python3.12 …" >&2; exit 1; }; \
$(PYTHON) -m venv $(1) || \
  { echo "python3 cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; }
endef

# Files already made are kept: a broken run goes on where it stopped.
PAIRS  := afqmc/train_no_atec_devtest atec/train_partial_plus_afqmc_no_afqmcdev bq/train_partial \
  chip2019_sts/train simclue/train_1w simclue/train_positive_1w simclue/train_rank_1w_triplets \
  sohu_ss_A/train stsb/train triclue/train_triplets
COPIES := pair_questions jddc_chat taobao_chat beike_chat multicpr_ecom hotline_12345 \
  insuranceqa_zh csds_summaries
HELD_OUT = --exclude $(CORPUS) --exclude data/faq.csv --exclude data/queries.csv

encoder: .venv-test/installed
	mkdir -p $(WORK)
	test -s $(WORK)/idf.tsv.gz || $(TEST) -m distill idf $(CORPUS)/mono $(CORPUS)/parallel \
	  $(HELD_OUT) --minimum 8 -o $(WORK)/idf.tsv.gz
	test -s $(WORK)/tokenizer.json || $(TEST) -m distill vocabulary $(CORPUS)/mono \
	  $(CORPUS)/parallel $(HELD_OUT) --size 10000 -o $(WORK)/tokenizer.json
	$(TEST) -m distill teach $(CORPUS)/parallel --teacher $(TEACHER) --pooling own --bfloat16 \
	  $(HELD_OUT) -o $(WORK)/shards
	$(TEST) -m distill train --shards $(WORK)/shards --idf $(WORK)/idf.tsv.gz \
	  --tokenizer $(WORK)/tokenizer.json --config data/encoder-training.json $(HELD_OUT) \
	  $(PAIRS:%=--pairs $(CORPUS)/pairs/%.tsv) $(COPIES:%=--copies $(CORPUS)/mono/%.txt.xz) \
	  $(foreach set,atec bq lcqmc stsb,--dev $(CORPUS)/pairs/$(set)/dev.tsv) -o $(WORK)/run
	$(TEST) -m distill export $(WORK)/run -o data/encoder --name default

clean:
	rm -rf .venv .venv-test *.egg-info
