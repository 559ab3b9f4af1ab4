# `make help` lists what there is to make. Every target does the set-up that it needs, and can be repeated.

# the Python (3.10 or newer) that the virtual environment is made with
PYTHON ?= python3
VENV ?= .venv
# more flags for pip, such as where to find a build of torch without CUDA: make setup PIP_ARGS='--extra-index-url ...'
PIP_ARGS ?=
# overrides for `make train`, arguments for `make test`
ARGS ?=
# the extras in requirements.lock; pyproject.toml says why others are not
LOCKED := track cluster serve dev

RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo train serve test test-fast test-transformers browser lint lock docs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED)  ## make .venv with the locked dependencies and this package (PYTHON=python3.12 chooses the Python)
	@echo "set up in $(VENV): try \`make demo\`"

demo: $(INSTALLED)  ## train on the corpus that comes with the project, then translate and draw alignments (7.5 minutes on two cores with AVX2)
	@$(RUN) -m mt.train experiment=demo
	@echo "three sentences that it has never seen, and its translations:"
	@head -n 3 data/bundled/test.en
	@head -n 3 data/bundled/test.en | $(RUN) -m mt.translate --checkpoint checkpoints/demo
	@head -n 3 data/bundled/test.en | $(RUN) -m mt.align --checkpoint checkpoints/demo --source - --output outputs/demo/heatmaps
	@echo "open outputs/demo/heatmaps/alignments.html in a browser: which word looked at which, head by head"

train: $(INSTALLED)  ## train with the settings in ARGS, as in: make train ARGS='experiment=demo trainer.seed=2'
	@$(RUN) -m mt.train $(ARGS)

serve: $(INSTALLED)  ## translate over HTTP with the demo's model (trained first if need be), and print the address
	@[ -e checkpoints/demo/best ] || $(RUN) -m mt.train experiment=demo
	@$(RUN) -m mt.serve --checkpoint checkpoints/demo $(ARGS)

# one more than cores: now and then a test only waits for a process
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN) + 1)
# pytest keeps the test files that it has rewritten, also where Python is told to keep no compiled files: else every run
# takes 8 s longer
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(RUN) -m pytest -n $(WORKERS) --dist loadfile

test-fast: $(INSTALLED)  ## the tests that need no training, no process, no export and no browser
	@$(PYTEST) -m "not slow" $(ARGS)

test: $(INSTALLED) lint browser  ## lint, then run the tests (ARGS='-k beam' chooses some); as root on Debian it first installs Chromium
	@$(PYTEST) $(ARGS)

# what pip installs for the next target, such as transformers==4.57.6
TRANSFORMERS ?= transformers>=4.57

test-transformers: $(INSTALLED)  ## install transformers, which the lock does not have, and run the tests that need it
	@$(PIP) install --quiet --root-user-action=ignore $(PIP_ARGS) -c requirements.lock '$(TRANSFORMERS)'
	@$(RUN) -m pytest tests/checkpoint/test_marian.py tests/interchange -k "marian or transformers or tokenizer_json" $(ARGS)

# the alignment page is tested in a browser; without one those tests say so and are skipped
browser:
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null && command -v chromedriver >/dev/null || \
	    { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "installing Chromium for the tests of the alignment page" && \
	    export DEBIAN_FRONTEND=noninteractive && \
	    { apt-get -qq -o Acquire::http::Timeout=30 update; \
	    apt-get -qq -o Acquire::http::Timeout=30 install -y --no-install-recommends chromium chromium-driver; } >/dev/null 2>&1; } || \
	    echo "no Chromium with its driver here: the tests in a browser are skipped (on Debian: apt-get install chromium chromium-driver)"

lint: $(INSTALLED)  ## check the style of the code and its types
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy

lock: $(INSTALLED)  ## write requirements.lock anew from pyproject.toml (ARGS=--upgrade takes the newest versions)
	@$(PIP) install --quiet uv
	@$(RUN) -m uv pip compile pyproject.toml $(addprefix --extra ,$(LOCKED)) --universal --python-version 3.10 --quiet \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --output-file requirements.lock $(ARGS)

# the site of README.md, docs/ and the docstrings; --strict: a link that leads nowhere ends it
docs: $(INSTALLED)  ## build the documents as a site in outputs/site (installs the extra docs, which the lock does not have)
	@$(PIP) install --quiet --root-user-action=ignore $(PIP_ARGS) --no-build-isolation --editable '.[docs]'
	@NO_MKDOCS_2_WARNING=true $(RUN) -m mkdocs build --quiet --strict
	@echo "open outputs/site/index.html in a browser; search needs a server: $(RUN) -m http.server --directory outputs/site"

clean:  ## delete .venv and what tools left behind (data/, checkpoints/ and outputs/ stay)
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find mt tests scripts -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(INSTALLED): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not there: install Python 3.10 or newer, or name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1), and 3.10 or newer is needed: make PYTHON=python3.12, for example" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	    { echo "$(PYTHON) cannot make virtual environments: install its venv module (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@$(RUN) -m pip --version >/dev/null 2>&1 || { echo "making the virtual environment $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "installing the locked dependencies into $(VENV) (minutes the first time: torch is large)"
	@$(PIP) install --quiet --root-user-action=ignore $(PIP_ARGS) -r requirements.lock
	@$(PIP) install --quiet --root-user-action=ignore --no-deps --no-build-isolation --editable .
	@touch $@
