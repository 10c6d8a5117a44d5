/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process needs of its surroundings: log, descriptors, the folder of the sockets. In /tmp anybody can make a
 * folder of the name that we would use and so put himself between us and our clients: there the folder must be ours and
 * closed to others.
 */
#include "server/main/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/log.h"

#define SYSTEM_FOLDER "/run/sabir"

void runtime_folder(char *path, size_t size)
{
	const char *user_folder = getenv("XDG_RUNTIME_DIR");
	if (geteuid() == 0 || !access(SYSTEM_FOLDER, W_OK))
		snprintf(path, size, "%s", SYSTEM_FOLDER);
	else if (user_folder && *user_folder == '/')
		snprintf(path, size, "%s/sabir", user_folder);
	else
		snprintf(path, size, "/tmp/sabir-%u", (unsigned)geteuid());
}

static enum sabir_error check_private(const char *folder, char *detail, size_t size)
{
	struct stat st;
	if (lstat(folder, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022)) {
		snprintf(detail, size, "%s is not a folder of this user alone", folder);
		return SABIR_PERMISSION_DENIED;
	}
	return SABIR_OK;
}

enum sabir_error runtime_prepare(const char *socket_path, char *detail, size_t size)
{
	char folder[512], shared[64];
	const char *slash = strrchr(socket_path, '/');
	if (!slash || slash == socket_path)
		return SABIR_OK;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - socket_path), socket_path);
	/* The system's folder is for programs of many users: who may do what is said by the sockets in it. */
	mode_t mode = !strcmp(folder, SYSTEM_FOLDER) ? 0755 : 0700;
	if (mkdir(folder, mode) && errno != EEXIST) {
		enum sabir_error error = errno == EACCES || errno == EPERM ? SABIR_PERMISSION_DENIED
									   : SABIR_UNAVAILABLE;
		snprintf(detail, size, "can't make the folder %s: %s", folder, strerror(errno));
		return error;
	}
	snprintf(shared, sizeof(shared), "/tmp/sabir-%u", (unsigned)geteuid());
	return strcmp(folder, shared) ? SABIR_OK : check_private(folder, detail, size);
}

void runtime_set_log(const struct config *config)
{
	log_set_level((enum log_level)config_number(config, OPTION_LOG_LEVEL));
	log_set_format((enum log_format)config_number(config, OPTION_LOG_FORMAT));
}

void runtime_raise_file_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}
