# make demo and make test set themselves up; everything lives in .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
JOBS   ?= 2
DEFAULT_ENGINES := fixed,onnx

export PIP_QUIET := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup demo train test test-docs test-full test-page test-verilog echarts check fuzz \
  fuzz-members fuzz-files fuzz-integers fuzz-c fuzz-verilog golden lint docs screenshots site bench \
  bench-quantization bench-floors bench-speed bench-delays bench-streaming bench-bundle \
  bench-loading bench-placement bench-sweep bench-shards bench-training paper bench-peers crosscheck \
  crosscheck-pilotnet audit hashes kills crowded fuzz-commands clean

setup: $(READY)

$(READY): pyproject.toml neurocompile/pins.txt neurocompile/pins.hashes.txt neurocompile/commands/doctor.py
	@echo "setting up $(VENV): a few minutes, 2 GB, once"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint neurocompile/pins.txt --editable '.[dev]'
	$(BIN)/neurocompile doctor --install train --yes
	$(BIN)/neurocompile doctor --install lava --yes
	$(BIN)/neurocompile doctor --install neighbours --yes
	$(BIN)/neurocompile doctor --install tables --yes
	$(BIN)/neurocompile doctor --install sweep --yes
	@touch $@

demo: $(READY)
	$(BIN)/neurocompile export examples/models/mnist_autoencoder.pt --target loihi-sim --out build/mnist --force --engine lava --engine fixed --engine onnx --samples 20

# The float network; with QAT=1 that network fine-tuned in the chip's integers, of BITS=2..8 (4);
# with WHOLE=1 the one of all 60,000 digits, whose IDX files are in DATA (build/mnist)
FLOAT := train_mnist_autoencoder.py --out examples/models/mnist_autoencoder.pt
GRID   = train_on_the_grid.py --bits $(or $(BITS),4)
WHOLES = train_mnist_autoencoder.py --data $(or $(DATA),build/mnist) --names mnist5k --rate-epochs 20 --epochs 12 --shift 0 --spike-price 0.0005 --out examples/models/mnist_autoencoder_60k.pt

train: $(READY)
	$(BIN)/python examples/$(if $(WHOLE),$(WHOLES),$(if $(QAT),$(GRID),$(FLOAT)) $(if $(DATA),--data $(DATA)))

test: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) -m 'not slow and not pages'

# The commands of all pages, and the notebooks
test-docs: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) -m pages

test-full: $(READY)
	$(BIN)/python -m pytest -n $(JOBS)

# report.html in a headless Chromium, which apt has with its driver; axe-core comes from npm
test-page: $(READY) build/axe/axe.min.js
	$(BIN)/python -m pip install --quiet --constraint neurocompile/pins.txt selenium
	$(BIN)/python -m pytest tests/page/in_browser.py

build/axe/axe.min.js:
	mkdir -p build/axe
	cd build/axe && npm pack --silent axe-core@4.14.1 && tar -xzf axe-core-4.14.1.tgz --strip-components=1 package/axe.min.js

# Layers in Verilog in a simulator, which apt has: iverilog, and verilator if it is there
test-verilog: $(READY)
	$(BIN)/python -m pytest tests/bundle/in_simulators.py

# The charts that the page has, out of Apache ECharts; only after a change of its version or list
echarts:
	mkdir -p build/echarts && cp neurocompile/report/page/echarts.entry.js build/echarts/entry.js
	cd build/echarts && npm init --yes >/dev/null && npm install --silent echarts@6.1.0 esbuild@0.28.2
	cd build/echarts && npx esbuild entry.js --bundle --minify --format=iife --global-name=echarts --target=es2019 --legal-comments=none --outfile=../../neurocompile/report/page/echarts.min.js

# The gates on the shipped autoencoder and classifier; make check UPDATE=1 renews their baselines
# (docs/ci.md)
check: $(READY)
	$(BIN)/neurocompile export examples/models/mnist_autoencoder.pt --target loihi-sim --out build/check --force --engine fixed --samples 20
	$(BIN)/neurocompile check build/check --baseline examples/baselines/mnist_autoencoder.json $(if $(UPDATE),--update --keep-data examples/baselines/mnist_autoencoder.npz)
	$(BIN)/neurocompile export examples/models/mnist_classifier.pt --target loihi-sim --out build/check-classifier --force --engine fixed --samples 100
	$(BIN)/neurocompile check build/check-classifier --baseline examples/baselines/mnist_classifier.json $(if $(UPDATE),--update --keep-data examples/baselines/mnist_classifier.npz)

# make fuzz N=1000 ENGINES=fixed,onnx: random networks, engine against engine; damaged files
fuzz: $(READY)
	FUZZ_N=$(or $(N),1000) FUZZ_ENGINES=$(or $(ENGINES),$(DEFAULT_ENGINES)) $(BIN)/python -m pytest tests/fuzz

# Every neuron of a chip, N times 100 small networks with onnxruntime and 300 with Lava, in a table
fuzz-members: $(READY)
	$(BIN)/python tests/fuzz/members.py --packs $(or $(N),100) --graphs 300 --engines onnx
	$(BIN)/python tests/fuzz/members.py --packs 3 --graphs 10 --engines lava

# N damaged files of every kind that is read, in a table; KINDS='npz "state of a stream"', SEED=7,
# COMMANDS=5 of each kind also through the command that reads it, SKIP=4 goes on after four rounds
fuzz-files: $(READY)
	$(BIN)/python tests/fuzz/files.py $(KINDS) --mutants $(or $(N),100000) --seed $(or $(SEED),0) --skip $(or $(SKIP),0) --commands $(or $(COMMANDS),5)

# N random networks, every bit of the engine fixed against a model written from the docs alone;
# FIRST=SEED begins at another network
fuzz-integers: $(READY)
	$(BIN)/python tests/fuzz/integers.py --networks $(or $(N),10000) --first $(or $(FIRST),0)

# N random networks as C programs, every bit against the engine fixed, with gcc and clang in turns;
# SANITIZE=1 under the sanitizers of addresses and of undefined behaviour
fuzz-c: $(READY)
	$(BIN)/python tests/fuzz/c_programs.py --networks $(or $(N),500) $(if $(SANITIZE),--sanitize) \
	  $(if $(COMPILERS),--compilers $(COMPILERS))

# Layers of the same networks as Verilog, in a simulator
fuzz-verilog: $(READY)
	$(BIN)/python tests/fuzz/verilog_layers.py --networks $(or $(N),100) $(if $(SIM),--simulator $(SIM))

# What Lava's stock processes compute, recorded anew in tests/golden; make golden CHECK=1 compares
golden: $(READY)
	$(BIN)/python tests/golden/record.py $(if $(CHECK),--check all)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The generated pages, tables and pictures of docs/, the demo of README.md, the notebooks' outputs
docs: $(READY)
	$(BIN)/python docs/make_support.py
	$(BIN)/python docs/make_energy.py
	$(BIN)/python docs/make_placement.py
	$(BIN)/python docs/make_targets.py
	$(BIN)/python docs/make_cli.py
	$(BIN)/python docs/make_demo.py
	$(BIN)/python docs/make_pictures.py
	$(BIN)/python docs/make_notebooks.py

# Pictures of the report and of the terminal in docs/pictures; apt has chromium with its driver
screenshots: $(READY)
	$(BIN)/python -m pip install --quiet --constraint neurocompile/pins.txt selenium
	$(BIN)/python docs/make_screenshots.py

# The documentation site in build/site, from docs/ and the docstrings; a warning fails it
site: $(READY)
	$(BIN)/python docs/make_site.py

bench: $(READY)
	$(BIN)/python bench/run.py
	$(BIN)/python bench/quantization.py
	$(BIN)/python bench/speed.py
	$(BIN)/python bench/floors.py
	$(BIN)/python bench/graded.py
	$(BIN)/python bench/delays.py
	$(BIN)/python bench/streaming.py
	$(BIN)/python bench/bundle.py
	$(BIN)/python bench/loading.py
	$(BIN)/python bench/energy.py
	$(BIN)/python bench/placement.py
	$(BIN)/python bench/training.py
	$(BIN)/python bench/recipe.py
	$(BIN)/python bench/sweep.py

bench-quantization: $(READY)
	$(BIN)/python bench/quantization.py

bench-floors: $(READY)
	$(BIN)/python bench/floors.py

bench-speed: $(READY)
	$(BIN)/python bench/speed.py
	$(BIN)/python bench/graded.py

bench-delays: $(READY)
	$(BIN)/python bench/delays.py

bench-streaming: $(READY)
	$(BIN)/python bench/streaming.py

bench-bundle: $(READY)
	$(BIN)/python bench/bundle.py

bench-loading: $(READY)
	$(BIN)/python bench/loading.py

bench-placement: $(READY)
	$(BIN)/python bench/placement.py

bench-sweep: $(READY)
	$(BIN)/python bench/sweep.py

bench-shards: $(READY)
	$(BIN)/python bench/shards.py

bench-training: $(READY)
	$(BIN)/python bench/training.py
	$(BIN)/python bench/recipe.py

# docs/results.md and its tables from the answers in paper/results; ONLY=table answers only one
# study, NAMED='chip * 0' only questions of such a name, and both write no page; FRESH=1 trains and
# measures anew in build/fresh (everything: hours) and says how far that is from what is kept;
# WORKERS=2 answers in two processes; KEPT=1 answers nothing and writes the pages of what is
# answered; FIGURE=table draws one picture
paper: $(READY)
	$(BIN)/neurocompile doctor --install paper --yes
	$(BIN)/python paper/make.py $(if $(FRESH),--fresh) $(if $(ONLY),--only $(ONLY)) $(if $(NAMED),--named '$(NAMED)') $(if $(WORKERS),--workers $(WORKERS)) $(if $(KEPT),--kept) $(if $(FIGURE),--figure $(FIGURE))

# The simulators that we are timed against, each in an environment of its own (2 GB in all)
bench-peers: $(patsubst bench/peers/%.txt,build/peers/%/.ready,$(wildcard bench/peers/*.txt))

# Our joules and seconds against SANA-FE's for the same spikes, and our bits of synapse memory
# against nengo-loihi's; make crosscheck UPDATE=1 keeps them
crosscheck: $(READY) build/peers/sanafe/.ready build/peers/nengo-loihi/.ready
	$(BIN)/python tests/crosscheck/crosscheck.py build/peers/sanafe/bin/python $(if $(UPDATE),--update)
	$(BIN)/python tests/crosscheck/shared_axons.py build/peers/sanafe/bin/python $(if $(UPDATE),--update)
	PYTHONPATH=tests/support $(BIN)/python tests/crosscheck/memory_bits.py build/peers/nengo-loihi/bin/python $(if $(UPDATE),--update)

# PilotNet LIF beside its run on a Loihi 2; LAVA_DL is a checkout of lava-nc/lava-dl at d825ac5
crosscheck-pilotnet: $(READY)
	$(BIN)/python tests/crosscheck/pilotnet.py $(or $(LAVA_DL),../lava-dl) $(if $(UPDATE),--update)

# Known vulnerabilities of the pinned versions; says so where no service of them can be reached, and
# fails there with STRICT=1
audit: build/supply/.ready
	build/supply/bin/python .ci/audit.py build/supply/bin/pip-audit $(if $(STRICT),--strict)

# SHA-256 of every file of every pinned version, from the package index; WHEELS="FILE ..." adds
# builds that are not on it, such as torch's for CPUs
hashes: build/supply/.ready
	build/supply/bin/python .ci/hash_pins.py build/supply/bin/uv $(WHEELS)

build/supply/.ready: .ci/supply.txt
	$(PYTHON) -m venv build/supply
	build/supply/bin/python -m pip install --quiet --requirement $<
	@touch $@

# Commands killed at random moments, in a table: what is half done, left behind or orphaned
kills: $(READY)
	$(BIN)/python tests/fuzz/kills.py --kills $(or $(N),1000) --seed $(or $(SEED),0)

# The same commands on disks that fill up, have a quota or cannot be written, and two on one output
crowded: $(READY)
	$(BIN)/python tests/fuzz/crowded.py --tries $(or $(N),300) --seed $(or $(SEED),0)

# Odd command lines in narrow and wide terminals, in three locales, with stdout closed
fuzz-commands: $(READY)
	$(BIN)/python tests/fuzz/odd_commands.py --lines $(or $(N),500) --seed $(or $(SEED),0)

build/peers/%/.ready: bench/peers/%.txt
	$(PYTHON) -m venv build/peers/$*
	build/peers/$*/bin/python -m pip install --quiet --requirement $<
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
