/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading how a gRPC call failed. Sabir's servers say it in one ErrorInfo whose reason is a name of errors.def; what
 * gRPC itself or something between says has only its status code.
 */
#include "bindings/c/status.h"

#include "server/base/wire.h"

#define ERROR_INFO "type.googleapis.com/google.rpc.ErrorInfo"
#define DOMAIN "sabir.dev"

static const struct {
	const char *name;
	enum sabir_error error;
} reasons[] = {
#define E(NAME, number, code, message) { #NAME, SABIR_##NAME },
#include "proto/errors.def"
#undef E
};

static bool equals(struct span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static enum sabir_error find_reason(struct span reason)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (equals(reason, reasons[i].name))
			return reasons[i].error;
	return SABIR_OK;
}

/* The field's bytes, where it is there once or more: the n-th, counted from 0. */
static bool find_bytes(struct span message, uint32_t field, unsigned n, struct span *found)
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field f;
	while (p < end && wire_next(&p, end, &f)) {
		if (f.number != field || f.type != WIRE_LEN)
			continue;
		if (n-- == 0) {
			*found = f.bytes;
			return true;
		}
	}
	return false;
}

/* The value of the metadata entry "detail"; empty if there is none. */
static struct span find_detail(struct span info)
{
	struct span entry, key, value;
	for (unsigned i = 0; find_bytes(info, 3, i, &entry); i++)
		if (find_bytes(entry, 1, 0, &key) && equals(key, "detail") && find_bytes(entry, 2, 0, &value))
			return value;
	return (struct span){ NULL, 0 };
}

static enum sabir_error read_details(struct span status, struct span *detail)
{
	struct span any, type, info, text;
	for (unsigned i = 0; find_bytes(status, 3, i, &any); i++) {
		if (!find_bytes(any, 1, 0, &type) || !equals(type, ERROR_INFO) || !find_bytes(any, 2, 0, &info))
			continue;
		if (!find_bytes(info, 2, 0, &text) || !equals(text, DOMAIN) || !find_bytes(info, 1, 0, &text))
			continue;
		*detail = find_detail(info);
		return find_reason(text);
	}
	return SABIR_OK;
}

/* What a status without details means. */
static enum sabir_error error_of_code(int grpc_code)
{
	switch (grpc_code) {
	case 3: /* INVALID_ARGUMENT */
		return SABIR_INVALID_ARGUMENT;
	case 4: /* DEADLINE_EXCEEDED */
		return SABIR_TIMED_OUT;
	case 7:  /* PERMISSION_DENIED */
	case 16: /* UNAUTHENTICATED */
		return SABIR_PERMISSION_DENIED;
	case 8: /* RESOURCE_EXHAUSTED: how gRPC itself refuses a message that is too long */
		return SABIR_TOO_LARGE;
	case 12: /* UNIMPLEMENTED */
		return SABIR_UNIMPLEMENTED;
	case 1:  /* CANCELLED: we never cancel, so it is a server or something between that gives up */
	case 14: /* UNAVAILABLE */
		return SABIR_UNAVAILABLE;
	case 15: /* DATA_LOSS */
		return SABIR_DATA_LOSS;
	default:
		return SABIR_INTERNAL;
	}
}

enum sabir_error status_read(int grpc_code, struct span details, struct span message)
{
	struct span detail = message;
	enum sabir_error error = read_details(details, &detail);
	if (!error)
		error = error_of_code(grpc_code);
	return fail(error, "%.*s", detail.len > 255 ? 255 : (int)detail.len,
		    detail.len ? (const char *)detail.data : "");
}
