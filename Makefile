# make lab        from nothing to the course in JupyterLab (CPU=1: without CUDA; PYTHON=...: another Python)
# make test       from nothing: everything that can be tested on this machine, notebooks included
# make notebooks  the learner's notebooks and the solved ones, from their sources
# make results    train and attack again for the measured tables (about an hour on 4 cores)
# make bench      samlib's evaluation beside torchattacks' AutoAttack, in strength and time (downloads CIFAR-10; CIFAR=folder: images from there)
# make format     ruff over everything
# make clean      remove what was made here

.PHONY: lab test notebooks results bench format clean
PYTEST_ARGS ?=
# Small networks: one thread for each test process is fastest, and the same numbers come out everywhere.
THREADS = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

lab:
	@scripts/setup.sh lab
	@echo "Opening the course in JupyterLab; stop it with Ctrl-C."
	@.venv/bin/jupyter lab --notebook-dir=. --LabApp.default_url=/lab/tree/notebooks/start.ipynb $(LAB_ARGS)

test:
	@scripts/setup.sh dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/python notebooks/build.py --check
	.venv/bin/python tests/notebooks/lesson_copies.py
	$(THREADS) .venv/bin/python -m pytest tests build/lessons -n auto --dist loadfile --no-loadscope-reorder --nbval-lax --nbval-current-env --nbval-cell-timeout=120 $(PYTEST_ARGS)

notebooks:
	@scripts/setup.sh dev
	.venv/bin/python notebooks/build.py

results:
	@scripts/setup.sh lab
	$(THREADS) .venv/bin/python -m samlib results

bench:
	@scripts/setup.sh dev
	.venv/bin/python -m benchmarks.autoattack $(if $(CIFAR),--cifar "$(CIFAR)")

format:
	@scripts/setup.sh dev
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

clean:
	rm -rf .venv build *.egg-info .pytest_cache .hypothesis .ruff_cache
