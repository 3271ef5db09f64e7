# make lab           from nothing to the course in JupyterLab (CPU=1: PyTorch without CUDA, CPU=0: with; PYTHON=...: another Python)
# make test          from nothing: everything that can be tested on this machine in some minutes, notebooks and browser included
# make test-long     what takes longer: the whole site, killed runs, Colab's versions, the lowest versions by nbval
# make quick         what takes a minute or so: linter, types, generated files, fast tests
# make lesson L=03   one lesson: built, linter, types, its exercises, both its copies, its controls in a browser
# make notebooks     the learner's notebooks and the solved ones, and the tables of lessons, from the lessons' sources
# make address URL=https://github.com/you/samlib   points the course to your own repository
# make site          the readable pages, whose widgets play with no kernel, into build/site: open build/site/index.html
# make results       train and attack again for the measured tables (some two hours on 2 cores)
# make bench         samlib beside its peers: steps of SAM and of PGD, memory, epochs; then, with ATTACKS=1, the evaluation beside
#                    AutoAttack, in strength and time (downloads CIFAR-10; CIFAR=folder: images from there)
# make format        ruff over everything
# make clean         remove what was made here

.PHONY: lab test test-long lowest quick lesson notebooks address site results bench format clean lint dev
PYTEST_ARGS ?=
# Small networks: one thread for each test process is fastest, and the same numbers come out everywhere.
THREADS = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
PYTEST_OPTIONS = -n auto --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)
PYTEST = $(THREADS) .venv/bin/python -m pytest $(PYTEST_OPTIONS)
# The lessons' copies, of the kinds in $(2) and lessons in $(3), by nbval: all cells of a notebook in one process.
NBVAL = -m pytest -n auto --dist loadfile --nbval-lax --nbval-current-env --nbval-cell-timeout=120 build/lessons
nbval = $(THREADS) $(1)/bin/python tests/notebooks/lesson_copies.py $(2) && $(THREADS) $(1)/bin/python $(NBVAL)
# Where there is a browser, the fast targets run each lesson in it, and not a second time without.
BROWSER := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
LESSON = $(notdir $(basename $(wildcard notebooks/source/$(L)_*.py)))

lab:
	@scripts/setup.sh lab
	@exec .venv/bin/python scripts/lab.py $(LAB_ARGS)

dev:
	@scripts/setup.sh dev

lint: dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/python notebooks/build.py --check

test: lint
	$(PYTEST) tests -m "not long"
	$(if $(BROWSER),,$(call nbval,.venv,both))

# The site first: its lessons run on all cores, and the tests find them kept.
test-long: site
	$(PYTEST) tests -m long
	$(MAKE) lowest

# A second environment, with every requirement at its lower bound, on a Python that those versions know.
lowest:
	@scripts/lowest.sh
	$(THREADS) .venv-lowest/bin/python -m pytest $(PYTEST_OPTIONS) tests/core tests/course -m "not long and not slow"
	$(call nbval,.venv-lowest,both)

quick: lint
	$(PYTEST) tests -m "not long and not slow and not browser"

lesson: dev
	@test -n "$(LESSON)" || { echo "Which lesson? make lesson L=03 takes one of:" notebooks/source/[0-9]*.py; exit 2; }
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/python notebooks/build.py
	.venv/bin/python -m mypy
	$(PYTEST) tests/course tests/notebooks tests/browser -k "$(patsubst $(L)_%,%,$(LESSON))"
	$(if $(BROWSER),,$(call nbval,.venv,both $(L)))

notebooks: dev
	.venv/bin/python notebooks/build.py

address: dev
	@.venv/bin/python scripts/address.py "$(URL)"

site: dev
	@$(THREADS) .venv/bin/python site/make.py

results:
	@scripts/setup.sh lab
	$(THREADS) .venv/bin/python -m samlib results

# torchattacks asks for an old requests, which nothing here needs.
bench: dev
	.venv/bin/python -m pip install --quiet foolbox
	.venv/bin/python -m pip install --quiet --no-deps torchattacks
	.venv/bin/python -m samlib bench --out benchmarks/results/steps.json
	$(if $(ATTACKS)$(CIFAR),.venv/bin/python -m benchmarks.autoattack $(if $(CIFAR),--cifar "$(CIFAR)"))

format: dev
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

clean:
	rm -rf .venv .venv-lowest build *.egg-info .pytest_cache .hypothesis .ruff_cache .mypy_cache
