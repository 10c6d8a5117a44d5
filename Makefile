# SPDX-License-Identifier: Apache-2.0
#
# One makefile for everything; all output goes to build/. New source files are found by themselves:
#
#   server/*/*.c            sabird; base, shm, objects and ops also go into libsabir
#   proto/attach/*.c        the control socket's codec: both
#   server/*/*_test.c       one CUnit program each, linked with code that has fault points
#   bindings/c/*.c          libsabir;  bindings/c/examples/*.c  one program each
#   tests/<suite>/*.c       one program each, linked with libsabir
#   proto/, server/*/*.proto  generated code, see "Generated code" below
#
# VARIANT=asan or tsan builds the same tree with a sanitizer into build/asan or build/tsan.

VERSION := 0.1.0
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
DESTDIR ?=
VARIANT ?=
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

G := build/gen
O := build$(if $(VARIANT),/$(VARIANT))

CC := gcc
INCLUDES := -I. -I$(G) -I$(G)/wire
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SANITIZE_tsan := -fsanitize=thread
SANITIZE := $(SANITIZE_$(VARIANT))
CFLAGS ?= -O2 -g
BASE_CFLAGS := -std=gnu11 -D_GNU_SOURCE -DSABIR_VERSION='"$(VERSION)"' $(CFLAGS) -fPIC -fno-plt -fvisibility=hidden \
	-ffunction-sections -pthread $(SANITIZE)
ALL_CFLAGS = $(BASE_CFLAGS) $(WARNINGS) $(INCLUDES) -MMD -MP
ALL_LDFLAGS := -pthread -Wl,--as-needed -Wl,-z,relro,-z,now $(SANITIZE) $(LDFLAGS)
LIBS_CORE := -lprotobuf-c
LIBS_GRPC := -lgrpc -lgpr
LIBS_NANOPB := -lprotobuf-nanopb

.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := help

##@ Sources

C_FILES := $(wildcard proto/attach/*.c server/*/*.c bindings/c/*.c)
TEST_C := $(filter %_test.c,$(C_FILES))
SRC := $(filter-out %_test.c,$(C_FILES))
CORE_C := $(filter proto/attach/% server/base/% server/shm/% server/objects/% server/ops/%,$(SRC))
CLIENT_C := $(filter bindings/c/%,$(SRC))
MAIN_C := $(filter server/main/main.c,$(SRC))
UPPER_C := $(filter-out $(CORE_C) $(CLIENT_C) $(MAIN_C),$(SRC))
EXAMPLE_C := $(wildcard bindings/c/examples/*.c)

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

$(G)/sabir/error.h: proto/errors.def proto/errors.awk
	@mkdir -p $(@D)
	awk -f proto/errors.awk $< >$@

$(LEAN): $(G)/lean/%: proto/% proto/lean.sed
	@mkdir -p $(@D)
	sed -f proto/lean.sed $< >$@

$(G)/wire/google/%.pb-c.c $(G)/wire/google/%.pb-c.h: /usr/include/google/%.proto
	@mkdir -p $(G)/wire
	protoc-c -I/usr/include --c_out=$(G)/wire $<

$(G)/wire/server/%.pb-c.c $(G)/wire/server/%.pb-c.h: server/%.proto $(SERVER_PROTOS)
	@mkdir -p $(G)/wire
	protoc-c -I. -I/usr/include --c_out=$(G)/wire $<

$(G)/wire/%.pb-c.c $(G)/wire/%.pb-c.h: $(G)/lean/%.proto $(LEAN)
	@mkdir -p $(G)/wire
	protoc-c -I$(G)/lean -I/usr/include --c_out=$(G)/wire $< 2>$(G)/protoc-c.log || { cat $(G)/protoc-c.log >&2; false; }

$(G)/proto/%.pb.c $(G)/proto/%.pb.h: proto/%.proto $(wildcard proto/attach/*.options)
	@mkdir -p $(G)
	protoc -I. -I/usr/include --nanopb_opt=-I. --nanopb_out=$(G) $<

# What gRPC's server reflection serves: the contract as it is written, with its comments left out.
$(G)/descriptor.pb: $(PROTOS:%=proto/%) $(SERVER_PROTOS)
	@mkdir -p $(@D)
	protoc -Iproto -I. -I/usr/include --include_imports --descriptor_set_out=$@ $(PROTOS) $(SERVER_PROTOS)

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
	$(CC) $(BASE_CFLAGS) $(INCLUDES) -w -c -o $@ $<

$(O)/obj/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(VISIBILITY) -c -o $@ $<

$(O)/faults/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(VISIBILITY) -DSABIR_FAULTS -c -o $@ $<

WIRE_O := $(call GEN_OBJ,$(WIRE_C) $(ATTACH_C))
DESCRIPTOR_O := $(call GEN_OBJ,$(G)/descriptor.c)

##@ Products

SABIRD := $(if $(MAIN_C),$(O)/bin/sabird)
LIBSABIR := $(if $(wildcard bindings/c/sabir.map),$(addprefix $(O)/lib/,libsabir.so libsabir.a pkgconfig/sabir.pc))
EXAMPLES := $(if $(LIBSABIR),$(EXAMPLE_C:bindings/c/examples/%.c=$(O)/examples/%))

$(O)/bin/sabird: $(call OBJ,$(CORE_C) $(UPPER_C) $(MAIN_C)) $(WIRE_O) $(DESCRIPTOR_O)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -Wl,--gc-sections -o $@ $^ $(LIBS_GRPC) $(LIBS_CORE) $(LIBS_NANOPB)

CLIENT_O := $(call OBJ,$(CORE_C) $(CLIENT_C)) $(WIRE_O)

$(O)/lib/libsabir.so.1: $(CLIENT_O) bindings/c/sabir.map
	@mkdir -p $(@D)
	$(CC) -shared $(ALL_LDFLAGS) -Wl,-soname,libsabir.so.1 -Wl,-Bsymbolic-functions -Wl,--gc-sections \
		-Wl,--version-script=bindings/c/sabir.map -o $@ $(CLIENT_O) $(LIBS_GRPC) $(LIBS_CORE) $(LIBS_NANOPB)

$(O)/lib/libsabir.so: $(O)/lib/libsabir.so.1
	ln -sf $(<F) $@

# One object in which only the names of sabir.map are global, so that the static library hides what the shared one hides.
$(O)/lib/libsabir.a: $(CLIENT_O) bindings/c/sabir.map
	@mkdir -p $(@D) $(O)/obj
	awk '/local:/ { exit } match($$0, /sabir_[a-zA-Z0-9_*]+;/) { print substr($$0, RSTART, RLENGTH - 1) }' bindings/c/sabir.map \
		>$(O)/obj/exports
	ld -r -o $(O)/obj/libsabir.o $(CLIENT_O) --start-group $(shell $(CC) -print-file-name=libprotobuf-nanopb.a) --end-group
	objcopy --wildcard --keep-global-symbols=$(O)/obj/exports $(O)/obj/libsabir.o
	rm -f $@
	ar rcs $@ $(O)/obj/libsabir.o

$(O)/lib/pkgconfig/sabir.pc: bindings/c/sabir.pc.in Makefile
	@mkdir -p $(@D)
	sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' -e 's|@VERSION@|$(VERSION)|g' $< >$@

CLIENT_FLAGS = -Ibindings/c -L$(O)/lib -Wl,-rpath,'$$ORIGIN/../lib:$$ORIGIN/../../lib'

$(O)/examples/%: bindings/c/examples/%.c $(LIBSABIR) | $(GEN_H)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(CFLAGS) $(WARNINGS) $(SANITIZE) -I$(G) -MMD -MP -MF $@.d -pthread -o $@ $< $(CLIENT_FLAGS) $(LDFLAGS) -lsabir

.PHONY: build
build: gen $(SABIRD) $(LIBSABIR) $(EXAMPLES) ## build/bin/sabird, build/lib/libsabir.*, the example programs

##@ Unit tests

$(O)/faults/core.a: $(call FAULT_OBJ,$(CORE_C)) $(WIRE_O)
$(O)/faults/upper.a: $(call FAULT_OBJ,$(UPPER_C)) $(DESCRIPTOR_O)
$(O)/faults/client.a: $(call FAULT_OBJ,$(CLIENT_C))
$(O)/faults/%.a:
	rm -f $@
	ar rcs $@ $^

UNIT := $(TEST_C:%.c=$(O)/unit/%)
UNIT_UPPER := $(filter-out $(addprefix $(O)/unit/,server/base/% server/shm/% server/objects/% server/ops/% bindings/%),$(UNIT))

$(filter $(O)/unit/bindings/%,$(UNIT)): $(O)/faults/client.a
$(UNIT_UPPER): $(O)/faults/upper.a
$(UNIT): $(O)/unit/%: $(O)/faults/%.o $(O)/faults/core.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -lcunit $(LIBS_GRPC) $(LIBS_CORE) $(LIBS_NANOPB) -lm

.PHONY: unit
unit: $(UNIT) ##- the unit tests' programs

##@ Help

.PHONY: help clean
help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

clean: ## remove build/
	rm -rf build

-include $(shell find $(O) -name '*.d' 2>/dev/null)
