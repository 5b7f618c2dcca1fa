# Each target sets up .venv itself (once): Python 3.10 to 3.12, no root, no compiler, no ROS needed.
# Another interpreter: make PYTHON=python3.12 test

PYTHON ?= python3
PY := .venv/bin/python
# A process per core, but not more than four; the tests of one file stay together.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# Another stamp per sourced ROS: a .venv with ROS wheels does not go with one, and is then refused.
READY := .venv/.ready$(ROS_DISTRO)
SIM := .venv/.sim$(ROS_DISTRO)

# A python of another venv of ROS wheels tells its children not to find their libraries again.
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE

.PHONY: help sim demo soak test test-all check bench clean

help:
	@echo 'make demo      teach one recording, match others live through the ROS 2 node; a page'
	@echo 'make sim       add the physical simulator (MuJoCo), for smaknet simulate'
	@echo 'make soak      half an hour of two cameras into the node; does anything grow?'
	@echo 'make test      the tests, without those that take minutes'
	@echo 'make test-all  the tests, all of them'
	@echo 'make check     ruff, mypy --strict, the architecture test'
	@echo 'make bench     the speed claims, measured here, into docs/performance.md'
	@echo 'make clean     remove caches and build products, not .venv nor out/'

$(READY): setup.py .ci/constraints.txt .ci/set_up
	@PYTHON='$(PYTHON)' .ci/set_up

# A Python asked for by name is compared with the one .venv has.
ifeq ($(origin PYTHON),command line)
.PHONY: $(READY)
endif

$(SIM): $(READY) .ci/set_up_sim
	@.ci/set_up_sim $@

sim: $(SIM)

demo: $(READY)
	@$(PY) examples/live_demo.py

soak: $(READY)
	@$(PY) benchmarks/soak.py

test: $(READY)
	@$(PY) -m pytest $(PARALLEL) -m 'not slow'

test-all: $(READY)
	@$(PY) -m pytest $(PARALLEL)

check: $(READY)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy --strict
	@$(PY) -m pytest -q test/test_architecture.py test/test_packaging.py

bench: $(SIM)
	@$(PY) benchmarks/run_all.py

clean:
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find smaknet_core smaknet_ros launch test examples benchmarks -name __pycache__ -prune -exec rm -rf {} +
