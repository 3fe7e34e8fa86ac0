# make            build the program and its completions
# make install    with DESTDIR and PREFIX
# make check      every test; installs what they need where it may
# make compare    what storagectl says of generated hosts against the engines' own code:
#                 HOSTS=20000 PLANS=5000 PODMANS=20 SEED=1
# make damage     what check-store says of generated damage against podman's own code, and of
#                 all damages of the table, of which make check tries a third:
#                 DAMAGES=5000 SEED=1
# make torture    kills, failing system calls, locks that users hold, swapped directories and
#                 bombs: one line a part with its figure; ROUNDS=20 SEED=1; and all kills and
#                 failing calls of the tests, of which make check tries some
# make fuzz       looks for inputs that break what must hold for any input, for TIME=60 seconds
#                 each; PROPERTIES="edit host" tries these alone, see docs/fuzzing.md
# make hosts      all tests that need real programs, and those of dnf, in roots of newer releases
#                 of Debian, which it makes once: a line a release; FILTER="rpm:: pack::" for some
# make machine    boots, and every command with SELinux enforcing, in a virtual machine that it
#                 makes once: a line a part; RELEASE=trixie PARTS="selinux boots crio"
# make power-cuts what power cuts leave of what every command writes, on three file systems, from
#                 one recorded run: CUTS=1000 SEED=1; CUT=xfs/17 makes one again, HERE=1
#                 records without the virtual machine; a line a file system
# make memory     peak memory of every command on its worst input, into docs/memory.md
# make bench      whole-process time and memory against what people use instead, and
#                 check-store against the engines' own checks and OpenSSL
# make processors its tests that need no engine, and what it makes, on other processors, which
#                 qemu runs: a line each; PROCESSORS="s390x" for some
# make archive    the sources with vendored crates, for scriptlets/storagectl.spec
# make dist       in target/dist that archive, and for each processor the program, which needs
#                 no library, and packages for rpm and dpkg; PROCESSORS="x86_64" for some

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
USERUNITDIR ?= $(PREFIX)/lib/systemd/user
GREENBOOTDIR ?= $(PREFIX)/lib/greenboot/check
COLLECTIONSDIR ?= $(DATADIR)/ansible/collections/ansible_collections
MACROSDIR ?= $(PREFIX)/lib/rpm/macros.d
CARGO ?= cargo
CARGO_FLAGS ?= --locked
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

OLDEST_RUST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
TARGET := $(or $(CARGO_TARGET_DIR),target)
PROGRAM := $(TARGET)/release/storagectl
COMPLETIONS := $(TARGET)/completions

.PHONY: all
all:
	$(CARGO) build --release $(CARGO_FLAGS)
	mkdir -p $(COMPLETIONS)
	$(PROGRAM) completions bash > $(COMPLETIONS)/storagectl
	$(PROGRAM) completions zsh > $(COMPLETIONS)/_storagectl
	$(PROGRAM) completions fish > $(COMPLETIONS)/storagectl.fish

.PHONY: install
install: all
	$(MAKE) --no-print-directory install-built

# What packages hold, of a program that is there: PROGRAM and COMPLETIONS say where.
.PHONY: install-built
install-built:
	install -D -m 0755 $(PROGRAM) $(DESTDIR)$(BINDIR)/storagectl
	install -d -m 0755 $(DESTDIR)$(MANDIR)/man1
	install -m 0644 man/*.1 $(DESTDIR)$(MANDIR)/man1
	install -d -m 0755 $(DESTDIR)$(DATADIR)/storagectl/schemas
	install -m 0644 docs/schemas/*.json $(DESTDIR)$(DATADIR)/storagectl/schemas
	install -D -m 0644 $(COMPLETIONS)/storagectl $(DESTDIR)$(DATADIR)/bash-completion/completions/storagectl
	install -D -m 0644 $(COMPLETIONS)/_storagectl $(DESTDIR)$(DATADIR)/zsh/site-functions/_storagectl
	install -D -m 0644 $(COMPLETIONS)/storagectl.fish $(DESTDIR)$(DATADIR)/fish/vendor_completions.d/storagectl.fish
	install -D -m 0644 scriptlets/macros.storagectl $(DESTDIR)$(MACROSDIR)/macros.storagectl
	install -d -m 0755 $(DESTDIR)$(UNITDIR)/basic.target.wants $(DESTDIR)$(UNITDIR)/multi-user.target.wants
	for unit in storagectl-apply.service storagectl-apply-late.service storagectl-copy-images.service \
		storagectl-import-images.path storagectl-import-images.service \
		storagectl-import-images-start.service \
		storagectl-check.service storagectl-check.timer \
		storagectl-metrics.service storagectl-metrics.timer; do \
		sed 's|/usr/bin/storagectl|$(BINDIR)/storagectl|' scriptlets/systemd/$$unit > $(DESTDIR)$(UNITDIR)/$$unit && \
		chmod 0644 $(DESTDIR)$(UNITDIR)/$$unit || exit 1; \
	done
	install -d -m 0755 $(DESTDIR)$(USERUNITDIR)/basic.target.wants
	sed 's|/usr/bin/storagectl|$(BINDIR)/storagectl|' scriptlets/systemd/user/storagectl-keep-layers.service \
		> $(DESTDIR)$(USERUNITDIR)/storagectl-keep-layers.service
	chmod 0644 $(DESTDIR)$(USERUNITDIR)/storagectl-keep-layers.service
	ln -sf ../storagectl-keep-layers.service $(DESTDIR)$(USERUNITDIR)/basic.target.wants/storagectl-keep-layers.service
	for check in required.d/40_storagectl_engines.sh wanted.d/40_storagectl_warnings.sh; do \
		install -d -m 0755 $(DESTDIR)$(GREENBOOTDIR)/$$(dirname $$check) && \
		sed 's|/usr/bin/storagectl|$(BINDIR)/storagectl|' scriptlets/greenboot/$$check > $(DESTDIR)$(GREENBOOTDIR)/$$check && \
		chmod 0755 $(DESTDIR)$(GREENBOOTDIR)/$$check || exit 1; \
	done
	cd ansible && find galaxy.yml README.md CHANGELOG.md meta plugins roles -type f -name '*.[mpy]*' -not -name '*.pyc' \
		-exec install -D -m 0644 {} $(abspath $(DESTDIR)$(COLLECTIONSDIR))/storagectl/storagectl/{} \;
	ln -sf ../storagectl-apply.service $(DESTDIR)$(UNITDIR)/basic.target.wants/storagectl-apply.service
	ln -sf ../storagectl-apply-late.service $(DESTDIR)$(UNITDIR)/multi-user.target.wants/storagectl-apply-late.service
	ln -sf ../storagectl-copy-images.service $(DESTDIR)$(UNITDIR)/multi-user.target.wants/storagectl-copy-images.service

.PHONY: check
check:
	tests/requirements.sh
	tests/kept-build.sh $(MAKE) --no-print-directory every-check

.PHONY: every-check
every-check:
	$(CARGO) fetch --locked --quiet
	$(CARGO) fmt --check --all
	$(CARGO) fmt --check --manifest-path fuzz/Cargo.toml
	$(MAKE) --no-print-directory --jobs=2 oldest-rust compiled-tests
	tests/in-memory.sh $(MAKE) --no-print-directory --jobs=2 tests-of-engines tests-without-engines

# Of what runs beside others: what it starts knows nothing of this make.
ALONE := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL

# The oldest Rust that it promises to build with, which requirements.sh has installed.
.PHONY: oldest-rust
oldest-rust:
	$(ALONE) CFLAGS=-O0 $(addprefix CARGO_TARGET_DIR=,$(addsuffix /oldest-rust,$(CARGO_BUILD_BUILD_DIR))) \
		rustup run $(OLDEST_RUST) cargo check $(CARGO_FLAGS) --quiet

.PHONY: compiled-tests
compiled-tests:
	$(ALONE) $(CARGO) test $(CARGO_FLAGS) --no-run

# Those that most of the time goes into, and beside them all others, which cargo runs one program after
# the other. Tests wait for disks, locks and children about as long as they compute. Clippy comes behind
# them, since it keeps no two processors at work, and no other cargo while it does.
WITHOUT_ENGINES := $(filter-out real,$(basename $(notdir $(wildcard tests/*.rs))) \
	$(patsubst tests/%/main.rs,%,$(wildcard tests/*/main.rs)))
CARGO_TEST = $(ALONE) $(CARGO) test $(CARGO_FLAGS)

.PHONY: tests-of-engines
tests-of-engines:
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$((2 * $$(nproc)))} $(CARGO_TEST) --test real

.PHONY: tests-without-engines
tests-without-engines:
	$(CARGO_TEST) --lib --bins $(addprefix --test ,$(WITHOUT_ENGINES))
	$(CARGO_TEST) --doc
	$(ALONE) $(CARGO) clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	$(ALONE) RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(CARGO_FLAGS) --no-deps --quiet

HOSTS ?= 20000
PLANS ?= 5000
PODMANS ?= 20
SEED ?= 1

.PHONY: compare
compare:
	tests/requirements.sh
	STORAGECTL_HOSTS=$(HOSTS) STORAGECTL_PLANS=$(PLANS) STORAGECTL_PODMANS=$(PODMANS) STORAGECTL_SEED=$(SEED) \
		STORAGECTL_KINDS=200 STORAGECTL_ANEW=100 \
		$(CARGO) test $(CARGO_FLAGS) --test real compare:: -- --nocapture --test-threads 1

DAMAGES ?= 5000

.PHONY: damage
damage:
	tests/requirements.sh
	STORAGECTL_DAMAGES=$(DAMAGES) STORAGECTL_SEED=$(SEED) \
		$(CARGO) test $(CARGO_FLAGS) --test real -- random_damage:: check::table --nocapture --test-threads 1

ROUNDS ?= 20
.PHONY: torture
torture:
	tests/requirements.sh
	@STORAGECTL_ROUNDS=$(ROUNDS) STORAGECTL_SEED=$(SEED) \
		$(CARGO) test $(CARGO_FLAGS) --quiet --test real -- torture:: interrupt:: kill import::cut --nocapture --test-threads 1

CUTS ?= 1000
HERE ?=
CUT ?=
COMMAND ?=
FILESYSTEMS ?=

TIME ?= 60
.PHONY: fuzz
fuzz:
	fuzz/run.sh $(TIME) $(PROPERTIES)

.PHONY: bench
bench:
	tests/requirements.sh bench
	$(CARGO) build --release $(CARGO_FLAGS)
	benches/add-store.sh
	benches/check-store.sh
	benches/build-store.sh
	benches/pack.sh
	benches/copy-images.sh
	benches/embed-images.sh

.PHONY: hosts
hosts:
	tests/hosts/run.sh $(FILTER)

RELEASE ?= trixie

.PHONY: machine
machine:
	tests/machine/run.sh $(RELEASE) $(PARTS)

.PHONY: power-cuts
power-cuts:
	tests/requirements.sh machine
	CUTS="$(CUTS)" SEED="$(SEED)" CUT="$(CUT)" COMMAND="$(COMMAND)" HERE="$(HERE)" FILESYSTEMS="$(FILESYSTEMS)" \
		tests/machine/power-cuts.sh

.PHONY: memory
memory:
	$(CARGO) build --release $(CARGO_FLAGS)
	benches/memory.sh --program $(PROGRAM)

.PHONY: processors
processors:
	tests/processors/run.sh $(PROCESSORS)

# When what is made is from: the same commit gives the same bytes.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null)
SOURCES := $(TARGET)/dist/storagectl-$(VERSION)

.PHONY: archive
archive:
	rm -rf $(TARGET)/dist
	mkdir -p $(SOURCES)/.cargo
	git -c tar.umask=0022 archive HEAD | tar -x -C $(SOURCES)
	cd $(SOURCES) && $(CARGO) vendor --locked vendor > .cargo/config.toml
	tar -C $(TARGET)/dist --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner \
		--format=gnu -cf - storagectl-$(VERSION) | gzip -9n > $(SOURCES).tar.gz

.PHONY: dist
dist: archive
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) packaging/dist.sh $(TARGET)/dist $(VERSION) $(PROCESSORS)
