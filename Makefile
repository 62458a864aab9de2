# make demo   a fresh machine: environment, core install, then the main job end to end
# make demo-train   with torch: simulates, trains a detector for a minute, predicts, scores
# make test   a fresh machine: environment, install, lint, types, docs, wheel, the fast tests
# make test-slow   many kills, full size: run before a release

# A step whose output goes through tee fails all the same.
SHELL = /bin/bash
.SHELLFLAGS = -o pipefail -c

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --no-input
DEMO = demo

# Checks pages for barriers; without npm, the tests that use it are skipped.
AXE = $(VENV)/axe/node_modules/axe-core/axe.min.js
$(AXE): $(VENV)/.dev
	-command -v npm > /dev/null && npm install --silent --no-audit --no-fund --prefix $(VENV)/axe axe-core@4.14.1

OLDER = $(VENV)-datasets-3

# An older `datasets`, which has to load what we publish as well: for the slow tests.
$(OLDER)/.done:
	$(PYTHON) -m venv $(OLDER)
	$(OLDER)/bin/python -m pip --disable-pip-version-check --no-input install --quiet "datasets==3.6.0" pillow
	touch $@

TRAINERS = $(VENV)-trainers

# Trainers that read our exports, which bring an OpenCV of their own or download models: apart from
# the main environment, whose libraries they share. For the slow tests.
$(TRAINERS)/.done: $(VENV)/.dev
	$(PYTHON) -m venv $(TRAINERS)
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
	  > $$($(TRAINERS)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/main.pth
	$(TRAINERS)/bin/python -m pip --disable-pip-version-check --no-input install --quiet --no-deps \
	  ultralytics==8.4.190 ultralytics-thop psutil py-cpuinfo polars matplotlib contourpy cycler \
	  fonttools kiwisolver pyparsing transformers tokenizers safetensors regex
	touch $@

# The tests' own files: in memory where 4 GB are free there, since builds wait for the disk.
SCRATCH := $(shell df --output=avail -k /dev/shm 2> /dev/null | awk '$$1 > 4000000 {free = 1} \
  END {print free ? "/dev/shm" : ENVIRON["TMPDIR"] ? ENVIRON["TMPDIR"] : "/tmp"}')

# What this is set to keep from being written, each of a thousand processes would compile again.
unexport PYTHONDONTWRITEBYTECODE

# The theme advertises its successor at every build.
export NO_MKDOCS_2_WARNING = 1

.PHONY: demo demo-train test test-slow lint types site wheel fast docs clean

# The stamps are younger than what decides about the installation.
$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'gtahead needs Python 3.11 or newer: make PYTHON=python3.11 ...')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.train: $(VENV)/.core
	$(PIP) install --quiet --constraint constraints.txt --editable '.[train]'
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/.core
	rm -rf $(DEMO)
	mkdir $(DEMO)
	$(BIN)/gtahead simulate --out $(DEMO)/captures --contact-sheet $(DEMO)/contact-sheet.png
	$(BIN)/gtahead build --raw $(DEMO)/captures --out $(DEMO)/dataset
	$(BIN)/gtahead info $(DEMO)/dataset | tee $(DEMO)/report.txt
	$(BIN)/gtahead view $(DEMO)/dataset --out $(DEMO)/view.png
	$(BIN)/gtahead report $(DEMO)/dataset --html $(DEMO)/report.html
	$(BIN)/gtahead annotate $(DEMO)/dataset --evaluate --image $(DEMO)/rules.png | tee -a $(DEMO)/report.txt
	$(BIN)/gtahead annotate $(DEMO)/dataset --sigma knn:k=3,beta=0.3 | tee -a $(DEMO)/report.txt
	for format in coco huggingface; do \
	  $(BIN)/gtahead export $(DEMO)/dataset --format $$format --out $(DEMO)/exports/$$format | tee -a $(DEMO)/report.txt || exit 1; \
	done
	$(BIN)/gtahead export $(DEMO)/dataset --format shanghaitech --allow-lossy --out $(DEMO)/exports/shanghaitech | tee -a $(DEMO)/report.txt
	$(BIN)/gtahead validate $(DEMO)/captures --fail-on warning | tee -a $(DEMO)/report.txt
	$(BIN)/gtahead validate $(DEMO)/dataset --images full --html $(DEMO)/validation.html | tee -a $(DEMO)/report.txt
	$(BIN)/gtahead validate $(DEMO)/exports/coco --against $(DEMO)/dataset | tee -a $(DEMO)/report.txt
	$(BIN)/gtahead build --raw $(DEMO)/exports/coco --out $(DEMO)/dataset-coco | tee -a $(DEMO)/report.txt
	$(BIN)/gtahead publish stage $(DEMO)/dataset --out $(DEMO)/release --repo your-name/simulated-crowds --creator "The demo" | tee -a $(DEMO)/report.txt
	$(BIN)/gtahead publish plan $(DEMO)/release | tee -a $(DEMO)/report.txt
	$(BIN)/gtahead pull $(DEMO)/release --out $(DEMO)/dataset-pulled | tee -a $(DEMO)/report.txt
	$(BIN)/gtahead verify $(DEMO)/dataset-pulled | tee -a $(DEMO)/report.txt
	$(BIN)/python tools/make_submission.py $(DEMO)/dataset --out $(DEMO)/predictions.json
	$(BIN)/gtahead benchmark $(DEMO)/predictions.json --data $(DEMO)/dataset --by all --coco-compat \
	  --out $(DEMO)/result.json --html $(DEMO)/score.html > $(DEMO)/score.txt
	for tool in jta-mods gcc; do \
	  $(BIN)/gtahead simulate --out $(DEMO)/$$tool --layout $$tool --quiet && \
	  $(BIN)/gtahead build --raw $(DEMO)/$$tool --out $(DEMO)/dataset-$$tool --quiet && \
	  $(BIN)/gtahead info $(DEMO)/dataset-$$tool | tee -a $(DEMO)/report.txt || exit 1; \
	done
	$(BIN)/gtahead view $(DEMO)/dataset-gcc --out $(DEMO)/view-gcc.png
	$(BIN)/gtahead export $(DEMO)/dataset --format points-csv --allow-lossy --out $(DEMO)/photographs --quiet
	rm $(DEMO)/photographs/export.json $(DEMO)/photographs/frames.csv
	$(BIN)/gtahead build --raw $(DEMO)/photographs --origin photographs --split 70:10:20 \
	  --out $(DEMO)/dataset-photographs | tee -a $(DEMO)/report.txt
	@echo
	cat $(DEMO)/score.txt | tee -a $(DEMO)/report.txt
	@echo
	@echo "demo: captures simulated, in gtahead's format and as JTA-Mods and GCC leave them, and datasets"
	@echo "built of them; exported, checked, and one of the exports built again; their points, taken for those of photographs,"
	@echo "give a dataset that is split by image, its boxes estimated from spacing; no image or head comes from a game,"
	@echo "and no method made the predictions that are scored: they are the ground truth, disturbed"
	@echo "report: $(DEMO)/report.html   what was printed: $(DEMO)/report.txt   images: $(DEMO)/contact-sheet.png, $(DEMO)/view.png   score: $(DEMO)/score.html"

demo-train: $(VENV)/.train
	rm -rf $(DEMO)/train
	mkdir -p $(DEMO)/train
	$(BIN)/gtahead simulate --preset mfl-lab --out $(DEMO)/train/captures
	$(BIN)/gtahead build --raw $(DEMO)/train/captures --out $(DEMO)/train/dataset --quiet
	$(BIN)/gtahead train $(DEMO)/train/dataset --preset tiny --out $(DEMO)/train/run
	$(BIN)/gtahead predict $(DEMO)/train/run/model.pt --data $(DEMO)/train/dataset --out $(DEMO)/train/predictions.json
	$(BIN)/gtahead benchmark $(DEMO)/train/predictions.json --data $(DEMO)/train/dataset --html $(DEMO)/train/score.html
	$(BIN)/gtahead view $(DEMO)/train/dataset --predictions $(DEMO)/train/predictions.json --out $(DEMO)/train/found.png
	@echo
	@echo "demo-train: a detector after about a minute's training on simulated crowds, scored on sequences that it never saw"
	@echo "model: $(DEMO)/train/run/model.pt   score: $(DEMO)/train/score.html   image: $(DEMO)/train/found.png"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 gtahead

# Does gtahead work here? It compiles numba's kernels besides, once for both test processes.
$(VENV)/.tried: $(VENV)/.dev
	$(BIN)/gtahead doctor
	touch $@

fast: $(VENV)/.tried $(AXE)
	scratch=$$(mktemp -d -p $(SCRATCH) XXXXXX) && trap 'rm -rf "$$scratch"' EXIT && \
	  TMPDIR=$$scratch $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" --durations=15

# The docs: every page made from the code is up to date, and mkdocs has nothing to warn of.
site: $(VENV)/.dev
	$(BIN)/python tools/make_docs.py --check
	$(BIN)/mkdocs build --strict --quiet --site-dir build/site

# The wheel: built, unpacked elsewhere, and run from there.
wheel: $(VENV)/.dev
	rm -rf build/wheel
	$(PIP) wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir build/wheel .
	$(BIN)/python tools/check_wheel.py build/wheel

test: lint types site wheel fast

test-slow: $(VENV)/.dev $(AXE) $(OLDER)/.done $(TRAINERS)/.done
	GTAHEAD_OLDER_DATASETS=$(abspath $(OLDER)/bin/python) \
	  GTAHEAD_TRAINERS=$(abspath $(TRAINERS)/bin/python) GTAHEAD_THOROUGH=1 \
	  $(BIN)/python -m pytest -n 2 -m "slow or hypothesis" --durations=15

docs: $(VENV)/.dev
	$(BIN)/python tools/make_docs.py
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) $(OLDER) $(TRAINERS) $(DEMO) site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
