/* SPDX-License-Identifier: Apache-2.0 */
#include "server/snapshot/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "sabir-"
#define SUFFIX ".snapshot"
#define DIGITS 20

void folder_name(uint64_t number, char name[FOLDER_NAME_SIZE])
{
	snprintf(name, FOLDER_NAME_SIZE, PREFIX "%0*llu" SUFFIX, DIGITS, (unsigned long long)number);
}

void folder_temporary_name(uint64_t number, char name[FOLDER_NAME_SIZE])
{
	snprintf(name, FOLDER_NAME_SIZE, "." PREFIX "%0*llu.tmp", DIGITS, (unsigned long long)number);
}

/* The number in a name that folder_name could have made for a snapshot, 0: it is none of ours. */
static uint64_t number_of(const char *name)
{
	char again[FOLDER_NAME_SIZE];
	if (strncmp(name, PREFIX, strlen(PREFIX)))
		return 0;
	uint64_t number = strtoull(name + strlen(PREFIX), NULL, 10);
	folder_name(number, again);
	return strcmp(name, again) || number > FOLDER_LAST ? 0 : number;
}

static bool is_temporary(const char *name)
{
	size_t len = strlen(name);
	return !strncmp(name, "." PREFIX, strlen("." PREFIX)) && len > 4 && !strcmp(name + len - 4, ".tmp");
}

/* The folder's entries, from the first. NULL: errno says why. */
static DIR *entries(const struct folder *folder)
{
	int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static void remove_temporary(const struct folder *folder)
{
	DIR *dir = entries(folder);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)) != NULL)
		if (is_temporary(entry->d_name))
			(void)unlinkat(folder->fd, entry->d_name, 0);
	if (dir)
		closedir(dir);
}

enum sabir_error folder_open(const char *path, char *detail, size_t size, struct folder *folder)
{
	if (mkdir(path, 0700) && errno != EEXIST) {
		snprintf(detail, size, "can't make the folder %s: %s", path, strerror(errno));
		return SABIR_IO_ERROR;
	}
	folder->path = path;
	folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder->fd < 0) {
		snprintf(detail, size, "can't open the folder %s: %s", path, strerror(errno));
		return SABIR_IO_ERROR;
	}
	if (flock(folder->fd, LOCK_EX | LOCK_NB)) {
		bool taken = errno == EWOULDBLOCK;
		snprintf(detail, size, taken ? "another server has the folder %s%s" : "can't lock the folder %s: %s",
			 path, taken ? "" : strerror(errno));
		folder_close(folder);
		return taken ? SABIR_ALREADY_EXISTS : SABIR_IO_ERROR;
	}
	remove_temporary(folder);
	return SABIR_OK;
}

enum sabir_error folder_renew(struct folder *folder, char *detail, size_t size)
{
	struct stat st;
	struct folder made;
	/* Nothing can be made in a folder that was deleted; one that was moved is still ours. */
	if (fstat(folder->fd, &st) || st.st_nlink)
		return SABIR_OK;
	enum sabir_error error = folder_open(folder->path, detail, size, &made);
	if (error)
		return SABIR_IO_ERROR;
	folder_close(folder);
	*folder = made;
	return SABIR_OK;
}

void folder_close(struct folder *folder)
{
	if (folder->fd >= 0)
		close(folder->fd);
	folder->fd = -1;
}

static int newest_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? 1 : x > y ? -1 : 0;
}

static enum sabir_error add_number(uint64_t number, uint64_t **numbers, size_t *n)
{
	if (!(*n & (*n - 1))) { /* full at each power of two */
		uint64_t *more = realloc(*numbers, (*n ? *n * 2 : 1) * sizeof(**numbers));
		if (!more)
			return SABIR_NO_MEMORY;
		*numbers = more;
	}
	(*numbers)[(*n)++] = number;
	return SABIR_OK;
}

enum sabir_error folder_list(const struct folder *folder, uint64_t **numbers, size_t *n)
{
	DIR *dir = entries(folder);
	struct dirent *entry;
	enum sabir_error error = dir ? SABIR_OK : SABIR_IO_ERROR;
	*numbers = NULL;
	*n = 0;
	while (!error && (entry = readdir(dir)) != NULL)
		if (number_of(entry->d_name))
			error = add_number(number_of(entry->d_name), numbers, n);
	if (dir)
		closedir(dir);
	if (error) {
		free(*numbers);
		*numbers = NULL;
		*n = 0;
	} else if (*n) {
		qsort(*numbers, *n, sizeof(**numbers), newest_first);
	}
	return error;
}

enum sabir_error folder_next(const struct folder *folder, char *detail, size_t size, uint64_t *number)
{
	uint64_t *numbers, last = 0;
	size_t n;
	enum sabir_error error = folder_list(folder, &numbers, &n);
	if (!error && n)
		last = numbers[0];
	if (error) {
		snprintf(detail, size, "can't read the folder");
		return error;
	}
	free(numbers);
	if (last == FOLDER_LAST) {
		snprintf(detail, size, "the folder has a snapshot of the highest number");
		return SABIR_IO_ERROR;
	}
	*number = last + 1;
	return SABIR_OK;
}

size_t folder_prune(const struct folder *folder, size_t keep)
{
	uint64_t *numbers;
	size_t n, removed = 0;
	char name[FOLDER_NAME_SIZE];
	if (folder_list(folder, &numbers, &n))
		return 0;
	for (size_t i = keep; i < n; i++) {
		folder_name(numbers[i], name);
		removed += unlinkat(folder->fd, name, 0) == 0;
	}
	free(numbers);
	return removed;
}

void folder_refuse(const struct folder *folder, uint64_t number)
{
	char name[FOLDER_NAME_SIZE], other[FOLDER_NAME_SIZE + 16];
	folder_name(number, name);
	snprintf(other, sizeof(other), "%s.refused", name);
	(void)renameat(folder->fd, name, folder->fd, other);
}
