# make help lists the targets. The two that matter: make demo, make check.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PYTHONPATH := tools
export PYTHONDONTWRITEBYTECODE := 1
export PATH := $(PATH):/usr/sbin:/sbin
PYTHON := .venv/bin/python
STAMP := .venv/.installed
MEASURED := failures chaos chaos-cluster failover pictures bench-scale bench-capacity

.PHONY: help demo test check fuzz mutants browser evidence-check e2e stores chaos chaos-cluster docs pictures bench bench-images bench-failover soak lock upgrade audit release reproducible docs-site walkthrough chart install-yaml gitops flux kubeconform test-kind bench-scale bench-capacity clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(STAMP): locks/dev.txt pyproject.toml
	@echo "== Python environment (.venv) from locks/dev.txt"
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, python3 is $$(python3 --version)"; exit 1; }
	@test -x $(PYTHON) || python3 -m venv .venv || { echo "python3 -m venv failed: on Debian, apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/dev.txt
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## a cluster, a store, the operator, and an ImageJob over real photos
	@$(PYTHON) -m demo

test: $(STAMP) ## everything that CI runs, with a table of the steps
	@$(PYTHON) -m testsuite

check: $(STAMP) ## the fast gates: format, lint, types, imports, unit tests (under a minute)
	@$(PYTHON) -m testsuite --only check

fuzz: $(STAMP) ## the fuzzers of tests/hostile with new examples; MINUTES of CPU time (5) changes it
	@PYTHONPATH=tools:tests $(PYTHON) -m hostile --minutes $(or $(MINUTES),5)

evidence-check: $(STAMP) ## before a release: the measurements cover every case and scenario, within their limits
	@$(PYTHON) -m pytest -q --no-header tests/evidence

e2e: $(STAMP) ## the end-to-end tests on a real cluster
	@$(PYTHON) -m testsuite --only e2e

test-kind: $(STAMP) ## the end-to-end tests on kind by Podman, without a registry (25 minutes)
	@$(PYTHON) -m localcluster images --no-load operator processor minio
	@IMAGEJOB_TEST_CLUSTER=$(or $(IMAGEJOB_TEST_CLUSTER),kind) $(PYTHON) -m localcluster with-kind $(PYTHON) -m testsuite --only kind

stores: $(STAMP) ## the contract and the e2e cases of a store on every S3 server; SERVERS names some (40 minutes)
	@PYTHONPATH=tools:tests $(PYTHON) -m s3_servers $(SERVERS)

chaos: $(STAMP) ## the operator killed at every request of every scenario, in memory, and every fault (half an hour)
	@PYTHONPATH=tools:tests $(PYTHON) -m chaos

chaos-cluster: $(STAMP) ## a hundred kills of the operator on a real cluster; KILLS and SEED change it (15 minutes)
	@IMAGEJOB_CHAOS_KILLS=$(or $(KILLS),100) IMAGEJOB_CHAOS_SEED=$(SEED) $(PYTHON) -m pytest -q --no-header tests/e2e/load/test_killed_at_random.py

docs: $(STAMP) ## generate the pages, with the newest measurements in out/
	@$(PYTHON) -m docgen $(wildcard $(MEASURED:%=out/%.json))

docs-site: $(STAMP) ## the documentation site in out/site; a broken link, anchor or list is an error
	@$(PYTHON) -m docsite

walkthrough: $(STAMP) ## the commands of README and quickstart as a new user types them; CLUSTER=1 with make demo, WRITE=1 writes the pages
	@$(PYTHON) -m walkthrough $(if $(CLUSTER),--cluster) $(if $(WRITE),--write)

chart: $(STAMP) ## update the chart's copies of manifests/ and crds/, and package it into out/
	@$(PYTHON) -m distribution chart

install-yaml: $(STAMP) ## write out/install.yaml; REGISTRY is that of the images
	@$(PYTHON) -m distribution install-yaml $(if $(REGISTRY),--registry $(REGISTRY))

gitops: $(STAMP) ## what Argo CD, Flux and kstatus say of every status and every example, as tables (minutes to build)
	@$(PYTHON) -m pytest -q --no-header -rP tests/gitops

flux: $(STAMP) ## ImageJobs under Flux's own controllers, on a real cluster: apply, sync, prune, health (minutes to build)
	@$(PYTHON) -m localcluster build flux
	@$(PYTHON) -m pytest -q --no-header tests/e2e/flux

kubeconform: $(STAMP) ## the chart and install.yaml against the schemas of Kubernetes 1.32 to 1.37 (downloads Go modules)
	@$(PYTHON) -m pytest -q --no-header tests/helm/test_conformity.py
	@$(PYTHON) -m distribution kubeconform

pictures: $(STAMP) ## hundreds of image files through every output format, compared with libvips (10 minutes)
	@PYTHONPATH=tools:tests $(PYTHON) -m pictures

bench: $(STAMP) ## benchmarks, as ratios
	@$(PYTHON) -m pytest bench -q

bench-images: $(STAMP) ## cost of an image, compared with pyvips and sharp (minutes; needs npm)
	@$(PYTHON) bench/images/run.py

bench-failover: $(STAMP) ## 25 takeovers between two replicas in a burst of 200 ImageJobs (15 minutes)
	@IMAGEJOB_FAILOVER_JOBS=200 IMAGEJOB_FAILOVER_ROUNDS=5 $(PYTHON) -m pytest -q --no-header tests/e2e/load/test_failover.py

bench-scale: $(STAMP) ## rate and cost of ImageJobs, beside native Jobs and bare Pods; JOBS (200) changes the number (40 minutes)
	@PYTHONPATH=tools:bench:tests $(PYTHON) -m scale --jobs=$(or $(JOBS),200)

bench-capacity: $(STAMP) ## 10,000 ImageJobs, one of 100,000 items, a long queue, latency, refused requests; PART names some (45 minutes)
	@PYTHONPATH=tools:bench:tests $(PYTHON) -m capacity $(PART)

browser: $(STAMP) ## animations as Chromium shows them, SEEDS changes their number; and the gallery (minutes; needs Chromium and npm)
	@PYTHONPATH=tools:tests $(PYTHON) -m browser --seeds $(or $(SEEDS),10)
	@$(PYTHON) -m pytest -q --no-header -rP tests/browser

mutants: $(STAMP) ## changes to the code, one at a time, that the unit tests must notice; COUNT and SEED change the sample (15 minutes)
	@$(PYTHON) -m mutants --count=$(or $(COUNT),200) --seed=$(or $(SEED),1)

soak: $(STAMP) ## 5,000 ImageJobs on simulated nodes: the operator's memory must not grow (20 minutes)
	@PYTHONPATH=tools:bench $(PYTHON) -m soak

lock: $(STAMP) ## update the lock files from pyproject.toml
	@for part in operator processor cli local bench audit dev; do .venv/bin/uv pip compile --quiet --universal pyproject.toml --extra $$part \
	  --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	  -o locks/$$part.txt || exit 1; done

upgrade: $(STAMP) ## from the last release to this tree and back, with ImageJobs in every phase; PREVIOUS names another revision
	@IMAGEJOB_PREVIOUS=$(PREVIOUS) $(PYTHON) -m pytest -q --no-header tests/e2e/upgrade

audit: $(STAMP) ## known vulnerabilities of the locked packages; fails if one was not looked up (needs PyPI's JSON API)
	@.venv/bin/uv venv --quiet --clear build/audit
	@.venv/bin/uv pip install --quiet --python build/audit --require-hashes -r locks/audit.txt
	@PATH=$(CURDIR)/build/audit/bin:$$PATH $(PYTHON) -m release.audit locks/operator.txt locks/processor.txt locks/cli.txt locks/local.txt

release: $(STAMP) ## everything that a release publishes, in out/release
	@$(PYTHON) -m release

reproducible: $(STAMP) ## build both images twice without a cache; a difference is an error (2 minutes)
	@$(PYTHON) -m release.reproducible

clean: ## stop the clusters of this tree and remove build results
	@test ! -x $(PYTHON) || { $(PYTHON) -m localcluster down --name demo; $(PYTHON) -m localcluster down --name test; $(PYTHON) -m localcluster down --name test-2; }
	@rm -rf .venv build out .pytest_cache .mypy_cache .ruff_cache .hypothesis
