/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks over the embedded google.protobuf.FileDescriptorSet. It is small and asked for by people with tools, so each
 * question searches it from the front. The set is our own, made by protoc; what it can't be is simply not found.
 */
#include "server/rpc/schema.h"

#include <string.h>

#include "descriptor.h"
#include "server/base/wire.h"

#define MAX_FILES 64
#define MAX_NAME 512

/* Field numbers of google/protobuf/descriptor.proto. */
enum {
	SET_FILE = 1,
	ANY_NAME = 1, /* of every descriptor */
	FILE_PACKAGE = 2,
	FILE_DEPENDENCY = 3,
	FILE_MESSAGE = 4,
	FILE_ENUM = 5,
	FILE_SERVICE = 6,
	FILE_EXTENSION = 7,
	MESSAGE_FIELD = 2,
	MESSAGE_NESTED = 3,
	MESSAGE_ENUM = 4,
	MESSAGE_EXTENSION = 6,
	MESSAGE_ONEOF = 8,
	ENUM_VALUE = 2,
	SERVICE_METHOD = 2,
	FIELD_EXTENDEE = 2,
	FIELD_NUMBER = 3,
};

static bool same(struct span a, struct span b)
{
	return a.len == b.len && (!a.len || !memcmp(a.data, b.data, a.len));
}

/* The next field `number` of a message from *at on; false behind the last. */
static bool next(struct span message, const uint8_t **at, uint32_t number, struct wire_field *f)
{
	const uint8_t *end = message.data + message.len;
	if (!*at)
		*at = message.data;
	while (*at < end && wire_next(at, end, f))
		if (f->number == number)
			return true;
	return false;
}

static struct span text(struct span message, uint32_t number)
{
	const uint8_t *at = NULL;
	struct wire_field f;
	return next(message, &at, number, &f) && f.type == WIRE_LEN ? f.bytes : (struct span){ NULL, 0 };
}

/* Takes `prefix` and, if more follows, a dot from the front of *name; false and untouched if it does not begin so. */
static bool strip(struct span *name, struct span prefix)
{
	if (!prefix.len)
		return true;
	if (name->len < prefix.len || memcmp(name->data, prefix.data, prefix.len))
		return false;
	struct span rest = { name->data + prefix.len, name->len - prefix.len };
	if (rest.len == 1 || (rest.len && rest.data[0] != '.'))
		return false;
	*name = rest.len ? (struct span){ rest.data + 1, rest.len - 1 } : rest;
	return true;
}

/* Whether one of the descriptors in field `number` has the name. */
static bool has_named(struct span message, uint32_t number, struct span name)
{
	const uint8_t *at = NULL;
	struct wire_field f;
	while (next(message, &at, number, &f))
		if (same(text(f.bytes, ANY_NAME), name))
			return true;
	return false;
}

/* Enums, and their values, which belong to the scope around the enum. */
static bool enum_declares(struct span message, uint32_t number, struct span name)
{
	const uint8_t *at = NULL;
	struct wire_field f;
	while (next(message, &at, number, &f))
		if (same(text(f.bytes, ANY_NAME), name) || has_named(f.bytes, ENUM_VALUE, name))
			return true;
	return false;
}

static bool message_declares(struct span scope, uint32_t number, struct span name)
{
	const uint8_t *at = NULL;
	struct wire_field f;
	while (next(scope, &at, number, &f)) {
		struct span rest = name;
		if (!strip(&rest, text(f.bytes, ANY_NAME)))
			continue;
		if (!rest.len || has_named(f.bytes, MESSAGE_FIELD, rest) || has_named(f.bytes, MESSAGE_ONEOF, rest) ||
		    has_named(f.bytes, MESSAGE_EXTENSION, rest) || enum_declares(f.bytes, MESSAGE_ENUM, rest) ||
		    message_declares(f.bytes, MESSAGE_NESTED, rest))
			return true;
	}
	return false;
}

static bool service_declares(struct span file, struct span name)
{
	const uint8_t *at = NULL;
	struct wire_field f;
	while (next(file, &at, FILE_SERVICE, &f)) {
		struct span rest = name;
		if (strip(&rest, text(f.bytes, ANY_NAME)) && (!rest.len || has_named(f.bytes, SERVICE_METHOD, rest)))
			return true;
	}
	return false;
}

static bool file_declares(struct span file, struct span symbol)
{
	if (!strip(&symbol, text(file, FILE_PACKAGE)) || !symbol.len)
		return false;
	return message_declares(file, FILE_MESSAGE, symbol) || service_declares(file, symbol) ||
	       enum_declares(file, FILE_ENUM, symbol) || has_named(file, FILE_EXTENSION, symbol);
}

/* Calls `visit` for each extension that is declared right in `scope`, a file or a message, and in its messages. */
static void each_extension(struct span scope, uint32_t own, uint32_t messages, void (*visit)(void *, struct span),
			   void *context)
{
	const uint8_t *at = NULL;
	struct wire_field f;
	while (next(scope, &at, own, &f))
		visit(context, f.bytes);
	for (at = NULL; next(scope, &at, messages, &f);)
		each_extension(f.bytes, MESSAGE_EXTENSION, MESSAGE_NESTED, visit, context);
}

static struct span set(void)
{
	return (struct span){ sabir_descriptor_set, sabir_descriptor_set_len };
}

struct span schema_file(struct span name)
{
	const uint8_t *at = NULL;
	struct wire_field f;
	while (next(set(), &at, SET_FILE, &f))
		if (same(text(f.bytes, ANY_NAME), name))
			return f.bytes;
	return (struct span){ NULL, 0 };
}

struct span schema_file_of_symbol(struct span symbol)
{
	const uint8_t *at = NULL;
	struct wire_field f;
	while (next(set(), &at, SET_FILE, &f))
		if (file_declares(f.bytes, symbol))
			return f.bytes;
	return (struct span){ NULL, 0 };
}

struct extension_search {
	struct span type;
	uint64_t number;
	bool found;
	void (*visit)(void *context, uint64_t number);
	void *context;
};

static void match_extension(void *context, struct span field)
{
	struct extension_search *s = context;
	struct span extendee = text(field, FIELD_EXTENDEE);
	const uint8_t *at = NULL;
	struct wire_field number;
	if (!extendee.len ||
	    !same((struct span){ extendee.data + 1, extendee.len - 1 }, s->type) || /* it has a leading dot */
	    !next(field, &at, FIELD_NUMBER, &number))
		return;
	if (s->visit)
		s->visit(s->context, number.bits);
	s->found |= number.bits == s->number;
}

struct span schema_file_of_extension(struct span type, uint64_t number)
{
	const uint8_t *at = NULL;
	struct wire_field f;
	struct extension_search s = { .type = type, .number = number };
	while (next(set(), &at, SET_FILE, &f)) {
		each_extension(f.bytes, FILE_EXTENSION, FILE_MESSAGE, match_extension, &s);
		if (s.found)
			return f.bytes;
	}
	return (struct span){ NULL, 0 };
}

void schema_extensions(struct span type, void (*visit)(void *context, uint64_t number), void *context)
{
	const uint8_t *at = NULL;
	struct wire_field f;
	struct extension_search s = { .type = type, .visit = visit, .context = context };
	while (next(set(), &at, SET_FILE, &f))
		each_extension(f.bytes, FILE_EXTENSION, FILE_MESSAGE, match_extension, &s);
}

void schema_services(bool (*visit)(void *context, struct span name), void *context)
{
	const uint8_t *file_at = NULL;
	struct wire_field file, service;
	while (next(set(), &file_at, SET_FILE, &file)) {
		struct span package = text(file.bytes, FILE_PACKAGE);
		for (const uint8_t *at = NULL; next(file.bytes, &at, FILE_SERVICE, &service);) {
			uint8_t full[MAX_NAME];
			struct span name = text(service.bytes, ANY_NAME);
			size_t dot = package.len ? 1 : 0;
			if (package.len + dot + name.len > sizeof(full))
				continue;
			memcpy(full, package.data, package.len);
			full[package.len] = '.';
			memcpy(full + package.len + dot, name.data, name.len);
			if (!visit(context, (struct span){ full, package.len + dot + name.len }))
				return;
		}
	}
}

struct service_search {
	struct span name;
	bool found;
};

static bool match_service(void *context, struct span name)
{
	struct service_search *s = context;
	s->found = same(s->name, name);
	return !s->found;
}

bool schema_has_service(struct span name)
{
	struct service_search s = { .name = name };
	schema_services(match_service, &s);
	return s.found;
}

enum sabir_error schema_add_with_imports(struct span file, struct bytes *out)
{
	struct span files[MAX_FILES] = { file };
	size_t n = 1;
	for (size_t i = 0; i < n; i++) {
		enum sabir_error error = bytes_add(out, files[i].data, files[i].len);
		if (error)
			return error;
		struct wire_field f;
		for (const uint8_t *at = NULL; next(files[i], &at, FILE_DEPENDENCY, &f);) {
			struct span import = schema_file(f.bytes);
			size_t seen = 0;
			while (seen < n && files[seen].data != import.data)
				seen++;
			if (import.data && seen == n && n < MAX_FILES)
				files[n++] = import;
		}
	}
	return SABIR_OK;
}
