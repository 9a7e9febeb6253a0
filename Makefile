# make help says what there is. Nothing is needed beforehand but Python (with venv) and a package index.

# The first that runs: a name on the PATH may be a shim with no Python behind it. Or: make PYTHON=/path/to/python test
ifndef PYTHON
PYTHON := $(shell for p in python3.11 python3.12 python3.13 python3.10 python3; do \
    $$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
        >/dev/null 2>&1 && echo $$p && break; done)
endif
# What pytest is told besides, as in: make test ARGS="tests/models -x"
ARGS :=
# Test files at a time, 0 for none apart. A file stays whole: its tests share what they have trained. The long files are
# first (tests/conftest.py): one that began last would leave the other cores idle.
JOBS := 2
PARALLEL := -n $(JOBS) --dist loadfile --no-loadscope-reorder
# make test SLOW=1: the slow tests and the workers' in the same run, so that what fixtures have trained serves all.
SLOW :=
FAST := -m 'not slow and not workers'

.PHONY: help venv venv-new venv-lint venv-parity lint format test test-slow test-new workers demo page pins clean-venv parity

help:
	@echo 'make lint        set up .venv-lint; ruff check, ruff format --check, mypy'
	@echo 'make format      the same environment: sort imports, apply what ruff can fix, format'
	@echo 'make test        set up .venv, run the tests: all that take no more than a few seconds each; SLOW=1: all'
	@echo 'make test-slow   set up .venv, run those that take longer: whole trainings, kills, several devices'
	@echo 'make test-new    set up .venv-new (TensorFlow 2.21 on any Python from 3.11), run the fast tests, one case of each'
	@echo 'make workers     set up .venv, train on two and on three worker processes and compare with one device'
	@echo 'make demo        set up .venv, then the whole chain on rendered birds: data, training, samples'
	@echo 'make page        set up .venv, open the page on the demo (RUN=runs/demo), or on another trained run'
	@echo 'make parity      set up .venv-parity (PyTorch, torch-fidelity, prdc), compare networks and scores with them'
	@echo 'make pins        dry runs: do the pins resolve on each Python found (PYTHONS=... names them instead)'
	@echo 'make clean-venv  remove the virtual environments'
	@echo 'PYTHON=...       which Python to use (3.10 to 3.13; now: $(PYTHON)); ARGS=... more arguments for pytest'
	@echo 'JOBS=...         test files at a time (now: $(JOBS)); 0: everything in one process'

venv:
	@bash tools/setup_venv.sh .venv requirements.txt "$(PYTHON)"

venv-new:
	@bash tools/setup_venv.sh .venv-new requirements-new.txt "$(PYTHON)"

venv-lint:
	@bash tools/setup_venv.sh .venv-lint requirements-lint.txt "$(PYTHON)" --tools-only

# All three run, whatever the first says.
lint: venv-lint
	@echo 'lint: ruff check, ruff format --check, mypy, in .venv-lint'
	@failed=0; \
	    .venv-lint/bin/ruff check --quiet || failed=1; \
	    .venv-lint/bin/ruff format --check --quiet --diff || failed=1; \
	    .venv-lint/bin/mypy || failed=1; \
	    exit $$failed

format: venv-lint
	@.venv-lint/bin/ruff check --fix --quiet; .venv-lint/bin/ruff format

test: venv
	@echo 'test: all tests$(if $(SLOW),, but the slow ones (make test SLOW=1, make test-slow)), in .venv'
	@.venv/bin/python -m pytest $(PARALLEL) $(if $(SLOW),-m 'slow or not slow',$(FAST)) $(ARGS)

test-slow: venv
	@echo 'test-slow: the slow tests, in .venv'
	@.venv/bin/python -m pytest $(PARALLEL) -m 'slow and not workers' $(ARGS)

test-new: venv-new
	@echo 'test-new: the fast tests on the newer stack, one case of each, in .venv-new'
	@.venv-new/bin/python -m pytest $(PARALLEL) $(FAST) --one-of-each $(ARGS)

workers: venv
	@echo 'workers: two and three worker processes against one device, in .venv'
	@.venv/bin/python -m pytest -m workers $(ARGS)

demo: venv
	@PYTHON="$(CURDIR)/.venv/bin/python" bash tools/demo.sh

# What the page draws with: make demo's run, else the model that comes with the package.
RUN ?= $(firstword $(patsubst %/checkpoints,%,$(wildcard runs/demo/checkpoints)) \
    $(basename $(notdir $(wildcard ffgan_tf/pretrained/birds-demo.safetensors))) none)

page:
	@if [ "$(RUN)" = none ]; then \
	    echo 'runs/demo: no trained run there yet. Fix: make demo (20 to 25 minutes), or make page RUN=DIR of another' >&2; \
	    exit 2; fi
	@$(MAKE) --no-print-directory venv
	@.venv/bin/python -m ffgan_tf.serve --run="$(RUN)" --open $(ARGS)

pins:
	@"$(PYTHON)" tools/check_pins.py $(PYTHONS)

clean-venv:
	rm -rf $(foreach name,.venv .venv-new .venv-lint .venv-parity,$(name) $(name).lock $(name).log)

# The references are pinned to the last one and go in without their dependencies: requirements-parity.txt says why. All
# else, this project too, comes from .venv: TensorFlow a second time would take a minute and 2 GB.
# No test found (a reference is missing) is exit code 5 of pytest, and so a failure here.
venv-parity: venv
	@bash tools/setup_venv.sh .venv-parity requirements-parity.txt "$(PYTHON)" --tools-only
	@echo "import site; site.addsitedir('$$(echo "$(CURDIR)"/.venv/lib/python*/site-packages)')" \
	    >"$$(echo .venv-parity/lib/python*/site-packages)/venv.pth"

parity: venv-parity
	@.venv-parity/bin/python -m pytest -q tests/parity $(ARGS)
