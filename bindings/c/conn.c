/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections: URL, options, life; and what sabir_detail tells of failures.
 *
 * A connection is counted: the program has one reference until sabir_close, each handle one. The last one closes the
 * transport.
 */
#include "bindings/c/conn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bindings/c/request.h"

#define URL_SIZE 256
#define MAX_STRUCT 4096u /* bytes of one of any version */
#define DEFAULT_TIMEOUT_NS (30 * SABIR_SECOND)

#ifndef SABIR_VERSION
#define SABIR_VERSION "0"
#endif

/* ---------------------------------------------------------------- failures */

static __thread char detail[256];

enum sabir_error fail(enum sabir_error error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	return error;
}

enum sabir_error fail_object(const struct handle *h, enum sabir_error error)
{
	/* Who polls meets these all the time. */
	if (error == SABIR_EMPTY || error == SABIR_FULL || error == SABIR_WOULD_BLOCK)
		detail[0] = 0;
	else if (h->name[0])
		fail(error, "%s", h->name);
	else
		fail(error, "handle %#llx", (unsigned long long)h->id);
	return error;
}

const char *sabir_detail(void)
{
	return detail;
}

const char *sabir_error_name(enum sabir_error error)
{
	return error_name(error);
}

const char *sabir_error_text(enum sabir_error error)
{
	return error_message(error);
}

const char *sabir_version(void)
{
	return SABIR_VERSION;
}

/* ---------------------------------------------------------------- connections */

static const char *const method_paths[N_METHODS] = {
#define M(NAME, path) [METHOD_##NAME] = path,
#include "bindings/c/method.def"
#undef M
};

const char *method_path(enum method method)
{
	return method_paths[method];
}

static const struct scheme {
	const char *prefix;
	const struct transport *transport;
	size_t keep; /* bytes at the end of the prefix that belong to the address */
} schemes[] = {
	{ "unix:", &local_transport, 0 },
	{ "grpc+unix:", &remote_transport, sizeof("unix:") - 1 },
	{ "grpc://", &remote_transport, 0 },
};

static const struct transport *find_transport(const char *url, const char **address)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i].prefix);
		if (strncmp(url, schemes[i].prefix, len) != 0 || !url[len])
			continue;
		*address = url + len - schemes[i].keep;
		return schemes[i].transport;
	}
	return NULL;
}

/* Whether a server's socket may be there, and in a folder that nobody else can have made. */
static bool is_socket(const char *folder, const char *path)
{
	struct stat st;
	if (stat(folder, &st) || !S_ISDIR(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()))
		return false;
	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Where a server puts its control socket unless it is told: the system's place, the user's, the last resort. */
static const char *default_url(char url[URL_SIZE])
{
	const char *user = getenv("XDG_RUNTIME_DIR");
	char folders[3][URL_SIZE / 2] = { "/run/sabir" };
	if (user && *user)
		snprintf(folders[1], sizeof(folders[1]), "%s/sabir", user);
	snprintf(folders[2], sizeof(folders[2]), "/tmp/sabir-%ld", (long)geteuid());
	for (int i = 0; i < 3; i++) {
		snprintf(url, URL_SIZE, "unix:%.127s/sabir.sock", folders[i]);
		if (folders[i][0] && is_socket(folders[i], url + sizeof("unix:") - 1))
			return url;
	}
	snprintf(url, URL_SIZE, "unix:%s/sabir.sock", folders[0]);
	return url;
}

enum sabir_error struct_read(const char *name, const void *given, size_t least, void *to, size_t size)
{
	memset(to, 0, size);
	if (!given)
		return SABIR_OK;
	size_t given_size = *(const size_t *)given;
	if (given_size < least || given_size > MAX_STRUCT)
		return fail(SABIR_INVALID_ARGUMENT, "%s.size is %zu", name, given_size);
	memcpy(to, given, given_size < size ? given_size : size);
	return SABIR_OK;
}

static enum sabir_error read_options(const struct sabir_options *given, struct sabir_options *options)
{
	enum sabir_error error = struct_read("options", given, sizeof(given->size), options, sizeof(*options));
	if (error)
		return error;
	if (!options->label)
		options->label = program_invocation_short_name;
	if (!options->timeout_ns)
		options->timeout_ns = DEFAULT_TIMEOUT_NS;
	return SABIR_OK;
}

enum sabir_error sabir_connect(const char *url, const struct sabir_options *options, sabir_conn **conn)
{
	struct sabir_options o;
	const char *address = NULL;
	char found[URL_SIZE];

	if (!conn)
		return FAIL_NULL();
	if (!url || !*url)
		url = getenv("SABIR_URL");
	if (!url || !*url)
		url = default_url(found);
	const struct transport *transport = find_transport(url, &address);
	if (!transport)
		return fail(SABIR_INVALID_ARGUMENT, "not a URL of Sabir: %s", url);
	enum sabir_error error = read_options(options, &o);
	if (error)
		return error;

	size_t url_len = strlen(url) + 1;
	struct sabir_conn *made = calloc(1, sizeof(*made) + url_len);
	if (!made)
		return fail(SABIR_NO_MEMORY, "%s", url);
	memcpy(made->url, url, url_len);
	memcpy(made->label, o.label, strnlen(o.label, sizeof(made->label) - 1));
	made->transport = transport;
	made->timeout_ns = o.timeout_ns;
	made->refs = 1;
	error = transport->open(made, made->url + (address - url));
	if (error) {
		free(made);
		return error;
	}
	*conn = made;
	return SABIR_OK;
}

void conn_ref(struct sabir_conn *conn)
{
	fetch_add32(&conn->refs, 1);
}

void conn_unref(struct sabir_conn *conn)
{
	if (fetch_add32(&conn->refs, UINT32_MAX) != 1)
		return;
	conn->transport->close(conn);
	free(conn);
}

void sabir_close(sabir_conn *conn)
{
	if (conn)
		conn_unref(conn);
}

bool sabir_is_local(const sabir_conn *conn)
{
	return conn->transport == &local_transport;
}

enum sabir_error conn_call(struct sabir_conn *conn, enum method method, struct request *request, uint64_t timeout_ns,
			   struct bytes *response)
{
	if (request->failed) {
		request_fini(request);
		return fail(SABIR_NO_MEMORY, "%s", method_path(method));
	}
	return conn->transport->call(conn, method_path(method), (int)method, request, timeout_ns, response);
}

enum sabir_error sabir_call(sabir_conn *conn, const char *method, const void *request, size_t request_len,
			    uint64_t timeout_ns, void **response, size_t *response_len)
{
	struct request r;
	struct bytes out = { 0 };

	if (!conn || !method || (!request && request_len) || !response || !response_len)
		return FAIL_NULL();
	if (method[0] != '/')
		return fail(SABIR_UNIMPLEMENTED, "%s", method);
	r = (struct request){ .data = malloc(request_len ? request_len : 1), .len = request_len };
	if (!r.data) {
		request_fini(&r);
		return fail(SABIR_NO_MEMORY, "%s", method);
	}
	if (request_len)
		memcpy(r.data, request, request_len);
	enum sabir_error error = conn->transport->call(conn, method, METHOD_OTHER, &r, timeout_ns, &out);
	if (error) {
		bytes_fini(&out);
		return error;
	}
	*response_len = out.len;
	*response = result_take(&out);
	return SABIR_OK;
}
