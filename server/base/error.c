/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, gRPC codes and messages of the errors: three columns of proto/errors.def.
 */
#include "server/base/error.h"

#include <stddef.h>

/* The status codes of gRPC, by the names that errors.def uses. */
enum grpc_code {
	CODE_OK = 0,
	CODE_CANCELLED = 1,
	CODE_UNKNOWN = 2,
	CODE_INVALID_ARGUMENT = 3,
	CODE_DEADLINE_EXCEEDED = 4,
	CODE_NOT_FOUND = 5,
	CODE_ALREADY_EXISTS = 6,
	CODE_PERMISSION_DENIED = 7,
	CODE_RESOURCE_EXHAUSTED = 8,
	CODE_FAILED_PRECONDITION = 9,
	CODE_ABORTED = 10,
	CODE_OUT_OF_RANGE = 11,
	CODE_UNIMPLEMENTED = 12,
	CODE_INTERNAL = 13,
	CODE_UNAVAILABLE = 14,
	CODE_DATA_LOSS = 15,
	CODE_UNAUTHENTICATED = 16,
};

struct error_row {
	const char *name;
	const char *message;
	int grpc_code;
};

static const struct error_row rows[] = {
	[SABIR_OK] = { "OK", "no error", CODE_OK },
#define E(name, number, code, message) [number] = { #name, message, CODE_##code },
#include "proto/errors.def"
#undef E
};

static const struct error_row unknown = { "INTERNAL", "an error that this version does not know", CODE_UNKNOWN };

/* An error may come from a newer peer: any number has a row. */
static const struct error_row *find_row(enum sabir_error error)
{
	size_t i = (size_t)error;
	return i < sizeof(rows) / sizeof(rows[0]) && rows[i].name ? &rows[i] : &unknown;
}

const char *error_name(enum sabir_error error)
{
	return find_row(error)->name;
}

int error_grpc_code(enum sabir_error error)
{
	return find_row(error)->grpc_code;
}

const char *error_message(enum sabir_error error)
{
	return find_row(error)->message;
}

bool error_is_for_later(enum sabir_error error)
{
	return error == SABIR_BUSY || error == SABIR_NO_MEMORY || error == SABIR_RESOURCE_EXHAUSTED;
}
