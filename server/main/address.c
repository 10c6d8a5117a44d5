/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of gRPC, as an operator gives them and as clients are told. Port 0 means any free one, so what was
 * asked for and what is told differ.
 */
#define _GNU_SOURCE /* asprintf */
#include "server/main/address.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_unix(const char *address)
{
	return !strncmp(address, "unix:", 5);
}

void addresses_listen(const struct config *config, const char *const **list, size_t *n)
{
	const struct setting *listen = &config->value[OPTION_LISTEN];
	bool none = listen->n == 1 && !strcmp(listen->texts[0], "none");
	*list = (const char *const *)listen->texts;
	*n = none ? 0 : listen->n;
}

static bool port_is_open(const char *address)
{
	const char *colon = strrchr(address, ':');
	return colon && !strcmp(colon, ":0") && strncmp(address, "unix:", 5) != 0;
}

const char *addresses_kept_port(const struct kept *kept, size_t i, const char *address, char *text)
{
	char prefix[NOTIFY_NAME_SIZE];
	int len = snprintf(prefix, sizeof(prefix), "port-%zu-", i);
	size_t at = 0;
	const char *name = port_is_open(address) ? kept_find(kept, prefix, &at) : NULL;
	if (!name)
		return address;
	int host_len = (int)(strrchr(address, ':') - address);
	snprintf(text, ADDRESS_SIZE, "%.*s:%s", host_len, address, name + len);
	return text;
}

void addresses_keep_port(size_t i, const char *address, int port, int any_fd)
{
	char name[NOTIFY_NAME_SIZE];
	snprintf(name, sizeof(name), "port-%zu-%d", i, port);
	if (port_is_open(address))
		(void)notify_store(name, &any_fd, 1);
}

/* The name under which the port of address i is kept; false: it has none. */
static bool port_name(const struct addresses *addresses, size_t i, char name[NOTIFY_NAME_SIZE])
{
	const char *colon = is_unix(addresses->text[i]) ? NULL : strrchr(addresses->text[i], ':');
	if (colon)
		snprintf(name, NOTIFY_NAME_SIZE, "port-%zu-%s", i, colon + 1);
	return colon != NULL;
}

void addresses_keep_ports(const struct addresses *addresses, int any_fd)
{
	char name[NOTIFY_NAME_SIZE];
	for (size_t i = 0; i < addresses->n; i++)
		if (port_name(addresses, i, name))
			(void)notify_store(name, &any_fd, 1);
}

void addresses_forget_ports(const struct addresses *addresses)
{
	char name[NOTIFY_NAME_SIZE];
	for (size_t i = 0; i < addresses->n; i++)
		if (port_name(addresses, i, name))
			notify_forget(name);
}

void addresses_add(struct addresses *addresses, const char *address, int port)
{
	char *text = NULL;
	const char *colon = strrchr(address, ':');
	int host_len = colon ? (int)(colon - address) : (int)strlen(address);
	if (addresses->n == sizeof(addresses->text) / sizeof(addresses->text[0]))
		return;
	if (is_unix(address) || !port)
		text = strdup(address);
	else if (asprintf(&text, "%.*s:%d", host_len, address, port) < 0)
		text = NULL;
	if (text)
		addresses->text[addresses->n++] = text;
}

void addresses_fini(struct addresses *addresses)
{
	for (size_t i = 0; i < addresses->n; i++)
		free((char *)addresses->text[i]);
	addresses->n = 0;
}

enum sabir_error addresses_set_group(const struct addresses *addresses, gid_t group)
{
	for (size_t i = 0; i < addresses->n; i++)
		if (is_unix(addresses->text[i]) && chown(addresses->text[i] + 5, (uid_t)-1, group))
			return SABIR_PERMISSION_DENIED;
	return SABIR_OK;
}

void addresses_urls(const struct addresses *addresses, char *text, size_t size)
{
	size_t len = 0;
	text[0] = 0;
	for (size_t i = 0; i < addresses->n && len < size; i++)
		len += (size_t)snprintf(text + len, size - len, "%s%s%s", i ? " " : "",
					is_unix(addresses->text[i]) ? "grpc+" : "grpc://", addresses->text[i]);
}

bool addresses_public(const struct addresses *addresses)
{
	static const char *const local[] = { "unix:", "127.", "localhost:", "[::1]:" };
	for (size_t i = 0; i < addresses->n; i++) {
		bool is_local = false;
		for (size_t k = 0; k < sizeof(local) / sizeof(local[0]); k++)
			is_local = is_local || !strncmp(addresses->text[i], local[k], strlen(local[k]));
		if (!is_local)
			return true;
	}
	return false;
}
