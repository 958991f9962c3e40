# The targets fetch what they need. `make help` lists them.

GO       ?= go
GOOS     ?= $(shell $(GO) env GOOS)
GOARCH   ?= $(shell $(GO) env GOARCH)
VERSION  ?= 0.2.0
LIBRARY  := services/onnx/lib/$(GOOS)_$(GOARCH)/libonnxruntime.zst
VENDOR   := api/console/assets/vendor/licences.txt
DECODERS := services/audiofile/xiph/lib/vorbis.wasm
FETCHED  := $(LIBRARY) $(VENDOR) $(DECODERS)
LINT     := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
ARGS     ?=
FUZZTIME ?= 30s
# of make mutate; "api/web:api" is measured with the tests of both
PACKAGES ?= resources hardening hardening/performance internal/access internal/config orchestrator orchestrator/jobs orchestrator/records \
  orchestrator/pipelines orchestrator/batches orchestrator/library orchestrator/conversations services/modelstore api
SEED     ?= 1
MINUTES  ?= 3

export CGO_ENABLED = 1

.DEFAULT_GOAL := help
.PHONY: help run build lib test console-test fuzz bench bench-audio bench-peers lint generate parity soak mutate clean train-wav2vec2 train-audioldm train-gama train-clap

help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## serve on 127.0.0.1:8080 with the embedded models (ARGS="--listen ...")
	bin/grym-synth $(ARGS)

build: $(FETCHED) ## build bin/grym-synth with the library, the models and the console embedded
	$(GO) build -trimpath -ldflags "-s -w -X github.com/grym-synth/grym-synth/internal/version.Version=$(VERSION)" -o bin/grym-synth .

lib: $(FETCHED) ## download the ONNX Runtime library, the decoders and what the console embeds, and verify their checksums

# The tool always runs on the build platform.
$(LIBRARY): services/onnx/fetchlibrary/main.go
	GOOS= GOARCH= $(GO) run ./services/onnx/fetchlibrary -os $(GOOS) -arch $(GOARCH) -out $@

# Libraries and fonts of the console, from npm.
$(VENDOR): api/console/fetchassets/main.go api/console/fetchassets/package-lock.json
	GOOS= GOARCH= $(GO) run ./api/console/fetchassets -out $(@D)

# The decoders of Opus and Vorbis, from npm.
$(DECODERS): services/audiofile/xiph/fetchdecoders/main.go services/audiofile/xiph/fetchdecoders/package-lock.json
	GOOS= GOARCH= $(GO) run ./services/audiofile/xiph/fetchdecoders -out $(@D)

test: $(FETCHED) ## run all tests with the race detector
	$(GO) vet ./...
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }
	$(GO) test -race -shuffle=on -timeout 20m ./...
	@# Resident memory cannot be measured under the race detector.
	$(GO) test -run Memory ./services/onnx ./services/audioldm ./services/gama

fuzz: $(LIBRARY) $(DECODERS) ## run every fuzz target for FUZZTIME
	@for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "== $$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$package || exit 1; \
	  done; \
	done

bench: $(LIBRARY) $(DECODERS) ## run all benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-audio: $(FETCHED) ## compare the processor time of analysis and edits of an hour with sox, ffmpeg and aubio (requires them)
	$(GO) test ./internal/e2e -run '^$$' -bench LongAudio -benchtime 1x -v -timeout 60m

mutate: $(FETCHED) ## plant faults into PACKAGES, for MINUTES each, and print the share that their tests detect (docs/testing.md)
	$(GO) run ./internal/mutate -packages "$(PACKAGES)" -seed $(SEED) -time $(MINUTES)m -survivors bin/survivors.txt

PEERS ?= /tmp/grym-synth-peers

bench-peers: build ## compare the server with servers of others and onnxruntime at wav2vec2-base's shape (requires npm and python3; PEERS= keeps what is made, ARGS= are options of models/peers/bench.py)
	cd models/peers && npm ci --ignore-scripts --no-audit --no-fund
	test -x $(PEERS)/venv/bin/python || python3 -m venv $(PEERS)/venv
	$(PEERS)/venv/bin/pip install -q -r models/peers/requirements.txt
	@test -f $(PEERS)/base/model.onnx || \
	  { python3 -c 'import torch, onnx' 2>/dev/null && python3 models/export/wav2vec2_random.py $(PEERS)/base; } || \
	  { echo "python3 has no torch and onnx: put a wav2vec2 folder into $(PEERS)/base"; exit 1; }
	python3 models/peers/bench.py bin/grym-synth $(PEERS)/base --python $(PEERS)/venv/bin/python $(ARGS)

lint: ## run golangci-lint at the pinned version
	$(GO) run $(LINT) run ./...

generate: ## regenerate the code from openapi.yaml
	$(GO) generate ./api/gen

console-test: build ## test the console in a browser (requires npm, and Chromium and Firefox)
	cd api/console/browser && npm ci --ignore-scripts && node test.mjs ../../../bin/grym-synth

parity: build console-test ## compare the audio decoders with ffmpeg, the analyses with ffmpeg, librosa and Praat, and logits, text and tokens with transformers.js; test the newest clients of OpenAI's API and the console (requires npm)
	$(GO) test ./services/audiofile -run TestAgainstFFmpeg -parity -v -count=1 -timeout 15m
	cd models/parity && npm ci --ignore-scripts && node wav2vec2.mjs --check && node gama.mjs --check && node roberta.mjs --check && node openai.mjs && node speech.mjs ../../bin/grym-synth && node clap.mjs ../../bin/grym-synth
	clients/newest/run.sh bin/grym-synth
	clients/players/run.sh bin/grym-synth
	@if python3 -c 'import librosa, mir_eval' 2>/dev/null; then python3 services/analysis/testdata/parity/parity.py bin/grym-synth; \
	else echo "python3 has no librosa and mir_eval: skipping the comparison of the analyses"; fi
	@if python3 -c 'import torch, onnx' 2>/dev/null; then \
	  cd models/export && dir=$$(mktemp -d) && python3 audioldm.py --random mini $$dir/checkpoint && python3 audioldm.py $$dir/checkpoint $$dir/folder && \
	  python3 wav2vec2_random.py $$dir/speech && (cd ../parity && node speech.mjs ../../bin/grym-synth $$dir/speech) && \
	  python3 gama_random.py $$dir/gama && for dtype in fp32 fp16 q8; do python3 gama.py $$dir/gama/base $$dir/gama/trained.bin $$dir/out --encoder-heads 4 --dtype $$dtype || exit 1; done; \
	  status=$$?; rm -rf "$$dir"; exit $$status; \
	else echo "python3 has no torch and onnx: skipping the exporter"; fi
	@if python3 -c 'import torch, onnx, onnxruntime, transformers' 2>/dev/null; then \
	  cd models/parity && dir=$$(mktemp -d) && python3 ../export/clap_random.py $$dir && python3 clap_golden.py $$dir/clap-tiny.json && \
	  GOLDEN=$$dir/clap-tiny.json node clap.mjs ../../bin/grym-synth ../clap-tiny $$dir/unfused $$dir/fused $$dir/whole $$dir/ast; \
	  status=$$?; rm -rf "$$dir"; exit $$status; \
	else echo "python3 has no torch, onnx, onnxruntime and transformers: skipping random CLAP and AST folders"; fi

soak: build ## run the long tests: faults, broken models, a small cgroup (as root) and a ramp under load, leases, shares of the cores, fuzzing for 10 minutes per target, all tests 20 times, the models on new clips
	$(GO) test ./internal/app -run UnderLoad -faults 60s -v -timeout 30m
	$(GO) test ./internal/e2e -run BrokenModel -broken 60s -v -timeout 10m
	$(GO) test ./internal/e2e -run SmallControlGroup -cgroup 5m -v -timeout 60m
	$(GO) test ./internal/e2e -run PullOfALargeModel -pull 2048 -v -timeout 30m
	$(GO) test ./internal/e2e -run ARampOnTheRealServer -ramp 6m -v -timeout 30m
	$(GO) test ./internal/e2e -run LeasesFit -leases 200 -v -timeout 30m
	$(GO) test ./internal/e2e -run Isolation -isolation 5 -v -timeout 30m
	$(GO) test ./internal/e2e -run LowPriority -ageing 2 -v -timeout 30m
	$(MAKE) fuzz FUZZTIME=10m
	$(GO) test ./orchestrator/jobs -run EveryLoss -damagepoints 6 -timeout 30m
	$(GO) test ./internal/e2e -run SurviveKills -jobs 1000 -kills 50 -timeout 30m -v
	$(GO) test ./internal/e2e -run ABatchSurvivesKills -batch 20000 -timeout 30m -v
	$(GO) test ./orchestrator/pipelines -run SurviveKills -runs 200 -kills 40 -timeout 30m -v
	$(GO) test ./internal/e2e -run RunsSurviveInACluster -clusterruns 200 -clusterkills 10 -timeout 30m -v
	$(GO) test -race -shuffle=on -count=20 -timeout 3h ./...
	@if /usr/bin/python3 -c 'import torch, onnx, torchaudio' 2>/dev/null; then models/train/fresh.sh bin/grym-synth; \
	else echo "no python3 with torch, torchaudio and onnx: skipping the measurement of the models"; fi

# Training is optional: the weights are committed. START=FOLDER continues from a model folder.
train-wav2vec2: ## train wav2vec2-tiny from scratch into DIR (models/train/wav2vec2/README.md)
	models/train/wav2vec2/run.sh all $(or $(DIR),/tmp/train-wav2vec2)

train-audioldm: ## train audioldm-tiny from scratch into DIR (models/train/audioldm/README.md)
	models/train/audioldm/run.sh all $(or $(DIR),/tmp/train-audioldm)

train-gama: ## train gama-tiny from scratch into DIR (models/train/gama/README.md)
	models/train/gama/run.sh all $(or $(DIR),/tmp/train-gama)

train-clap: ## train clap-tiny from scratch into DIR (models/train/clap/README.md)
	models/train/clap/run.sh all $(or $(DIR),/tmp/train-clap)

clean: ## remove built and downloaded files
	rm -rf bin services/onnx/lib/*/*.zst services/audiofile/xiph/lib/*.wasm
	find api/console/assets/vendor -type f ! -name README.md -delete
