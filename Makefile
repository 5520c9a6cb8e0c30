# Freshet. `make` lists the targets.
SHELL := bash
.DEFAULT_GOAL := help

BIN     := bin/freshet
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

# The servers of the tests have ports and data of their own, apart from `make up`'s.
TEST_DATA    ?= $(if $(filter 0,$(shell id -u)),/var/lib/freshet-test,$(HOME)/.local/share/freshet-test)
TEST_SERVERS := FRESHET_DATA=$(TEST_DATA) FRESHET_POSTGRES_PORT=25433 FRESHET_KAFKA_PORT=25094 \
	FRESHET_KAFKA_CONTROLLER_PORT=25095 FRESHET_MONGO_PORT=25018 FRESHET_ELASTIC_PORT=25201 \
	FRESHET_ELASTIC_TRANSPORT_PORT=25301 $(BIN) with-servers --

# Packages share the servers: two at a time keep a machine of two cores honest.
TEST_FLAGS   ?= -race -shuffle=on -count=1 -timeout=45m -p=2
FUZZTIME     ?= 30s
ATTEMPTS     ?= 500000
GOLANGCI     ?= $(shell go env GOPATH)/bin/golangci-lint

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: build
build: ## build bin/freshet
	go build -trimpath -ldflags "-X main.version=$(VERSION)" -o $(BIN) ./cmd/freshet

.PHONY: up
up: build ## start everything on this machine and measure its freshness
	$(BIN) up

.PHONY: status
status: build ## show what runs
	$(BIN) status

.PHONY: logs
logs: build ## follow all logs
	$(BIN) logs --follow

.PHONY: down
down: build ## stop everything; the data stays
	$(BIN) down

.PHONY: clean
clean: build ## stop everything and delete its data
	$(BIN) clean

.PHONY: test
test: build ## run all tests, on servers of their own
	$(TEST_SERVERS) go test $(TEST_FLAGS) ./...

.PHONY: test-unit
test-unit: ## run the tests that need no server
	env -u FRESHET_TEST_POSTGRES_URL -u FRESHET_TEST_KAFKA -u FRESHET_TEST_MONGO_URL -u FRESHET_TEST_ELASTIC_URL \
		-u CI go test -short -shuffle=on ./...

.PHONY: test-long
test-long: build ## run all tests with the long workloads: many crashes, large transactions
	FRESHET_TEST_LONG=1 $(TEST_SERVERS) go test $(TEST_FLAGS) -timeout=8h ./...

.PHONY: drill-postgres
drill-postgres: build ## stop Postgres under a shop, order, start it, and see what became of the orders
	$(TEST_SERVERS) go test -race -count=1 -timeout=30m -v -p=1 ./api/queue ./deploy/e2e \
		-run 'TestOrdersWhilePostgresIsAway|TestPlacersThatBeginAgain|TestCustomersAreToldWhatBecameOfQueuedOrders'

.PHONY: drill-sale
drill-sale: build ## two times ATTEMPTS (500000) to buy too little, while the API is killed and Postgres crashes; an hour or two
	FRESHET_TEST_LONG=1 $(TEST_SERVERS) go test -count=1 -timeout=6h -v -run TestASaleThroughCrashes ./deploy/e2e -attempts $(ATTEMPTS)

.PHONY: fuzz
fuzz: ## fuzz every fuzz target for FUZZTIME (30s)
	@set -euo pipefail; for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

.PHONY: lint
lint: ## vet, golangci-lint
	go vet ./...
	$(GOLANGCI) run ./...

.PHONY: bench
bench: up ## measure freshness, ingest, browse, search and rebuild on the running stack
	$(BIN) bench all --write docs/benchmarks.md
