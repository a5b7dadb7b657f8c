# make demo    run the whole pipeline against a simulated vendor
# make sim     run the simulated vendors for your own tests, until Ctrl-C; SIM='--files 1' gives them options
# make test    run all tests
# make crash   kill every program before each system call, and make each system call fail; half an hour
# make fuzz SECONDS=300    feed random input to each parser of outside data, for this many seconds
# make test-long           fuzz each parser for a minute, and run tests with more seeds and 40 000 series; an hour
# make audit   search for known weaknesses in dependencies, with cargo-deny
# make mutants make every small change to the code that keeps promises, and check that tests fail; hours
# make test-ecosystem    run the recipes of docs/ with jq, GNU parallel, DuckDB, promtool, Polars and dlt; with Java, also Spark
# make test-airflow      run the DAGs of docs/ in Airflow; kill workers of the DAGs that use a bucket
# make test-receiver     push to the receiver from Java through nginx, and check the systemd units
# make test-spark        run the recipe of docs/spark.md on two executors
# make dist    build static binaries, wheels and Debian packages for x86_64 and aarch64 in dist/, and the files for docker build
# make test-dist        install each package in dist/ and use its programs
# make deb     build a Debian package, a wheel and an archive in dist/, only for this machine's processor
# make install PREFIX=/usr/local DESTDIR=    build and install the programs

PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo
SECONDS ?= 300

PROGRAMS := ocp-token export-plan export-fetch ocp-metrics ocp-receive ocp-subscribe unzip-jsonl cdr-filter vg-consecutive dialpad-window
RELEASE  := $(or $(CARGO_TARGET_DIR),target)/release
SHARE    ?= target/share
# The file to install, and a file that runs on this machine and prints manual pages and completions.
BINARY    ?= $(RELEASE)/callpipe
GENERATOR ?= $(BINARY)
SOURCES  := $(shell find bins lib -type f) Cargo.toml Cargo.lock

.PHONY: all build demo sim test test-long test-ecosystem test-metrics test-airflow test-receiver test-spark crash docs check audit mutants bench fuzz fmt man \
    completions install uninstall dist test-dist deb clean help
.DELETE_ON_ERROR:

all: build

help:
	@sed '/^$$/,$$d; s/^# //' Makefile

# One file contains all programs; each program is a link to it.
build: $(BINARY)

$(RELEASE)/callpipe: $(SOURCES)
	scripts/programs --release
	touch $@

demo:
	scripts/demo

sim:
	@scripts/sim $(SIM)

test:
	scripts/install-deps --check
	$(CARGO) test --locked

crash:
	CALLPIPE_CRASH=all $(CARGO) test --locked --test suite -- every_step receive::steps receive::fail bucket:: guarantees --test-threads=2

test-ecosystem:
	scripts/test-ecosystem shell duckdb metrics lake bucket $(if $(shell command -v java),spark)

test-metrics:
	scripts/test-ecosystem metrics

test-airflow:
	scripts/test-ecosystem airflow workers

test-receiver:
	scripts/test-ecosystem receiver

test-spark:
	scripts/test-ecosystem spark

docs:
	scripts/docs

check:
	scripts/check

audit:
	$(CARGO) deny check advisories

# The code that keeps promises. docs/mutants.md explains the mutants that survive.
MUTATED := files pending_file replaceable staging unsynced journal checked_line redaction
MUTATED := $(MUTATED:%=lib/os/%.rs) lib/export/*.rs lib/ocp/ledger.rs lib/ocp/ledger/*.rs lib/ocp/cache.rs \
    lib/net/client.rs lib/net/retry.rs lib/net/connection.rs lib/receive/committer.rs lib/receive/committer/*.rs

# Needs cargo-mutants. Only the unit tests run for each mutant, which takes seconds, not an hour.
mutants:
	$(CARGO) mutants --output target $(foreach file,$(MUTATED),-f '$(file)') -e 'lib/**/tests.rs' \
	    -e 'lib/**/fuzzing.rs' --cargo-arg=--lib --minimum-test-timeout 60 $(MUTANTS)

bench:
	scripts/bench

# These flags turn on coverage, so cargo-fuzz is not needed.
FUZZ_FLAGS := --cfg fuzzing -Cdebug-assertions -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
FUZZ_HOST  := $(shell rustc -vV | sed -n 's/host: //p')

FUZZ_PARSERS := csv dialpad ledger metrics ocp plan profile push side_log state voicegain zip

# New inputs go into target/fuzz. tests/fuzz/corpus contains the first inputs, and inputs that found
# a fault.
fuzz:
	@c++ --version > /dev/null 2>&1 || { echo "make fuzz: c++ is missing, which builds libFuzzer" >&2; exit 1; }
	RUSTFLAGS="$(FUZZ_FLAGS)" $(CARGO) build --release --target $(FUZZ_HOST) \
	    --manifest-path tests/fuzz/Cargo.toml --target-dir target/fuzz
	for target in expression lines; do \
	    mkdir -p target/fuzz/corpus/$$target && \
	    target/fuzz/$(FUZZ_HOST)/release/$$target -max_total_time=$(SECONDS) \
	        -timeout=60 -rss_limit_mb=3072 \
	        -artifact_prefix=target/fuzz/$$target- target/fuzz/corpus/$$target || exit 1; \
	done
	for parser in $(FUZZ_PARSERS); do \
	    mkdir -p target/fuzz/corpus/$$parser && \
	    CALLPIPE_PARSER=$$parser target/fuzz/$(FUZZ_HOST)/release/parser -max_total_time=$(SECONDS) \
	        -timeout=20 -rss_limit_mb=1024 \
	        -artifact_prefix=target/fuzz/$$parser- target/fuzz/corpus/$$parser \
	        tests/fuzz/corpus/$$parser || exit 1; \
	done

test-long:
	$(MAKE) fuzz SECONDS=60
	CALLPIPE_LONG=all $(CARGO) test --locked --test suite -- ceilings
	CALLPIPE_SEEDS=2000..2100 $(CARGO) test --locked --test suite -- each_record_comes_once random_outages

fmt:
	$(CARGO) fmt

man: $(PROGRAMS:%=$(SHARE)/man/%.1)

completions: $(PROGRAMS:%=$(SHARE)/bash/%) $(PROGRAMS:%=$(SHARE)/zsh/_%) $(PROGRAMS:%=$(SHARE)/fish/%.fish)

$(SHARE)/man/%.1: $(GENERATOR)
	mkdir -p $(@D)
	$(abspath $<) $* --generate man > $@

$(SHARE)/bash/%: $(GENERATOR)
	mkdir -p $(@D)
	$(abspath $<) $* --generate bash > $@

$(SHARE)/zsh/_%: $(GENERATOR)
	mkdir -p $(@D)
	$(abspath $<) $* --generate zsh > $@

$(SHARE)/fish/%.fish: $(GENERATOR)
	mkdir -p $(@D)
	$(abspath $<) $* --generate fish > $@

install: build man completions
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d \
	    $(DESTDIR)$(PREFIX)/share/callpipe
	install -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin
	for program in $(PROGRAMS); do ln -sfn callpipe $(DESTDIR)$(PREFIX)/bin/$$program; done
	install -m 644 $(PROGRAMS:%=$(SHARE)/man/%.1) $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(PROGRAMS:%=$(SHARE)/bash/%) $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 644 $(PROGRAMS:%=$(SHARE)/zsh/_%) $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	install -m 644 $(PROGRAMS:%=$(SHARE)/fish/%.fish) $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 644 lib/ocp/exports-api.toml scripts/load.sql scripts/metrics.sql scripts/parquet.sql scripts/views.sql $(DESTDIR)$(PREFIX)/share/callpipe
	for file in README.md CHANGELOG.md LICENSE $$(find docs -type f ! -name '*.pyc'); do \
	    install -D -m 644 $$file $(DESTDIR)$(PREFIX)/share/doc/callpipe/$$file || exit 1; \
	done

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/callpipe $(PROGRAMS:%=$(DESTDIR)$(PREFIX)/bin/%) $(PROGRAMS:%=$(DESTDIR)$(PREFIX)/share/man/man1/%.1) \
	    $(PROGRAMS:%=$(DESTDIR)$(PREFIX)/share/bash-completion/completions/%) \
	    $(PROGRAMS:%=$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_%) \
	    $(PROGRAMS:%=$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/%.fish) \
	    $(DESTDIR)$(PREFIX)/share/callpipe/exports-api.toml $(DESTDIR)$(PREFIX)/share/callpipe/load.sql \
	    $(DESTDIR)$(PREFIX)/share/callpipe/metrics.sql $(DESTDIR)$(PREFIX)/share/callpipe/parquet.sql \
	    $(DESTDIR)$(PREFIX)/share/callpipe/views.sql
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/callpipe

dist:
	scripts/dist

test-dist:
	scripts/test-dist

deb:
	scripts/dist $(shell uname -m)-unknown-linux-musl

clean:
	$(CARGO) clean
	rm -rf demo
