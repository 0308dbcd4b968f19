# Kernelpod: `make help` lists every target. Everything is installed in folders of
# this checkout (.tools .envs .venv .cache), nothing globally.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The Python that PY_VERSION names, or the newest supported one that tools/environment finds.
export PY_VERSION
PYTHONS := 3.10 3.11 3.12 3.13
OTHER_PYTHONS = $(filter-out $(shell tools/environment --which),$(PYTHONS))
# With these, modules of another installation would be imported instead of those of an environment.
unexport PYTHONPATH PYTHONHOME
UV := tools/environment --uv
LOCK := $(UV) pip compile --quiet --universal --python-version 3.10 --override requirements/overrides.txt --generate-hashes --no-emit-index-url --no-header --no-annotate
# The tests by tiers; what rents machines with Debian is checked with --strict.
TIERS := $(filter-out tests/fresh/,$(sort $(dir $(wildcard tests/*/*.py))))
CLUSTER := tests/cluster/cluster
# Another minor version of Kubernetes for the test cluster, such as 1.35.
export KERNELPOD_KUBERNETES := $(KUBERNETES)
# Commands use the cluster that KUBECONFIG names, or else the test cluster, from inside its network.
ON_CLUSTER := $(if $(KUBECONFIG),,$(CLUSTER) run --)
CLUSTER_TESTS := $(ON_CLUSTER) .venv/bin/python -m pytest -p no:cacheprovider --durations=12
# The deploy file: FILE, or else deploy.yaml. Without either and without KUBECONFIG, the test cluster's.
DEPLOYMENT := $(or $(FILE),$(wildcard deploy.yaml),$(if $(KUBECONFIG),deploy.yaml,tests/cluster/deploy.yaml))
ON_TEST_CLUSTER := $(filter tests/cluster/deploy.yaml,$(DEPLOYMENT))
KERNELPOD := $(if $(ON_TEST_CLUSTER),$(CLUSTER) run --) .envs/admin/bin/kernelpod

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: env-gateway env-hub env-kernels ## make the three environments: gateway + tools, hub + Lab, kernels

demo: env ## run hub, Lab, gateway and kernels on this machine; Ctrl-C stops them
	.venv/bin/kernelpod demo

demo-check: env ## run the demo's checks (the Alice scenario) and report the results
	.venv/bin/kernelpod demo --check

test-fresh: ## run the demo on a fresh Debian 13, as root and as a user (root; minutes)
	python3 tests/fresh/fresh.py $(ROUND)

test: env env-clients ## run test-unit, test-local and test-attacks (no root needed; no network beyond the package indexes)
	.venv/bin/python -m pytest
	.envs/hub/bin/python -m pytest -m hub tests/unit tests/attacks

test-unit: env ## run the fast tests only
	.venv/bin/python -m pytest tests/unit
	.envs/hub/bin/python -m pytest -m hub tests/unit

test-local: env env-clients ## run the tests with real gateways, kernels and hubs on this machine, half of them beside the others
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-local-first test-local-second

test-local-first:
	.venv/bin/python -m pytest -p no:cacheprovider tests/local/test_[a-m]*.py

test-local-second:
	.venv/bin/python -m pytest -p no:cacheprovider tests/local/test_[n-z]*.py

test-attacks: env ## try what strangers, students and editors of courses files must not get; the cluster's part is in test-cluster
	.venv/bin/python -m pytest tests/attacks tests/fuzz
	.envs/hub/bin/python -m pytest -m hub tests/attacks

fuzz: env ## read input that is generated anew with each parser that faces strangers, 5,000 times each; TIMES=...
	KERNELPOD_FUZZ_ANEW=1 KERNELPOD_FUZZ=$(or $(TIMES),5000) .venv/bin/python -m pytest tests/fuzz

races: env ## repeat the tests of what meets in time (restart, stop, pages, the gateway's death) 200 times; TIMES=...
	KERNELPOD_RACES=$(or $(TIMES),200) .venv/bin/python -m pytest -m race --tb=short

test-grading: env-grading ## test nbgrader's exchange: two students and a grader from release to feedback, and attacks
	.envs/grading/bin/python -m pytest tests/grading

test-logins: env env-logins ## test each login of hub/logins with a real hub: slapd, an OpenID provider, lists, headers
	.envs/logins/bin/python -m pytest tests/logins

test-z2jh: env-hub-z2jh ## test the hub's code with the JupyterHub and KubeSpawner of Zero to JupyterHub 4.0
	.envs/hub-z2jh/bin/python -m pytest -m hub -W default::DeprecationWarning tests/unit/hub/test_hub_config.py tests/unit/z2jh/test_z2jh_values.py tests/unit/z2jh/test_same_pod.py tests/unit/hub/test_browser_login.py tests/unit/hub/test_server_pods.py tests/unit/hub/test_server_additions.py tests/unit/hub/test_course_spawner.py

test-databases: env env-logins ## test each database of hub/databases with a real hub: SQLite, MariaDB, PostgreSQL
	.envs/logins/bin/python -m pytest tests/databases

# Environments of users' servers: the oldest and the newest jupyter_server and Lab. What does not depend on them is left out.
SERVERS := servers-oldest hub

test-servers: env env-clients env-servers-oldest ## test users' servers at the oldest jupyter_server and Lab (2.14, 4.2) and the newest
	for servers in $(SERVERS); do \
	  KERNELPOD_SERVERS=$$servers .venv/bin/python -m pytest -k "not curl and not 60" tests/local/test_servers_end.py tests/local/test_servers_way.py tests/local/test_servers_found.py tests/local/test_clients.py; done

test-browser: env env-browser ## test the hub's pages in a browser: Debian's chromium and chromium-driver
	.envs/browser/bin/python -m pytest tests/browser

pictures: env env-browser ## take the screenshots for README and docs in Chromium: docs/lab.png, docs/theme.png
	KERNELPOD_PICTURES=.cache/pictures .envs/browser/bin/python -m pytest tests/browser -k "login_page or runs_a_cell"
	cp .cache/pictures/login.png docs/theme.png
	cp .cache/pictures/lab-and-kernel.png docs/lab.png

test-pythons: ## run the unit tests, gateway included, on the other supported Pythons, two at a time; PYTHONS=3.10
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(OTHER_PYTHONS:%=test-python%)

test-python3%:
	PY_VERSION=3$* tools/environment gateway=.envs/python3$*
	.envs/python3$*/bin/python -m pytest -q -p no:cacheprovider tests/unit

lint: env ## run ruff and mypy (--strict but for tests), and check the layers and the generated files
	.venv/bin/ruff check --no-cache . # a cached file keeps its order of imports when a module moves
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	for tier in 'tests/*.py' $(TIERS); do .venv/bin/mypy --config-file tests/mypy.ini $$tier || exit 1; done
	.venv/bin/lint-imports
	$(MAKE) --no-print-directory docs-check

format: env ## format the code and apply automatic fixes
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

docs: env ## regenerate the references, the diagram of packages, the table of advisories and the schema of the chart
	.venv/bin/python -m kernelpod.cli.reference docs
	.venv/bin/python tools/rooms.py
	.venv/bin/python tools/answers.py
	.venv/bin/python charts/generate.py

docs-check: env ## fail if a generated file is out of date
	.venv/bin/python -m kernelpod.cli.reference --check docs
	.venv/bin/python tools/rooms.py --check
	.venv/bin/python tools/answers.py --check
	.venv/bin/python charts/generate.py --check

test-chart: env ## test the Helm chart: schema, checks, golden files, traffic (helm and cyclonus are built once)
	$(CLUSTER) build helm
	$(CLUSTER) build cyclonus
	.venv/bin/python -m pytest tests/chart -m "chart and not cluster"

cluster-build: ## build what the test cluster needs: Debian packages, Kubernetes, Helm, CoreDNS, base image (root; minutes, once)
	$(CLUSTER) build

cluster-up: ## start the test cluster: Kubernetes on this machine, in its own network (root); NODES=3 adds nodes with kernels of their own, KUBERNETES=1.35 is a newer one
	$(CLUSTER) up $(if $(NODES),--nodes $(NODES))

cluster-down: ## stop and remove the test cluster
	$(CLUSTER) down

cluster-status: ## show the state of the test cluster
	$(CLUSTER) status

cluster-report: ## print pods, events and logs of the test cluster; NAMESPACE=... for one namespace
	$(CLUSTER) report $(NAMESPACE)

images: ## build the images with docker, podman or buildah; PREFIX=ghcr.io/you/ TAG=... BASE_IMAGE=...
	images/build $(if $(PREFIX),--prefix $(PREFIX)) $(if $(TAG),--tag $(TAG)) $(if $(BASE_IMAGE),--base $(BASE_IMAGE))

pin-images: env-gateway ## pin the base image of all Dockerfiles by the digest that its tag has today (asks its registry)
	.venv/bin/python tools/bases.py

images-import: ## build the images for the test cluster, or load those of `make images` into microk8s
	images/build --import $(if $(TAG),--tag $(TAG))

test-cluster: env $(if $(KUBECONFIG),,cluster-up images-import) ## run all tests that need Kubernetes, on the test cluster (root) or on KUBECONFIG's
	$(if $(KUBECONFIG),,$(CLUSTER) build csi)
	$(if $(KUBECONFIG),,.venv/bin/python -m bench.stock_cluster)
	$(MAKE) --no-print-directory --jobs=3 --output-sync=target $(addprefix test-cluster-,kernels deployments machines deployed claims)
	$(CLUSTER_TESTS) tests/cluster -m faults --ignore=tests/cluster/test_chaos.py
	$(MAKE) --no-print-directory chaos FAULTS=30 TWO=1

# A checkout of the commit FROM with its environments.
define EARLIER
	rm -rf .cache/earlier && git worktree prune && git worktree add --detach .cache/earlier $(FROM)
	$(MAKE) -C .cache/earlier env
endef

test-versions: env ## test two gateways at once, of which one is of an earlier commit: FROM=COMMIT
	$(EARLIER)
	KERNELPOD_SECOND_GATEWAY=$(CURDIR)/.cache/earlier/.venv/bin/python .venv/bin/python -m pytest tests/local/test_two_gateways.py
	git worktree remove --force .cache/earlier

test-upgrade: env ## upgrade a deployment of an earlier commit on the test cluster, with kernels running, and back: FROM=COMMIT
	$(EARLIER)
	for name in gateway hub singleuser; do $(CLUSTER) image .cache/earlier/images/$$name/Dockerfile .cache/earlier localhost/kernelpod-$$name:earlier || exit 1; done
	KERNELPOD_UPGRADE_FROM=$(CURDIR)/.cache/earlier $(ON_CLUSTER) .venv/bin/python -m pytest tests/cluster/test_upgrade.py
	git worktree remove --force .cache/earlier

test-outage: env ## let kernels compute, and end, while their NFS server is away, on the test cluster with NODES=3: SECONDS=600
	KERNELPOD_OUTAGE_SECONDS=$(or $(SECONDS),600) $(ON_CLUSTER) .venv/bin/python -m pytest tests/cluster/test_homes_on_real_nfs.py -k "outlives or deleted"

FAULTS_IN_ALL = $(or $(FAULTS),$(if $(SMALL),60,1000))
FIRST_HALF = $(shell expr $(FAULTS_IN_ALL) / 2)
define CHAOS
	KERNELPOD_CHAOS_SEED=$(or $(SEED),1) KERNELPOD_CHAOS_FIRST=$(1) KERNELPOD_CHAOS_FAULTS=$(2) KERNELPOD_CHAOS_NODE=$(3) KERNELPOD_CHAOS_ONLY="$(ONLY)" \
	$(ON_CLUSTER) .venv/bin/python -m pytest -p no:cacheprovider -s tests/cluster/test_chaos.py
endef

chaos: env $(if $(TWO),chaos-halves,chaos-one) ## break things at random on the test cluster while users count: a thousand faults, hours; SMALL=1: sixty; TWO=1: both halves at once; SEED=...; FIRST=251 FAULTS=250: a part; NODE=node2: kernels run there; ONLY=PART of their names

chaos-one:
	$(call CHAOS,$(or $(FIRST),1),$(FAULTS_IN_ALL),$(NODE))

chaos-halves:
	$(MAKE) --no-print-directory --jobs=2 chaos-first-half chaos-second-half

chaos-first-half:
	$(call CHAOS,$(or $(FIRST),1),$(FIRST_HALF),node3)

chaos-second-half:
	$(call CHAOS,$(shell expr $(or $(FIRST),1) + $(FIRST_HALF)),$(shell expr $(FAULTS_IN_ALL) - $(FIRST_HALF)),node2)

# Most of the time these wait, so that three of them fit beside one another; the longest begin first.
test-cluster-kernels:
	$(CLUSTER_TESTS) tests/chart tests/cluster -m "(cluster or not chart) and not (deployment or machines or faults or upgrade)"

test-cluster-deployments:
	$(CLUSTER_TESTS) tests/cluster -m deployment --ignore=tests/cluster/test_deployed.py --ignore=tests/cluster/test_dynamic_homes.py

test-cluster-machines:
	$(CLUSTER_TESTS) tests/cluster -m "machines and not faults"

test-cluster-deployed:
	$(CLUSTER_TESTS) tests/cluster/test_deployed.py

test-cluster-claims:
	$(CLUSTER_TESTS) tests/cluster/test_dynamic_homes.py

deploy: env-admin $(if $(ON_TEST_CLUSTER),images-import) ## deploy gateway, kernels and hub as described by deploy.yaml; FILE=..., YES=1 does not ask
	$(KERNELPOD) deploy --file $(DEPLOYMENT) $(if $(YES),--yes)

upgrade: env-admin ## apply the current file to the deployment; servers and kernels continue
	$(KERNELPOD) upgrade --file $(DEPLOYMENT) $(if $(YES),--yes)

rollback: env-admin ## roll back to the state before the last deploy or upgrade
	$(KERNELPOD) rollback --file $(DEPLOYMENT) $(if $(YES),--yes)

status: env-admin ## show the state of the deployment
	$(KERNELPOD) status --file $(DEPLOYMENT)

smoke: env-admin ## run the smoke test: login, server, kernel, a file in the home, forbidden connections
	$(KERNELPOD) smoke --file $(DEPLOYMENT)

destroy: env-admin ## remove the deployment; files of homes are kept
	$(KERNELPOD) destroy --file $(DEPLOYMENT) $(if $(YES),--yes)

specs-sync: env-admin ## publish the kernelspecs as a release: TARGET=/srv/nfs/kernelpod, the folder above `kernelspecs`; SOURCE=..., DRY=1
	.envs/admin/bin/kernelpod specs sync --target $(or $(TARGET),$(error TARGET= is missing)) $(if $(SOURCE),--source $(SOURCE)) $(if $(DRY),--dry-run)

bench-specs: env ## benchmark publishing, listing and reading many kernelspecs; JSON=FILE writes the table, SMALL=1 is a short run
	.venv/bin/python -m bench.specs $(if $(SMALL),--small) $(if $(JSON),--json $(JSON))

bench-courses: env ## benchmark reading the lists of a large hub and looking up a user; JSON=FILE writes the table, SMALL=1 is a short run
	.venv/bin/python -m bench.courses $(if $(SMALL),--small) $(if $(JSON),--json $(JSON))

bench-cluster: env cluster-up ## benchmark stock gateway, Kernelpod and bare pods on the test cluster (root); JSON=FILE, SVG=FILE, SMALL=1
	.venv/bin/python -m bench.stock_cluster
	$(CLUSTER) run -- .venv/bin/python -m bench.cluster $(if $(SMALL),--small) $(if $(JSON),--json $(JSON)) $(if $(SVG),--svg $(SVG))

test-wheel: env-gateway ## test an admin's commands with the built package, alone in a fresh environment as with pipx
	.venv/bin/python -m pytest tests/wheel

bench-local: env ## benchmark against stock Enterprise Gateway, in one run; JSON=FILE writes the table, SMALL=1 is a short run
	.venv/bin/python -m bench.local $(if $(SMALL),--small) $(if $(JSON),--json $(JSON))

bench-nodes: env ## measure on the test cluster with NODES=3 starts on another node, and a gateway killed beside kernels of all; JSON=FILE, SMALL=1
	$(CLUSTER) run -- env PYTHONPATH=tests/cluster .venv/bin/python -m bench.nodes $(if $(SMALL),--small) $(if $(JSON),--json $(JSON))

bench-homes: env ## measure on the test cluster with NODES=3 how soon changes to homes are seen on another node, by mount options; JSON=FILE, SMALL=1
	$(CLUSTER) run -- env PYTHONPATH=tests/cluster .venv/bin/python -m bench.homes $(if $(SMALL),--small) $(if $(JSON),--json $(JSON))

parity: env ## compare what a notebook does with a local kernel and with Kernelpod, in one run; ONLY=PART, JSON=FILE, SMALL=1
	.venv/bin/python -m bench.parity $(if $(SMALL),--small) $(if $(ONLY),--only "$(ONLY)") $(if $(JSON),--json $(JSON))

locks: ## refresh requirements/*.txt
	$(subst --python-version 3.10,--python-version 3.8,$(LOCK)) requirements/uv.in -o requirements/uv.txt
	$(LOCK) requirements/build.in -o requirements/build.txt
	$(LOCK) --extra gateway --extra dev pyproject.toml -o requirements/gateway.txt
	$(LOCK) --constraint requirements/gateway.txt pyproject.toml -o requirements/admin.txt
	$(LOCK) --extra hub --extra singleuser pyproject.toml requirements/hub.in -o requirements/hub.txt
	$(LOCK) pyproject.toml requirements/hub-z2jh.in -o requirements/hub-z2jh.txt
	$(LOCK) --constraint requirements/hub.txt --extra grading pyproject.toml requirements/grading.in -o requirements/grading.txt
	$(LOCK) --constraint requirements/hub.txt --extra hub pyproject.toml requirements/logins.in -o requirements/logins.txt
	$(LOCK) --constraint requirements/gateway.txt pyproject.toml requirements/browser.in -o requirements/browser.txt
	$(LOCK) --extra singleuser pyproject.toml requirements/servers-oldest.in -o requirements/servers-oldest.txt
	$(LOCK) --constraint requirements/hub.txt pyproject.toml requirements/clients.in -o requirements/clients.txt
	$(LOCK) requirements/kernels.in -o requirements/kernels.txt
	$(LOCK) --constraint requirements/gateway.txt --extra gateway pyproject.toml -o requirements/image-gateway.txt
	$(LOCK) --constraint requirements/hub.txt --extra hub pyproject.toml requirements/image-hub.in -o requirements/image-hub.txt
	$(LOCK) --constraint requirements/hub.txt --extra singleuser pyproject.toml -o requirements/image-singleuser.txt
	$(LOCK) --constraint requirements/grading.txt --extra singleuser --extra grading pyproject.toml -o requirements/image-singleuser-grading.txt
	for kernel in python bash java spark; do \
	  $(LOCK) --constraint requirements/kernels.txt requirements/image-kernel-$$kernel.in -o requirements/image-kernel-$$kernel.txt; done

audit: env-gateway ## compare the locks with advisories: ADVISORIES=, a file or folder in OSV's format; JSON=1
	.venv/bin/python tools/audit.py $(or $(ADVISORIES),$(error ADVISORIES= is missing: a file or folder of advisories in OSV's format; see docs/supply-chain.md)) $(if $(JSON),--json)

sbom: env-gateway ## write an SBOM (CycloneDX) of each image and of the wheel into dist/sbom, from the locks
	.venv/bin/python tools/sbom.py dist/sbom

clean: ## remove the environments and caches of this checkout, and the test cluster's builds
	rm -rf .venv .envs .tools .cache .hypothesis dist
	$(CLUSTER) clean

# Checked each time, because Python may have changed or `make` may have been interrupted.
env-%:
	@tools/environment $*

.PHONY: help env demo demo-check test test-unit test-local test-local-first test-local-second test-attacks fuzz test-grading test-logins test-databases test-browser test-z2jh pictures
.PHONY: races test-servers test-fresh test-pythons test-wheel lint format docs docs-check bench-local parity
.PHONY: locks audit sbom clean
.PHONY: test-chart cluster-build cluster-up cluster-down cluster-status cluster-report images images-import pin-images test-cluster test-cluster-kernels test-cluster-deployments test-cluster-machines test-cluster-deployed test-cluster-claims test-versions test-upgrade test-outage chaos chaos-one chaos-halves chaos-first-half chaos-second-half
.PHONY: deploy upgrade rollback status smoke destroy bench-cluster bench-homes bench-nodes specs-sync bench-specs bench-courses
