# `make help` lists what there is. ARGS is handed on: make demo ARGS=-resume, make test ARGS="-k ranking".
SHELL := /bin/bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONDONTWRITEBYTECODE := 1

ENGINE ?= $(or $(shell command -v docker),$(shell command -v podman))
JOBS ?= 2
MINUTES ?= 10
SEED ?= 1
IMAGES := core torch report
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' bin/scperturb_cmap/__init__.py)

.DEFAULT_GOAL := help
.PHONY: help setup demo real test test-images test-scale test-faults fuzz audit bench validate-real lint pictures lock images $(IMAGES:%=image-%) clean

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' Makefile | awk -F'|' '{printf "make %-13s %s\n", $$1, $$2}'

setup: ## the Python environment in .venv, and Nextflow where none is installed
	@tools/setup.sh

demo: setup ## run the pipeline on the small demo data
	nextflow run . -profile test --outdir results/demo $(ARGS)
	@echo; echo "Open the report in a browser: results/demo/report/index.html"

real: setup ## run it on the real data, in ../shared/data or REAL_DATA=FOLDER
	@tools/run_real.sh $(ARGS)

# The JVM options make many short runs of Nextflow faster; a long run is better off without them.
test: export NXF_OPTS = -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx1g
test: export NXF_ANSI_LOG = false
test: setup ## all tests, two files side by side (JOBS=0: one after the other, with what they print)
	pytest --numprocesses $(JOBS) --dist loadfile $(ARGS)

# The build sees the package registry as this machine does: its network, its certificates.
HERE := --network=host $(if $(wildcard /etc/ssl/certs),--volume /etc/ssl/certs:/etc/ssl/certs:ro)
test-images: export CONTAINERS_CONF ?= $(CURDIR)/tools/local/containers.conf
test-images: setup ## Podman and the images, so that `make test` runs the demo in them as well (Debian, as root)
	base=$$(tools/local/podman.sh) && \
	    $(MAKE) images ENGINE=podman BUILD_ARGS="--pull=never $(HERE) --build-arg BASE=$$base"

test-faults: export TEST_FAULTS = 1
test-faults: export NXF_OPTS = -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx1g
test-faults: setup ## those alone that kill tasks, Nextflow and disks in the middle of runs, and resume
	pytest -s tests/faults $(ARGS)

fuzz: setup ## every parser on made-up and damaged files, MINUTES=10 in all (SEED=new: others than last time)
	FUZZ_MINUTES=$(MINUTES) FUZZ_SEED=$(if $(filter new,$(SEED)),$$(date +%s),$(SEED)) pytest --capture=no --durations=0 tests/fuzz $(ARGS)

test-scale: export TEST_SCALE = 1
test-scale: export NXF_OPTS = -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx1g
test-scale: export NXF_ANSI_LOG = false
test-scale: setup ## the workflow with 2,000 shards and 200 populations, without its stages (minutes)
	pytest -s tests/pipeline/test_scale.py $(ARGS)

bench: setup ## speed and memory beside the peers; writes docs/benchmarks.md (ARGS='gctx' for one of them)
	tools/bench_env.sh
	.venv/bench/bin/python tests/benchmarks/run_all.py $(ARGS)

validate-real: export OPENBLAS_NUM_THREADS = 1
validate-real: export OMP_WAIT_POLICY = PASSIVE
validate-real: setup ## the learned embedding on unseen compounds of the real data, beside ../shared/data (ARGS='--seeds 1')
	nice python tests/validation/validate_real.py $(if $(REAL_DATA),--data $(REAL_DATA)) $(ARGS)

lint: setup ## style of the code, layers of the library, Nextflow syntax
	ruff check .
	lint-imports --no-logo --no-cache
	tools/nf_lint.sh

pictures: setup ## pictures for README and docs/output.md, from the demo's report (REPORT=FOLDER for another)
	tools/make_pictures.py $(or $(REPORT),results/demo/report) docs/images

lock: setup ## bring containers/constraints.txt up to date with the requirements
	eval "$$(python tools/pip_to_uv.py)" && uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	    --fork-strategy fewest --no-annotate --no-header --no-emit-index-url --output-file containers/constraints.txt \
	    containers/*/requirements.txt tools/requirements.txt && tools/make_conda.py && tools/audit_pins.py

audit: setup ## docs/dependencies.md: release dates of all pins, and what the package index has withdrawn
	tools/audit_pins.py $(ARGS)

images: $(IMAGES:%=image-%) ## container images and their bills of materials (TORCH_BACKEND=cpu: without CUDA; BUILD_ARGS is handed on)

$(IMAGES:%=image-%): image-%: setup
	@[ -n "$(ENGINE)" ] || { echo "Building images needs docker or podman: install one of them." >&2; exit 1; }
	$(ENGINE) build $(BUILD_ARGS) $(if $(TORCH_BACKEND),--build-arg UV_TORCH_BACKEND=$(TORCH_BACKEND)) \
	    --tag scperturb-cmap-$*:$(VERSION) --file containers/$*/Dockerfile containers
	@tools/bill_of_materials.py $(ENGINE) scperturb-cmap-$*:$(VERSION) results/images

clean: ## delete work/, results/ and Nextflow's logs
	rm -rf work results .nextflow*
