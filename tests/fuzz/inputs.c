/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/loads.h"

static struct input {
	char *path;
	off_t size;
} inputs[INPUTS_MOST];
uint32_t n_inputs;

static int by_size(const void *a, const void *b)
{
	const struct input *x = a, *y = b;
	return x->size != y->size ? (x->size < y->size ? -1 : 1) : strcmp(x->path, y->path);
}

bool inputs_list(const char *folder)
{
	struct dirent *entry;
	struct stat stat;
	DIR *dir = opendir(folder);
	if (!dir) {
		fprintf(stderr, "%s: %s\n", folder, strerror(errno));
		return false;
	}
	while ((entry = readdir(dir)) != NULL && n_inputs < INPUTS_MOST) {
		char *path;
		if (fstatat(dirfd(dir), entry->d_name, &stat, 0) || !S_ISREG(stat.st_mode))
			continue;
		if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
			abort();
		inputs[n_inputs++] = (struct input){ path, stat.st_size };
	}
	closedir(dir);
	return true;
}

void inputs_sort(void)
{
	qsort(inputs, n_inputs, sizeof(inputs[0]), by_size);
}

const char *inputs_path(uint32_t number)
{
	return inputs[number].path;
}

bool inputs_read(uint32_t number, struct span *input)
{
	static uint8_t data[1 << 16];
	int fd = open(inputs[number].path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, data, sizeof(data));
	if (fd >= 0)
		close(fd);
	*input = (struct span){ data, n < 0 ? 0 : (size_t)n };
	return n >= 0;
}
