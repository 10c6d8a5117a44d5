/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors in keeping. The keeper has them for the servers that it starts; a server takes out of its copy what it needs
 * and closes the rest.
 */
#include "server/main/kept.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_LISTEN_FD 3

enum sabir_error kept_add(struct kept *kept, const char *name, int fd)
{
	if (kept->n == kept->room) {
		size_t room = kept->room ? kept->room * 2 : 16;
		struct kept_fd *fds = realloc(kept->fds, room * sizeof(*fds));
		if (!fds) {
			close(fd);
			return SABIR_NO_MEMORY;
		}
		kept->fds = fds;
		kept->room = room;
	}
	struct kept_fd *entry = &kept->fds[kept->n++];
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	entry->fd = fd;
	return SABIR_OK;
}

static void drop(struct kept *kept, size_t i)
{
	kept->fds[i] = kept->fds[--kept->n];
}

void kept_remove(struct kept *kept, const char *name)
{
	for (size_t i = kept->n; i-- > 0;) {
		if (strcmp(kept->fds[i].name, name) != 0)
			continue;
		close(kept->fds[i].fd);
		drop(kept, i);
	}
}

static bool is_socket(int fd)
{
	struct stat st;
	return !fstat(fd, &st) && S_ISSOCK(st.st_mode);
}

int kept_take(struct kept *kept, const char *name, bool socket)
{
	for (size_t i = 0; i < kept->n; i++) {
		int fd = kept->fds[i].fd;
		if (strcmp(kept->fds[i].name, name) != 0 || is_socket(fd) != socket)
			continue;
		drop(kept, i);
		return fd;
	}
	return -1;
}

const char *kept_find(const struct kept *kept, const char *begin, size_t *i)
{
	for (; *i < kept->n; ++*i)
		if (!strncmp(kept->fds[*i].name, begin, strlen(begin)))
			return kept->fds[*i].name;
	return NULL;
}

static bool is_ours(const char *name)
{
	return !strcmp(name, "memory") || !strcmp(name, "bell") || !strcmp(name, "control") ||
	       !strncmp(name, "client-", 7) || !strncmp(name, "server-", 7) || !strncmp(name, "port-", 5);
}

void kept_from_environment(struct kept *kept)
{
	const char *pid = getenv("LISTEN_PID"), *number = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
	int n = number ? atoi(number) : 0;
	if (!pid || atol(pid) != (long)getpid() || !names)
		n = 0;
	for (int i = 0; i < n; i++) {
		char name[NOTIFY_NAME_SIZE];
		size_t len = strcspn(names, ":");
		snprintf(name, sizeof(name), "%.*s", (int)len, names);
		names += len + (names[len] == ':');
		if (fcntl(FIRST_LISTEN_FD + i, F_SETFD, FD_CLOEXEC) == 0 && is_ours(name))
			(void)kept_add(kept, name, FIRST_LISTEN_FD + i);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

bool kept_by_message(struct kept *kept, const char *lines, const int *fds, unsigned n_fds)
{
	char name[NOTIFY_NAME_SIZE] = "";
	bool adds = notify_line(lines, "FDSTORE", NULL), removes = notify_line(lines, "FDSTOREREMOVE", NULL);
	bool named = notify_line(lines, "FDNAME", name);
	for (unsigned i = 0; i < n_fds; i++) {
		if (adds && named)
			(void)kept_add(kept, name, fds[i]);
		else
			close(fds[i]);
	}
	if (removes && named)
		kept_remove(kept, name);
	return adds || removes;
}

void kept_fini(struct kept *kept)
{
	for (size_t i = 0; i < kept->n; i++)
		close(kept->fds[i].fd);
	free(kept->fds);
	*kept = (struct kept){ 0 };
}
