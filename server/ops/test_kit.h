/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_TEST_KIT_H
#define SABIR_OPS_TEST_KIT_H

/*
 * What the unit tests of ops share: a segment, and calls of operations as text.
 *
 *   ops_call("QueueService/Put", "queue={name='jobs'} item=$42 timeout={}")
 *
 * Requests are encoded and responses decoded by the descriptors that protoc-c makes of proto/sabir/v1, so every call
 * also compares the operation table with the contract. In the text a number, true or 'bytes' is a plain field; $ begins
 * a Value: $42, $1.5, $'text', $true, $null, $*7 (the object with the handle 7), $[$1 $*7] (a list).
 */
#include <CUnit/Basic.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/value.h"
#include "server/ops/call.h"
#include "server/shm/test_kit.h"
#include "wire/sabir/v1/admin.pb-c.h"
#include "wire/sabir/v1/array.pb-c.h"
#include "wire/sabir/v1/barrier.pb-c.h"
#include "wire/sabir/v1/block.pb-c.h"
#include "wire/sabir/v1/condition.pb-c.h"
#include "wire/sabir/v1/dict.pb-c.h"
#include "wire/sabir/v1/event.pb-c.h"
#include "wire/sabir/v1/list.pb-c.h"
#include "wire/sabir/v1/lock.pb-c.h"
#include "wire/sabir/v1/manager.pb-c.h"
#include "wire/sabir/v1/namespace.pb-c.h"
#include "wire/sabir/v1/pipe.pb-c.h"
#include "wire/sabir/v1/queue.pb-c.h"
#include "wire/sabir/v1/semaphore.pb-c.h"
#include "wire/sabir/v1/session.pb-c.h"
#include "wire/sabir/v1/shared_list.pb-c.h"
#include "wire/sabir/v1/value_service.pb-c.h"
#include "wire/sabir/v1/watch.pb-c.h"

/* clang-format off */
static const ProtobufCServiceDescriptor *const ops_services[] = {
	&sabir__v1__manager_service__descriptor,
	&sabir__v1__queue_service__descriptor,
	&sabir__v1__value_service__descriptor,
	&sabir__v1__array_service__descriptor,
	&sabir__v1__dict_service__descriptor,
	&sabir__v1__namespace_service__descriptor,
	&sabir__v1__session_service__descriptor,
	&sabir__v1__admin_service__descriptor,
	&sabir__v1__event_service__descriptor,
	&sabir__v1__pipe_service__descriptor,
	&sabir__v1__block_service__descriptor,
	&sabir__v1__list_service__descriptor,
	&sabir__v1__shared_list_service__descriptor,
	&sabir__v1__lock_service__descriptor,
	&sabir__v1__semaphore_service__descriptor,
	&sabir__v1__condition_service__descriptor,
	&sabir__v1__barrier_service__descriptor,
	&sabir__v1__watch_service__descriptor,
};
/* clang-format on */
#define N_OPS_SERVICES (sizeof(ops_services) / sizeof(ops_services[0]))

/* What is served as a stream is no operation of the table. */
static inline bool ops_is_stream(const char *path)
{
	static const char *const paths[] = { "/sabir.v1.WatchService/Watch", "/sabir.v1.QueueService/Produce",
					     "/sabir.v1.QueueService/Consume", "/sabir.v1.SessionService/Session" };
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (!strcmp(path, paths[i]))
			return true;
	return false;
}

static struct segment ops_seg;
static struct lane ops_lane;

/* The last call: */
static struct op_wait ops_wait;
static char ops_detail[OP_DETAIL_SIZE];
static struct bytes ops_response;
static char ops_text[65536]; /* its response */

static inline int ops_setup(void)
{
	if (kit_segment(64 << 20, &ops_seg))
		return 1;
	ops_lane = kit_lane(&ops_seg);
	return object_init_directory(&ops_lane) != SABIR_OK;
}

static inline int ops_teardown(void)
{
	bytes_fini(&ops_response);
	kit_lane_close(&ops_lane);
	segment_unmap(&ops_seg);
	return 0;
}

/* "Service/Method" */
static inline const ProtobufCMethodDescriptor *ops_method(const char *name)
{
	const char *slash = strchr(name, '/');
	for (size_t i = 0; i < N_OPS_SERVICES; i++)
		if (!strncmp(ops_services[i]->short_name, name, (size_t)(slash - name)))
			return protobuf_c_service_descriptor_get_method_by_name(ops_services[i], slash + 1);
	return NULL;
}

/* Whether a field that is bytes here is a Value in the proto. */
static inline bool ops_is_value(const ProtobufCFieldDescriptor *f)
{
	static const char *const names[] = { "item",   "items", "key",      "keys",   "value",
					     "values", "delta", "expected", "desired" };
	for (size_t i = 0; f->type == PROTOBUF_C_TYPE_BYTES && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(f->name, names[i]))
			return true;
	return false;
}

/* ---------------------------------------------------------------- text to wire */

/* 'bytes': moves behind them. */
static inline struct span ops_quoted(const char **text)
{
	const char *begin = *text + 1, *end = strchr(begin, '\'');
	*text = end + 1;
	return (struct span){ (const uint8_t *)begin, (size_t)(end - begin) };
}

/* Room for a field's head; its content stands behind it. */
#define OPS_HEAD 16

static inline uint8_t *ops_wrap(uint8_t *to, uint32_t id, size_t len)
{
	uint8_t head[OPS_HEAD], *content = to + OPS_HEAD;
	size_t n = (size_t)(wire_put_varint(wire_put_tag(head, id, WIRE_LEN), len) - head);
	memcpy(to, head, n);
	memmove(to + n, content, len);
	return to + n + len;
}

/* What stands behind $, in a list in front of its bracket; moves behind it. */
static inline size_t ops_encode_value(const char **text, uint8_t *to);

static inline size_t ops_encode_ref(const char **text, uint8_t *to)
{
	uint8_t *begin = to + OPS_HEAD, *end = wire_put_tag(begin, 2, WIRE_VARINT);
	end = wire_put_varint(end, strtoull(*text, NULL, 10));
	*text += strcspn(*text, " }]");
	return (size_t)(ops_wrap(to, VALUE_OBJECT, (size_t)(end - begin)) - to);
}

static inline size_t ops_encode_list(const char **text, uint8_t *to)
{
	uint8_t *begin = to + OPS_HEAD, *end = begin;
	while (**text != ']') {
		*text += strspn(*text, " $");
		end = ops_wrap(end, 1, ops_encode_value(text, end + OPS_HEAD));
	}
	++*text;
	return (size_t)(ops_wrap(to, VALUE_LIST, (size_t)(end - begin)) - to);
}

static inline size_t ops_encode_value(const char **text, uint8_t *to)
{
	const char *t = *text;
	char *end;
	if (*t == '\'') {
		struct span s = ops_quoted(text);
		return (size_t)(wire_put_bytes(to, VALUE_TEXT, s.data, s.len) - to);
	}
	if (*t == '*' || *t == '[') {
		++*text;
		return *t == '*' ? ops_encode_ref(text, to) : ops_encode_list(text, to);
	}
	*text += strcspn(t, " }]");
	if (!strncmp(t, "null", 4))
		return value_put_null(to);
	if (!strncmp(t, "true", 4) || !strncmp(t, "false", 5))
		return value_put_bool(*t == 't', to);
	if (memchr(t, '.', (size_t)(*text - t)))
		return value_put_real(strtod(t, &end), to);
	return *t == '-'                           ? value_put_int(strtoll(t, &end, 10), to)
	       : strtoull(t, &end, 10) > INT64_MAX ? value_put_uint(strtoull(t, &end, 10), to)
						   : value_put_int(strtoll(t, &end, 10), to);
}

static inline uint8_t *ops_encode_number(const ProtobufCFieldDescriptor *f, const char **text, uint8_t *to)
{
	const char *t = *text;
	*text += strcspn(t, " }");
	if (f->type == PROTOBUF_C_TYPE_DOUBLE) {
		double d = strtod(t, NULL);
		uint64_t bits;
		memcpy(&bits, &d, sizeof(bits));
		*to++ = WIRE_TAG(f->id, WIRE_FIXED64);
		return wire_put_fixed64(to, bits);
	}
	*to++ = WIRE_TAG(f->id, WIRE_VARINT);
	return wire_put_varint(to, *t == 't' ? 1 : *t == '-' ? (uint64_t)strtoll(t, NULL, 10) : strtoull(t, NULL, 10));
}

/* Fields until the end of the text or a brace; moves behind them. */
static inline size_t ops_encode(const ProtobufCMessageDescriptor *m, const char **text, uint8_t *to)
{
	uint8_t *begin = to;
	while (**text && **text != '}') {
		if (**text == ' ' && ++*text)
			continue;
		char name[64];
		size_t len = strcspn(*text, "=");
		snprintf(name, sizeof(name), "%.*s", (int)len, *text);
		*text += len + 1;
		const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(m, name);
		if (!f) {
			fprintf(stderr, "%s has no field %s\n", m->name, name);
			abort();
		}
		if (**text == '{') {
			++*text;
			size_t n = ops_encode(f->descriptor, text, to + OPS_HEAD);
			++*text;
			to = ops_wrap(to, f->id, n);
		} else if (**text == '$') {
			++*text;
			to = ops_wrap(to, f->id, ops_encode_value(text, to + OPS_HEAD));
		} else if (**text == '\'') {
			struct span s = ops_quoted(text);
			to = wire_put_bytes(to, f->id, s.data, s.len);
		} else {
			to = ops_encode_number(f, text, to);
		}
	}
	return (size_t)(to - begin);
}

/* ---------------------------------------------------------------- wire to text */

static inline void ops_decode(const ProtobufCMessageDescriptor *m, struct span message, FILE *out);

/* In quotes; zeros, behind which a string would end, as \0*N. */
static inline void ops_decode_bytes(const char *before, struct span bytes, FILE *out)
{
	fprintf(out, "%s'", before);
	for (size_t i = 0, n; i < bytes.len; i += n) {
		for (n = 0; i + n < bytes.len && !bytes.data[i + n]; n++)
			;
		if (n)
			fprintf(out, "\\0*%zu", n);
		else if (++n)
			fputc(bytes.data[i], out);
	}
	fputc('\'', out);
}

static inline void ops_decode_value(struct span encoded, FILE *out);

/* Of an object, by its handle or its name. */
static inline void ops_decode_ref(struct span message, FILE *out)
{
	const uint8_t *p = message.data;
	struct wire_field w;
	if (!wire_next(&p, p + message.len, &w))
		fprintf(out, "MALFORMED");
	else if (w.type == WIRE_LEN)
		ops_decode_bytes("$*", w.bytes, out);
	else
		fprintf(out, "$*%" PRIu64, w.bits);
}

static inline void ops_decode_list(struct span message, FILE *out)
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field w;
	fprintf(out, "$[");
	while (p < end && wire_next(&p, end, &w)) {
		ops_decode_value(w.bytes, out);
		if (p < end)
			fputc(' ', out);
	}
	fputc(']', out);
}

static inline void ops_decode_value(struct span encoded, FILE *out)
{
	struct value_view v;
	if (value_check(encoded) || value_view(encoded, &v))
		fprintf(out, "INVALID");
	else if (v.kind == VALUE_NULL || v.kind == VALUE_BOOL)
		fprintf(out, v.kind == VALUE_NULL ? "$null" : v.boolean ? "$true" : "$false");
	else if (v.kind == VALUE_INT)
		fprintf(out, "$%" PRId64, v.i);
	else if (v.kind == VALUE_UINT)
		fprintf(out, "$%" PRIu64, v.u);
	else if (v.kind == VALUE_REAL)
		fprintf(out, "$%.1f", v.d);
	else if (v.kind == VALUE_OBJECT)
		ops_decode_ref(v.bytes, out);
	else if (v.kind == VALUE_LIST)
		ops_decode_list(v.bytes, out);
	else
		ops_decode_bytes("$", v.bytes, out);
}

static inline void ops_decode_field(const ProtobufCFieldDescriptor *f, const struct wire_field *w, FILE *out)
{
	double d;
	fprintf(out, "%s=", f->name);
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		fprintf(out, "{");
		ops_decode(f->descriptor, w->bytes, out);
		fprintf(out, "}");
	} else if (ops_is_value(f)) {
		ops_decode_value(w->bytes, out);
	} else if (w->type == WIRE_LEN) {
		ops_decode_bytes("", w->bytes, out);
	} else if (f->type == PROTOBUF_C_TYPE_DOUBLE) {
		memcpy(&d, &w->bits, sizeof(d));
		fprintf(out, "%.1f", d);
	} else if (f->type == PROTOBUF_C_TYPE_BOOL) {
		fprintf(out, w->bits ? "true" : "false");
	} else if (f->type == PROTOBUF_C_TYPE_INT64) {
		fprintf(out, "%" PRId64, (int64_t)w->bits);
	} else {
		fprintf(out, "%" PRIu64, w->bits);
	}
}

static inline void ops_decode(const ProtobufCMessageDescriptor *m, struct span message, FILE *out)
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field w;
	while (p < end) {
		const ProtobufCFieldDescriptor *f = NULL;
		if (wire_next(&p, end, &w))
			f = protobuf_c_message_descriptor_get_field(m, w.number);
		if (!f) {
			fprintf(out, "MALFORMED");
			return;
		}
		ops_decode_field(f, &w, out);
		if (p < end)
			fputc(' ', out);
	}
}

/* ---------------------------------------------------------------- calls */

/* Encodes the request of "Service/Method" into `to`. */
static inline struct span ops_request(const char *method, const char *request, uint8_t *to)
{
	size_t len = ops_encode(ops_method(method)->input, &request, to);
	return (struct span){ to, len };
}

static inline const struct op *ops_op(const char *method)
{
	char path[128];
	snprintf(path, sizeof(path), "/sabir.v1.%s", method);
	return op_find(path);
}

static inline enum sabir_error ops_run(const char *method, struct span request)
{
	enum sabir_error error = op_run(ops_op(method), &ops_lane, request, &ops_response, &ops_wait, ops_detail);
	ops_text[0] = '\0';
	if (error)
		return error;
	FILE *out = fmemopen(ops_text, sizeof(ops_text), "w");
	CU_ASSERT(ops_response.n_items == 1 && ops_response.frame == 0);
	ops_decode(ops_method(method)->output, bytes_item(&ops_response, 0), out);
	fclose(out);
	return SABIR_OK;
}

static inline enum sabir_error ops_call(const char *method, const char *request)
{
	uint8_t encoded[8192];
	return ops_run(method, ops_request(method, request, encoded));
}

/* The call answers exactly this; tells what came otherwise. */
static inline bool ops_answers(const char *method, const char *request, const char *response)
{
	enum sabir_error error = ops_call(method, request);
	bool same = !error && !strcmp(ops_text, response);
	if (!same)
		fprintf(stderr, "\n%s %s\n  -> %s %s %s\n", method, request, error_name(error), ops_detail, ops_text);
	return same;
}

/* The call fails like this, for good, with the detail. */
static inline bool ops_fails(const char *method, const char *request, enum sabir_error expected, const char *detail)
{
	enum sabir_error error = ops_call(method, request);
	bool same = error == expected && !ops_wait.wanted && !strcmp(ops_detail, detail) && ops_response.len == 0;
	if (!same)
		fprintf(stderr, "\n%s %s\n  -> %s %s %s\n", method, request, error_name(error), ops_detail, ops_text);
	return same;
}

#endif
