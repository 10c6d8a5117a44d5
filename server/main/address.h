/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_ADDRESS_H
#define SABIR_MAIN_ADDRESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "server/main/config.h"
#include "server/main/kept.h"

/* Where gRPC is really served: the addresses of --listen with the ports that they got. */
struct addresses {
	const char *text[16]; /* owned */
	size_t n;
};

/* What --listen asks for, borrowed from the configuration; n = 0 for "none". */
void addresses_listen(const struct config *config, const char *const **list, size_t *n);

/*
 * An address whose port is left to the system gets the one that the server before this one had, if there was one: the text goes
 * into `text` (ADDRESS_SIZE bytes). addresses_keep_port keeps the one that it has got, with a descriptor that means nothing.
 */
#define ADDRESS_SIZE 288
const char *addresses_kept_port(const struct kept *kept, size_t i, const char *address, char *text);
void addresses_keep_port(size_t i, const char *address, int port, int any_fd);
/* All of them, for another keeper. */
void addresses_keep_ports(const struct addresses *addresses, int any_fd);

void addresses_forget_ports(const struct addresses *addresses);

/* `port` 0: a unix socket. What the process has no memory for is left out: they are hints. */
void addresses_add(struct addresses *addresses, const char *address, int port);
void addresses_fini(struct addresses *addresses);

/* Gives the unix sockets a group. Errors: PERMISSION_DENIED, with errno. */
enum sabir_error addresses_set_group(const struct addresses *addresses, gid_t group);
/* As clients write them: "grpc://127.0.0.1:7420 grpc+unix:/run/sabir/grpc.sock". */
void addresses_urls(const struct addresses *addresses, char *text, size_t size);
/* Whether one of them can be reached from other machines. */
bool addresses_public(const struct addresses *addresses);

#endif
