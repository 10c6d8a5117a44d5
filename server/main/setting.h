/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_SETTING_H
#define SABIR_MAIN_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"

/* One option's value: read from text, checked, written back to text. */
enum setting_type {
	SETTING_TEXT,
	SETTING_LIST, /* of texts */
	SETTING_SIZE, /* bytes: 512, 64K, 512M, 1G, 1GiB: powers of 1024 */
	SETTING_COUNT,
	SETTING_TIME, /* ns: 500ms, 10s, 2m, 1h; seconds without a unit */
	SETTING_MODE, /* octal */
	SETTING_UIDS, /* names and numbers */
	SETTING_GIDS,
	SETTING_GID,
	SETTING_LEVEL,  /* enum log_level */
	SETTING_FORMAT, /* enum log_format */
	SETTING_ADMIN,  /* enum session_admin */
	SETTING_ON_OFF,
	SETTING_SWITCH, /* a flag that is there or not */
};

struct setting {
	bool set; /* false: the default is to be chosen */
	uint64_t number;
	char *text;    /* owned */
	char **texts;  /* owned; LIST */
	uint32_t *ids; /* owned; UIDS, GIDS */
	size_t n;
};

struct setting_rule {
	enum setting_type type;
	uint64_t min, max;
};

#define SETTING_DETAIL_SIZE 200

/*
 * Reads a text; a list takes several, divided by commas, and adds them to what is there. `detail` gets what is wrong,
 * to be put behind the option's name. Errors: INVALID_ARGUMENT, NO_MEMORY.
 */
enum sabir_error setting_read(const struct setting_rule *rule, const char *text, char *detail, struct setting *setting);
/* Empties it, and frees what it owns. */
void setting_clear(struct setting *setting);
/* Whether several texts may be given. */
bool setting_is_list(enum setting_type type);
/* The text that setting_read reads back as the same; cut at `size`. */
void setting_write(const struct setting_rule *rule, const struct setting *setting, char *text, size_t size);

#endif
