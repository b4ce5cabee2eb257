# What there is: make, or make help.

CARGO    = cargo
PREFIX   = /usr/local
DESTDIR  =
PROGRAMS = manage compute report pow loot collect agent
MANUALS  = $(wildcard doc/*.1)
RELEASE  = $(or $(CARGO_TARGET_DIR),target)/release
BIN      = $(DESTDIR)$(PREFIX)/bin
MAN      = $(DESTDIR)$(PREFIX)/share/man/man1

.PHONY: help build run check torture bench peers load siege proofs draws watch instructions doc install uninstall tarball clean

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 16

build: ## Build the programs, into target/release
	$(CARGO) build --release --locked

run: build ## Search 1 to 40,000,000 with two computes of this host, print the report
	$(RELEASE)/manage --last 40000000 --computes 2 --ledger :memory: --listen 127.0.0.1:0

check: ## Run all tests
	.ci/needs
	$(CARGO) test --release --locked

torture: ## Try every fault long, in an hour or two; what came of it goes into target/torture.md
	.ci/needs
	rm -f target/torture.md
	ALIQUOT_TORTURE=$(CURDIR)/target/torture.md $(CARGO) test --release --locked --test aliquot torture:: -- --test-threads=1
	cat target/torture.md

bench: ## Measure kernels, number theory and XML reader, in some five minutes
	$(CARGO) bench --locked --bench kernels --bench divisors --bench xml

peers: ## Measure against PARI/GP, numpy and plain loops; draw bench/plot.svg
	bench/peers

load: ## Measure manage with up to 9,500 computes, and 10 million ranges; draw bench/load.svg
	bench/under-load

siege: ## Measure what keys cost, and what hostile clients do to honest ones; some four minutes
	$(CARGO) bench --locked --bench siege -- cost
	$(CARGO) bench --locked --bench siege -- siege

proofs: ## Measure pow: kernels, server beside redis and Python, table and plot; some ten minutes
	$(CARGO) bench --locked --bench hashes
	$(CARGO) bench --locked --bench proofs

draws: ## Measure loot beside redis: draws, whole boxes, table and plot; some twenty minutes
	$(CARGO) bench --locked --bench draws

watch: ## Measure collect with 500 agents: scrapes, reconnects, the page; some seventeen minutes
	$(CARGO) bench --locked --bench watch -- agents
	$(CARGO) bench --locked --bench watch -- reconnects
	$(CARGO) bench --locked --bench watch -- page 500 610

instructions: ## Count instructions by valgrind; 2 % more than before is an error
	bench/instructions

doc: ## Check the man pages, build the documentation of the code
	$(if $(MANUALS),mandoc -T lint -W warning $(MANUALS))
	$(CARGO) doc --locked --no-deps

install: ## Install programs and man pages below PREFIX (/usr/local), after make build
	@test -x $(RELEASE)/manage || { echo 'there is nothing to install yet: make build' >&2; exit 1; }
	install -d $(BIN) $(MAN)
	install -m 755 $(PROGRAMS:%=$(RELEASE)/%) $(BIN)
	$(if $(MANUALS),install -m 644 $(MANUALS) $(MAN))

uninstall: ## Take away what install has installed
	rm -f $(PROGRAMS:%=$(BIN)/%) $(MANUALS:doc/%=$(MAN)/%)

tarball: ## Pack the last commit into one flat aliquot-VERSION.tar.bz2
	./tarball.sh

clean: ## Take away what was built
	$(CARGO) clean
	rm -f aliquot-*.tar.bz2
