/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_CONFIG_H
#define SABIR_MAIN_CONFIG_H

#include <stdio.h>

#include "server/main/setting.h"

/*
 * The configuration: every option of options.def with its value and where that comes from. A flag counts more than the
 * environment, the environment more than the file, the file more than the default; a list comes whole from one of them.
 */
enum option {
#define O(id, ...) OPTION_##id,
#include "server/main/options.def"
#undef O
	N_OPTIONS
};

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT, CONFIG_FLAG };

struct config {
	struct setting value[N_OPTIONS];
	enum config_source source[N_OPTIONS];
};

#define CONFIG_DETAIL_SIZE 512
#define CONFIG_DEFAULT_FILE "/etc/sabir/sabird.conf"

/*
 * Reads all sources. `environment` is like environ; `default_file` is read if it exists and --config names no other
 * (NULL: none). What nobody has set and has no fixed default is chosen only by config_choose. `detail` gets one line
 * for people. Errors: INVALID_ARGUMENT, NOT_FOUND (a file that was named), NO_MEMORY.
 */
enum sabir_error config_load(int argc, char *const *argv, char *const *environment, const char *default_file,
			     char *detail, struct config *config);
/* Fills what has to be chosen: the sockets. */
enum sabir_error config_choose(char *detail, struct config *config);
void config_fini(struct config *config);

static inline uint64_t config_number(const struct config *config, enum option option)
{
	return config->value[option].number;
}
/* NULL: not set. */
static inline const char *config_text(const struct config *config, enum option option)
{
	return config->value[option].text;
}

/* The table's help, and the configuration in the form of the file. */
void config_help(FILE *to);
void config_print(const struct config *config, FILE *to);

const char *option_name(enum option option);
/* "SABIR_MEMORY_LIMIT" */
void option_environment_name(enum option option, char name[64]);

#endif
