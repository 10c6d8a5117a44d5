# SPDX-License-Identifier: Apache-2.0
#
# One makefile for everything; all output goes to build/. New source files are found by themselves:
#
#   server/*/*.c            sabird; base, shm, objects and ops also go into libsabir
#   proto/attach/*.c        the control socket's codec: both
#   *_test.c beside these   one CUnit program each, linked with code that has fault points
#   bindings/c/*.c          libsabir;  bindings/c/examples/*.c  one program each
#   tests/<suite>/*.c       one program each, linked with libsabir; tests/storm and RESTART_C: one of several files
#   tests/crash/*.c, tests/hostile/*.c  one program each, linked with the server's objects
#   tests/fuzz/*.c          one fuzzer each, linked with them too, but for those that they share (FUZZ_SHARED_C)
#   tests/bench/*.cpp       one program each: the benchmark's peers, and the clients of both sides
#   proto/, server/*/*.proto  generated code, see "Generated code" below
#
# VARIANT=asan, tsan or fuzz builds the same tree with a sanitizer into build/asan and so on, VARIANT=twice with calls at each load and
# store, for tests/fuzz/loads.c; VARIANT=bare without what recovery needs, for tests/bench alone. JOBS=n compiles n files at a time.

VERSION := 0.1.0
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
DESTDIR ?=
VARIANT ?=
JOBS ?= $(shell nproc)

MAKEFLAGS += --no-print-directory
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS)
endif

G := build/gen
O := build$(if $(VARIANT),/$(VARIANT))

CC := $(if $(filter fuzz twice,$(VARIANT)),clang,gcc)
INCLUDES := -I. -Ibindings/c -I$(G) -I$(G)/wire
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SANITIZE_tsan := -fsanitize=thread -Wno-tsan
# Compared constants are for libFuzzer's own mutators; ours know the form, and tracing them costs up to half of the time.
# A path is one of the source: no branch is folded into another, and no function is there once more in each that calls it.
SANITIZE_fuzz := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-coverage=trace-cmp -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer -O1 -fno-inline
# The compiler tells of each load and store (tests/fuzz/loads.c).
SANITIZE_twice := -fsanitize=address,undefined -fsanitize-coverage=func,trace-pc-guard,trace-loads,trace-stores -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer -fno-builtin
SANITIZE := $(SANITIZE_$(VARIANT))
DEFINE_bare := -DSABIR_BARE
DEFINE_fuzz := -DSABIR_FAULTS
DEFINE_twice := -DSABIR_FAULTS
CFLAGS ?= -O2 -g
BASE_CFLAGS := -std=gnu11 -D_GNU_SOURCE= -DSABIR_VERSION='"$(VERSION)"' $(CFLAGS) $(DEFINE_$(VARIANT)) -fPIC -fno-plt -fvisibility=hidden \
	-ffunction-sections -pthread $(SANITIZE)
ALL_CFLAGS = $(BASE_CFLAGS) $(WARNINGS) $(INCLUDES) -MMD -MP
ALL_LDFLAGS := -pthread -Wl,--as-needed -Wl,-z,relro,-z,now $(SANITIZE) $(LDFLAGS)
LIBS_CORE := -lprotobuf-c
LIBS_GRPC := -lgrpc -lgpr
LIBS_NANOPB := -lprotobuf-nanopb

# One short line for each step; V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' $(1) $@)

.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := help

##@ Packages

# What the goals need beyond the build. The installer does nothing, and says nothing, when all is there.
NEEDS_test := python node go
NEEDS_linearize := python go
NEEDS_demo := python node
NEEDS_lint := lint python
NEEDS_format := lint
NEEDS_stress := python
NEEDS_restart := python
NEEDS_asan := python
NEEDS_tsan := python
NEEDS_bench := bench python
NEEDS_models := models
NEEDS_fuzz := fuzz
NEEDS_twice := fuzz
NEEDS_images := images
NEEDS := $(if $(filter-out images,$(MAKECMDGOALS)),build) $(sort $(foreach goal,$(MAKECMDGOALS),$(NEEDS_$(goal))))

.PHONY: packages
packages:
	@tests/kit/install $(NEEDS)

##@ Sources

C_FILES := $(wildcard proto/attach/*.c server/*/*.c bindings/c/*.c)
TEST_C := $(filter %_test.c,$(C_FILES))
SRC := $(filter-out %_test.c,$(C_FILES))
CORE := server/base/% server/shm/% server/objects/% server/ops/% proto/attach/%
CORE_C := $(filter $(CORE),$(SRC))
CLIENT_C := $(filter bindings/c/%,$(SRC))
MAIN_C := $(filter server/main/main.c,$(SRC))
UPPER_C := $(filter-out $(CORE_C) $(CLIENT_C) $(MAIN_C),$(SRC))
EXAMPLE_C := $(wildcard bindings/c/examples/*.c)
RESTART_C := $(addprefix tests/restart/,restart.c load.c kills.c)
SUITE_C := $(filter-out tests/lint/% tests/crash/% tests/fuzz/% tests/storm/% tests/hostile/% $(RESTART_C),$(wildcard tests/*/*.c))
CRASH_C := $(wildcard tests/crash/*.c)
FUZZ_C := $(wildcard tests/fuzz/*.c)

##@ Generated code

PROTOS := $(patsubst proto/%,%,$(wildcard proto/sabir/v1/*.proto))
SERVER_PROTOS := $(wildcard server/*/*.proto)
ATTACH_PROTOS := $(wildcard proto/attach/*.proto)
GOOGLE_PROTOS := google/protobuf/any.proto google/protobuf/duration.proto google/protobuf/timestamp.proto

LEAN := $(PROTOS:%=$(G)/lean/%)
WIRE_C := $(patsubst %.proto,$(G)/wire/%.pb-c.c,$(GOOGLE_PROTOS) $(PROTOS) $(SERVER_PROTOS))
ATTACH_C := $(ATTACH_PROTOS:%.proto=$(G)/%.pb.c)
GEN_H := $(G)/sabir/error.h $(G)/descriptor.h $(WIRE_C:.c=.h) $(ATTACH_C:.c=.h)
GEN_C := $(WIRE_C) $(ATTACH_C) $(G)/descriptor.c

$(GEN_H) $(GEN_C) $(LEAN) $(G)/descriptor.pb: | packages

$(G)/sabir/error.h: proto/errors.def proto/errors.awk
	@mkdir -p $(@D)
	$(call say,GEN)
	$(Q)awk -f proto/errors.awk $< >$@

$(LEAN): $(G)/lean/%: proto/% proto/lean.sed
	@mkdir -p $(@D)
	$(call say,GEN)
	$(Q)sed -f proto/lean.sed $< >$@

# No prerequisite: on a fresh system the file comes with the packages, and make would go on believing that it isn't there.
$(G)/wire/google/%.pb-c.c $(G)/wire/google/%.pb-c.h: | packages
	@mkdir -p $(G)/wire
	$(call say,GEN)
	$(Q)protoc-c -I/usr/include --c_out=$(G)/wire /usr/include/google/$*.proto

$(G)/wire/server/%.pb-c.c $(G)/wire/server/%.pb-c.h: server/%.proto $(SERVER_PROTOS)
	@mkdir -p $(G)/wire
	$(call say,GEN)
	$(Q)protoc-c -I. -I/usr/include --c_out=$(G)/wire $<

$(G)/wire/%.pb-c.c $(G)/wire/%.pb-c.h: $(G)/lean/%.proto $(LEAN)
	@mkdir -p $(G)/wire
	$(call say,GEN)
	$(Q)out=$$(protoc-c -I$(G)/lean -I/usr/include --c_out=$(G)/wire $< 2>&1) || { echo "$$out" >&2; false; }

$(G)/proto/%.pb.c $(G)/proto/%.pb.h: proto/%.proto $(wildcard proto/attach/*.options)
	@mkdir -p $(G)
	$(call say,GEN)
	$(Q)protoc -I. -I/usr/include --nanopb_opt=-I. --nanopb_out=$(G) $<

# What gRPC's server reflection serves: the contract as it is written, with its comments left out.
$(G)/descriptor.pb: $(PROTOS:%=proto/%) $(SERVER_PROTOS)
	@mkdir -p $(@D)
	$(call say,GEN)
	$(Q)protoc -Iproto -I. -I/usr/include --include_imports --descriptor_set_out=$@ $(PROTOS) $(SERVER_PROTOS)

$(G)/descriptor.h: Makefile
	@mkdir -p $(@D)
	@printf '%s\n' '#ifndef SABIR_DESCRIPTOR_H' '#define SABIR_DESCRIPTOR_H' '' '#include <stddef.h>' '#include <stdint.h>' '' \
		'/* The FileDescriptorSet of every service that the server speaks. */' \
		'extern const uint8_t sabir_descriptor_set[];' 'extern const size_t sabir_descriptor_set_len;' '' '#endif' >$@

$(G)/descriptor.c: $(G)/descriptor.pb $(G)/descriptor.h
	@{ echo '#include "descriptor.h"'; echo 'const uint8_t sabir_descriptor_set[] = {'; \
		od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g'; echo '};'; \
		echo 'const size_t sabir_descriptor_set_len = sizeof(sabir_descriptor_set);'; } >$@

.PHONY: gen
gen: $(GEN_H) $(GEN_C) $(G)/descriptor.pb ##- generate code

##@ Objects

OBJ = $(patsubst %.c,$(O)/obj/%.o,$(1))
FAULT_OBJ = $(patsubst %.c,$(O)/faults/%.o,$(1))
GEN_OBJ = $(patsubst $(G)/%.c,$(O)/obj/gen/%.o,$(1))

# The version script hides what libsabir doesn't export, so its own files may leave visibility to it.
$(O)/obj/bindings/c/%.o $(O)/faults/bindings/c/%.o: VISIBILITY := -fvisibility=default

$(O)/obj/gen/%.o: $(G)/%.c $(GEN_H)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(BASE_CFLAGS) $(INCLUDES) $(NO_COVERAGE) -w -c -o $@ $<

$(O)/obj/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) $(VISIBILITY) $(NO_COVERAGE) -c -o $@ $<

$(O)/faults/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) $(VISIBILITY) -DSABIR_FAULTS -c -o $@ $<

SERVER_GEN_C := $(filter $(G)/wire/server/%,$(WIRE_C)) $(G)/descriptor.c
SERVER_GEN_O := $(call GEN_OBJ,$(SERVER_GEN_C))
WIRE_O := $(call GEN_OBJ,$(filter-out $(SERVER_GEN_C),$(GEN_C)))
# The products read requests by field tables of their own; protoc-c's code is what the unit tests hold those against.
ATTACH_O := $(call GEN_OBJ,$(ATTACH_C))

##@ Products

SABIRD := $(if $(MAIN_C),$(O)/bin/sabird)
LIBSABIR := $(if $(wildcard bindings/c/sabir.map),$(addprefix $(O)/lib/,libsabir.so libsabir.a))
EXAMPLES := $(if $(LIBSABIR),$(EXAMPLE_C:bindings/c/examples/%.c=$(O)/examples/%))

$(O)/bin/sabird: $(call OBJ,$(CORE_C) $(UPPER_C) $(MAIN_C)) $(ATTACH_O) $(call GEN_OBJ,$(G)/descriptor.c)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -Wl,--gc-sections -o $@ $^ $(LIBS_GRPC) $(LIBS_NANOPB)

CLIENT_O := $(call OBJ,$(CORE_C) $(CLIENT_C)) $(ATTACH_O)

$(O)/lib/libsabir.so.1: $(CLIENT_O) bindings/c/sabir.map
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) -shared $(ALL_LDFLAGS) -Wl,-soname,libsabir.so.1 -Wl,-z,nodelete -Wl,-Bsymbolic-functions -Wl,--gc-sections \
		-Wl,--version-script=bindings/c/sabir.map -o $@ $(CLIENT_O) $(LIBS_GRPC) $(LIBS_NANOPB)

$(O)/lib/libsabir.so: $(O)/lib/libsabir.so.1
	$(Q)ln -sf $(<F) $@

# One object in which only the names of sabir.map are global, so that the static library hides what the shared one hides.
$(O)/lib/libsabir.a: $(CLIENT_O) bindings/c/sabir.map
	@mkdir -p $(@D) $(O)/obj
	$(call say,AR)
	$(Q)awk '/local:/ { exit } match($$0, /sabir_[a-zA-Z0-9_*]+;/) { print substr($$0, RSTART, RLENGTH - 1) }' bindings/c/sabir.map \
		>$(O)/obj/exports
	$(Q)ld -r -o $(O)/obj/libsabir.o $(CLIENT_O) --start-group $(shell $(CC) -print-file-name=libprotobuf-nanopb.a) --end-group
	$(Q)objcopy --wildcard --keep-global-symbols=$(O)/obj/exports $(O)/obj/libsabir.o
	$(Q)rm -f $@
	$(Q)ar rcs $@ $(O)/obj/libsabir.o

# Programs that use libsabir as any program would: its headers, its shared library.
SUITES := $(if $(LIBSABIR),$(SUITE_C:%.c=$(O)/%))

# Of several files each. -MMD tells the headers of the last one only, so all are named.
STORM := $(if $(LIBSABIR),$(O)/tests/storm/storm)
RESTART := $(if $(LIBSABIR),$(O)/tests/restart/restart)
SUITES += $(STORM) $(RESTART)

$(EXAMPLES): $(O)/examples/%: bindings/c/examples/%.c
$(filter-out $(STORM) $(RESTART),$(SUITES)): $(O)/%: %.c
$(STORM): $(wildcard tests/storm/*.[ch])
$(RESTART): $(RESTART_C) $(wildcard tests/restart/*.h)
$(O)/tests/stress/wake: SUITE_LIBS := -lgrpc -lgpr
$(EXAMPLES) $(SUITES): $(LIBSABIR) | $(GEN_H)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=gnu11 $(CFLAGS) $(WARNINGS) $(SANITIZE) -I. -Ibindings/c -I$(G) -MMD -MP -MF $@.d -pthread -o $@ $(filter %.c,$^) \
		-L$(O)/lib -Wl,-rpath,'$$ORIGIN/../lib:$$ORIGIN/../../lib' $(LDFLAGS) -lsabir $(SUITE_LIBS) -lm

.PHONY: build programs
programs: $(SABIRD) $(LIBSABIR) $(EXAMPLES)
build: programs ## sabird, libsabir and the example programs, into build/

##@ Unit tests

$(O)/faults/core.a: $(call FAULT_OBJ,$(CORE_C)) $(WIRE_O)
$(O)/faults/upper.a: $(call FAULT_OBJ,$(UPPER_C)) $(SERVER_GEN_O)
$(O)/faults/client.a: $(call FAULT_OBJ,$(CLIENT_C))
$(O)/faults/%.a:
	$(call say,AR)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $^

UNIT := $(TEST_C:%.c=$(O)/unit/%)
UNIT_UPPER := $(filter-out $(addprefix $(O)/unit/,$(CORE) bindings/%),$(UNIT))

$(filter $(O)/unit/bindings/%,$(UNIT)): $(O)/faults/client.a
$(UNIT_UPPER): $(O)/faults/upper.a
$(UNIT): $(O)/unit/%: $(O)/faults/%.o $(O)/faults/core.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -lcunit $(LIBS_GRPC) $(LIBS_CORE) $(LIBS_NANOPB) -lm

##@ The crash sweep

# The objects are those of the product: no fault points, the same optimization.
SWEEP := $(O)/tests/crash/sweep
$(SWEEP): $(call OBJ,$(CORE_C) $(CLIENT_C) $(CRASH_C)) $(WIRE_O) $(ATTACH_O)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -Wl,--wrap=fallocate,--wrap=syscall -o $@ $^ -lcunit $(LIBS_GRPC) $(LIBS_CORE) $(LIBS_NANOPB)

##@ The hostile program

HOSTILE := $(O)/tests/hostile/hostile
$(HOSTILE): $(call OBJ,$(CORE_C) $(CLIENT_C) $(wildcard tests/hostile/*.c)) $(WIRE_O) $(ATTACH_O)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_GRPC) $(LIBS_CORE) $(LIBS_NANOPB)

##@ A server of another memory layout

# For tests/restart. What looks at the version is compiled anew, the rest is the server's own.
OTHER := $(O)/tests/restart/other
OTHER_C := $(shell grep -l SEG_LAYOUT_VERSION $(CORE_C) $(UPPER_C) $(MAIN_C))
OTHER_O := $(OTHER_C:%.c=$(O)/other/%.o)
$(O)/other/proto/segment/layout.h: proto/segment/layout.h
	@mkdir -p $(@D)
	$(call say,GEN)
	$(Q)sed 's/^#define SEG_LAYOUT_VERSION .*/#define SEG_LAYOUT_VERSION 99u/' $< >$@
$(OTHER_O): $(O)/other/%.o: %.c $(O)/other/proto/segment/layout.h | $(GEN_H)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -I$(O)/other $(ALL_CFLAGS) -c -o $@ $<
$(OTHER): $(call OBJ,$(filter-out $(OTHER_C),$(CORE_C) $(UPPER_C) $(MAIN_C))) $(OTHER_O) $(ATTACH_O) $(call GEN_OBJ,$(G)/descriptor.c)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -Wl,--gc-sections -o $@ $^ $(LIBS_GRPC) $(LIBS_NANOPB)

##@ Fuzzers

FUZZ_SHARED_C := $(addprefix tests/fuzz/,stage.c moment.c mutate.c seeds.c play.c pieces.c asked.c damage.c death.c hinder.c deaths.c stories.c story.c request.c upkeep.c streams_session.c)
LOADS_C := $(addprefix tests/fuzz/,loads.c inputs.c)
TWICE := $(O)/tests/fuzz/twice $(O)/tests/fuzz/firsts
FUZZ_PROGRAMS := $(patsubst %.c,$(O)/%,$(filter-out $(FUZZ_SHARED_C) $(LOADS_C) $(TWICE:$(O)/%=%.c),$(FUZZ_C)))
FUZZ_O := $(call OBJ,$(CORE_C) $(filter server/snapshot/% server/rpc/%_wire.c,$(SRC)) server/rpc/schema.c server/main/config.c server/main/setting.c server/main/runtime.c $(FUZZ_SHARED_C) tests/crash/world.c tests/crash/scenario.c tests/crash/scenario_queue.c) $(WIRE_O) $(SERVER_GEN_O)
FUZZ_WRAP := $(addprefix -Xlinker --wrap=,clock_gettime nanosleep syscall getrandom fallocate mmap)
# A path is one of the product, not of what makes the inputs.
ifeq ($(VARIANT),fuzz)
$(O)/obj/tests/%.o $(O)/obj/gen/%.o: NO_COVERAGE := -fno-sanitize=fuzzer-no-link
endif
ifeq ($(VARIANT),twice)
$(O)/obj/tests/%.o $(O)/obj/gen/%.o: NO_COVERAGE := -fno-sanitize-coverage=func,trace-pc-guard,trace-loads,trace-stores
endif
TWICE_WRAP := $(FUZZ_WRAP) $(addprefix -Xlinker --wrap=,memcpy memmove memcmp __asan_memcpy __asan_memmove)
$(TWICE): $(O)/%: $(O)/obj/%.o $(call OBJ,$(LOADS_C)) $(FUZZ_O)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) $(TWICE_WRAP) -o $@ $^ -lcunit $(LIBS_CORE) $(LIBS_NANOPB)
.PHONY: twice
twice: $(TWICE)

$(FUZZ_PROGRAMS): $(O)/%: $(O)/obj/%.o $(FUZZ_O)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) -fsanitize=fuzzer $(ALL_LDFLAGS) $(FUZZ_WRAP) -o $@ $^ -lcunit $(LIBS_CORE) $(LIBS_NANOPB)

.PHONY: fuzzers
fuzzers: $(FUZZ_PROGRAMS)

##@ Benchmarks

# The peers are in C++, and so are the clients that drive a peer and sabird alike; nothing else is.
CXX := g++
BENCH := $(patsubst %.cpp,$(O)/%,$(wildcard tests/bench/*.cpp))
BENCH_GRPC := $(filter-out %/peers,$(BENCH))
BENCH_WIRE := $(foreach proto,object value queue queue.grpc manager manager.grpc,$(G)/cpp/sabir/v1/$(proto).pb.cc)
BENCH_CXXFLAGS = -std=c++17 $(CFLAGS) -Wall -Wextra -I. -pthread

$(filter %.grpc.pb.cc,$(BENCH_WIRE)): OUT = grpc_out --plugin=protoc-gen-grpc=$(shell command -v grpc_cpp_plugin)
$(filter-out %.grpc.pb.cc,$(BENCH_WIRE)): OUT = cpp_out
$(BENCH_WIRE): $(PROTOS:%=proto/%) | packages
	@mkdir -p $(G)/cpp
	$(call say,GEN)
	$(Q)protoc -Iproto -I/usr/include --$(word 1,$(OUT))=$(G)/cpp $(word 2,$(OUT)) \
		$(patsubst $(G)/cpp/%.pb.cc,proto/%.proto,$(subst .grpc,,$@))

$(O)/obj/cpp/%.o: $(G)/cpp/%.cc $(BENCH_WIRE)
	@mkdir -p $(@D)
	$(call say,CXX)
	$(Q)$(CXX) -std=c++17 $(CFLAGS) -w -I$(G)/cpp -c -o $@ $<

$(BENCH_GRPC): BENCH_FLAGS := -I$(G)/cpp
# gRPC's C++ headers use abseil inline: the linker finds it by way of libgrpc++.
$(BENCH_GRPC): BENCH_LIBS := -Wl,--copy-dt-needed-entries -lgrpc++ -lgrpc -lgpr -lprotobuf
$(BENCH_GRPC): $(BENCH_WIRE:$(G)/%.cc=$(O)/obj/%.o)
$(O)/tests/bench/peers: BENCH_LIBS := -llmdb -lrt
$(BENCH): $(O)/%: %.cpp | packages
	@mkdir -p $(@D)
	$(call say,CXX)
	$(Q)$(CXX) $(BENCH_CXXFLAGS) $(BENCH_FLAGS) -MMD -MP -MF $@.d -o $@ $(filter %.cpp %.o,$^) $(BENCH_LIBS)

##@ Tests

# Scripts that print "N passed, N failed" as their last line; those of the bindings use the server in build/.
QUICK := $(wildcard tests/crash/run tests/restart/run tests/snapshot/run tests/integration/run tests/conformance/run \
	tests/linearizability/run tests/blocking/run tests/streams/run tests/storm/run tests/hostile/run \
	bindings/*/tests/run)
TEST_ENV = SABIR_BUILD=$(O) SABIRD=$(O)/bin/sabird

.PHONY: unit test check lint format asan tsan sanitized stress restart storm pauses hostile linearize crash crash-sample \
	fuzz models bench images demo
unit: $(UNIT)
	@$(TEST_ENV) tests/kit/suite --logs $(O)/logs $(UNIT)

test: check ## the whole quick suite: unit, integration and binding tests

check: programs $(UNIT) $(SUITES) $(SWEEP) $(HOSTILE) $(OTHER)
	@$(TEST_ENV) tests/kit/suite --logs $(O)/logs $(UNIT) $(QUICK)

lint: $(GEN_H) $(LIBSABIR) ## layers, headers, layout, warnings, format, protos
	@tests/lint/run

format: ## clang-format over all C files
	clang-format -i $(wildcard $(foreach folder,server/* proto/* bindings/c bindings/c/* tests/*,$(folder)/*.[ch]))

asan: | packages ## unit and integration tests and hostile with AddressSanitizer and UBSan
	@$(MAKE) VARIANT=asan sanitized

# It sees one process: an order that came about by way of another one, such as a block that a local program has freed, is none
# to it. So suites in which local and remote programs share objects are not among these.
tsan: | packages ## unit and integration tests with ThreadSanitizer
	@$(MAKE) VARIANT=tsan sanitized

sanitized: export ASAN_OPTIONS := detect_stack_use_after_return=1:abort_on_error=0
sanitized: export UBSAN_OPTIONS := print_stacktrace=1
sanitized: export TSAN_OPTIONS := ignore_noninstrumented_modules=1:die_after_fork=0:second_deadlock_stack=1
# How much longer a program may take. What takes long is not the sanitizer alone but what else runs beside it.
sanitized: export SLOWNESS := 10
# Where words are written over without a lock there are races, so that is nothing for ThreadSanitizer.
SANITIZED := $(UNIT) tests/integration/run $(if $(filter asan,$(VARIANT)),tests/hostile/run)
sanitized: programs $(UNIT) $(SUITES) $(if $(filter asan,$(VARIANT)),$(HOSTILE))
	@$(TEST_ENV) tests/kit/suite --logs $(O)/logs $(SANITIZED)

stress: programs $(SUITES) ## many processes on one queue, with kills; every item once
	@$(TEST_ENV) tests/stress/run

storm: programs $(STORM) ## all kinds at once, with kills at random, against a ledger; SECONDS=600
	@$(TEST_ENV) KIND=kills SECONDS_LONG=$(or $(SECONDS),600) tests/storm/run

pauses: programs $(STORM) ## the same with processes stopped for long, and no kills; SECONDS=120
	@$(TEST_ENV) KIND=pauses SECONDS_LONG=$(or $(SECONDS),120) tests/storm/run

hostile: programs $(HOSTILE) ## somebody overwrites words of the live memory; SECONDS=60, SEED=n, PART=poor, all or peace
	@$(TEST_ENV) SECONDS_LONG=$(or $(SECONDS),60) tests/hostile/run

restart: programs $(SUITES) $(OTHER) ## the server killed again and again under load; N=200, PAUSE=300 (ms)
	@$(TEST_ENV) N=$(or $(N),200) tests/restart/run

linearize: programs $(SUITES) ## concurrent histories, checked with Porcupine; SECONDS=600 or ROUNDS=n
	@$(TEST_ENV) $(if $(ROUNDS),ROUNDS=$(ROUNDS),SECONDS=$(or $(SECONDS),600)) tests/linearizability/run

crash: $(SWEEP) ## every operation, killed at every instruction; RECOVERY=1: the recovery too; ONLY=text, PART=1/4
	@$(SWEEP) --kills 3 --recovery $(or $(RECOVERY),0) $(if $(ONLY),--only '$(ONLY)') $(if $(PART),--part $(PART))

crash-sample: $(SWEEP) ## some of it, at random
	@$(SWEEP) --sample 25 --kills 3

fuzz: | packages ## coverage-guided fuzzers; SECONDS_EACH=60, FUZZERS="names"
	@$(MAKE) VARIANT=fuzz fuzzers
	@$(MAKE) VARIANT=twice twice
	@tests/fuzz/run

models: | packages ## the protocols of queue, lock and event, checked with spin
	@tests/crash/models

bench: programs $(SUITES) $(BENCH) ## local operations and gRPC calls beside their peers, and what the promise costs
	@$(MAKE) VARIANT=bare build/bare/lib/libsabir.so build/bare/tests/bench/ops
	@$(TEST_ENV) tests/bench/run

demo: programs $(SUITES) ## C, Python and Node count the words of a text together; INPUT=files
	@$(TEST_ENV) INPUT='$(INPUT)' tests/demo/run

images: | packages ## build and run the containers with podman
	@deploy/compose/run

##@ Installation

MAN := $(DESTDIR)$(PREFIX)/share/man
MAN_PAGES := $(wildcard bindings/c/man/*.[1-8] server/main/*.[1-8])
# Each function and its page, as the page's NAME has it: what has no page of its own gets one that leads there.
MAN_NAMES = awk '/^\.SH NAME/ { getline; sub(/ *\\-.*/, ""); gsub(",", ""); for (i = 1; i <= NF; i++) print $$i, FILENAME }' \
	$(filter %.3,$(MAN_PAGES))
UNITS := $(wildcard deploy/systemd/*.service deploy/systemd/*.socket)
PUBLIC_H := $(wildcard bindings/c/sabir*.h)
INSTALLED := $(PREFIX)/bin/sabird $(PUBLIC_H:bindings/c/%=$(PREFIX)/include/%) $(PREFIX)/include/sabir/error.h $(LIBDIR)/libsabir.so \
	$(LIBDIR)/libsabir.so.1 $(LIBDIR)/libsabir.a $(LIBDIR)/pkgconfig/sabir.pc \
	$(foreach page,$(notdir $(MAN_PAGES)),$(PREFIX)/share/man/man$(subst .,,$(suffix $(page)))/$(page)) \
	$(addprefix $(PREFIX)/lib/systemd/system/,$(notdir $(UNITS))) $(PREFIX)/lib/sysusers.d/sabir.conf \
	$(PREFIX)/share/bash-completion/completions/sabird $(PREFIX)/share/doc/sabir/sabird.conf

.PHONY: install uninstall clean help
install: $(if $(DEFINE_$(VARIANT)),not-this-variant) programs ## install to $(DESTDIR)$(PREFIX); PREFIX=/usr/local
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include/sabir $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 755 $(O)/bin/sabird $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(PUBLIC_H) $(DESTDIR)$(PREFIX)/include
	install -m 644 $(G)/sabir/error.h $(DESTDIR)$(PREFIX)/include/sabir
	install -m 755 $(O)/lib/libsabir.so.1 $(DESTDIR)$(LIBDIR)
	install -m 644 $(O)/lib/libsabir.a $(DESTDIR)$(LIBDIR)
	ln -sf libsabir.so.1 $(DESTDIR)$(LIBDIR)/libsabir.so
	sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' -e 's|@VERSION@|$(VERSION)|g' bindings/c/sabir.pc.in \
		>$(DESTDIR)$(LIBDIR)/pkgconfig/sabir.pc
	install -d $(sort $(foreach page,$(MAN_PAGES),$(MAN)/man$(subst .,,$(suffix $(page))))) $(DESTDIR)$(PREFIX)/lib/systemd/system
	for page in $(MAN_PAGES); do install -m 644 $$page $(MAN)/man$${page##*.} || exit 1; done
	$(MAN_NAMES) | while read -r name page; do \
		[ -e bindings/c/man/$$name.3 ] || echo ".so man3/$${page##*/}" >$(MAN)/man3/$$name.3 || exit 1; done
	install -m 644 $(UNITS) $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -D -m 644 deploy/systemd/sabir.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/sabir.conf
	install -D -m 644 server/main/sabird.bash-completion $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sabird
	install -D -m 644 server/main/sabird.conf $(DESTDIR)$(PREFIX)/share/doc/sabir/sabird.conf

.PHONY: not-this-variant
not-this-variant:
	@echo 'VARIANT=$(VARIANT) is not for use: it does not recover' >&2; false

uninstall: ## remove what install put there
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	$(MAN_NAMES) | while read -r name page; do rm -f $(MAN)/man3/$$name.3; done
	-rmdir $(addprefix $(DESTDIR)$(PREFIX)/,include/sabir share/doc/sabir)

clean: ## remove build/
	rm -rf build

help:
	@echo 'Sabir $(VERSION). Targets:'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

-include $(shell find $(O)/obj $(O)/other $(O)/faults $(O)/examples $(O)/tests -name '*.d' 2>/dev/null)
