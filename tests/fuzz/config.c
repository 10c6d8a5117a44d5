/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file: whatever it holds is read or refused with a line that says why; what was read is written in
 * the form of the file, and reads back as the same.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/main/config.h"
#include "tests/fuzz/seeds.h"

static enum sabir_error load(const char *text, size_t len, char *detail, struct config *config)
{
	char path[64], name[] = "sabird", flag[] = "--config", *argv[] = { name, flag, path, NULL }, *none[] = { NULL };
	int fd = memfd_create("config", 0);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	enum sabir_error error = config_load(3, argv, none, NULL, detail, config);
	close(fd);
	return error;
}

static void print(const struct config *config, char **text, size_t *len)
{
	FILE *to = open_memstream(text, len);
	config_print(config, to);
	fclose(to);
}

/* Reads a text and gives it as it is printed; NULL: it was refused. */
static char *through(const char *text, size_t len, size_t *printed_len)
{
	char detail[CONFIG_DETAIL_SIZE] = "", *printed = NULL;
	struct config config;

	if (load(text, len, detail, &config)) {
		if (!*detail)
			abort();
		return NULL;
	}
	print(&config, &printed, printed_len);
	config_fini(&config);
	return printed;
}

/* Each option with something of each type. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const values[] = { "1",          "64M",  "1.5h", "on",   "unix",    "0660",
					      "root, 1000", "info", "json", "none", "[::1]:7", "\"/tmp/a b\"" };
	const size_t n = sizeof(values) / sizeof(values[0]);
	char line[256];
	(void)argc, (void)argv;
	if (!getenv("SEEDS"))
		return 0;
	for (size_t i = 0; i < N_OPTIONS * n; i++) {
		int len = snprintf(line, sizeof(line), "%s = %s\n", option_name((enum option)(i / n)), values[i % n]);
		seed_write(getenv("SEEDS"), "option", i, (struct span){ (const uint8_t *)line, (size_t)len });
	}
	exit(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t first_len, second_len, third_len;
	char *first = through((const char *)data, size, &first_len);

	if (!first)
		return 0;
	/* The first tells what is default and what is from the file; from then on all is from the file. */
	char *second = through(first, first_len, &second_len);
	char *third = second ? through(second, second_len, &third_len) : NULL;
	if (!third || second_len != third_len || memcmp(second, third, second_len)) {
		fprintf(stderr, "%s---\n%s---\n%s", first, second ? second : "", third ? third : "");
		abort();
	}
	free(first);
	free(second);
	free(third);
	return 0;
}
