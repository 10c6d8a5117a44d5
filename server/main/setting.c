/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of options. Everything is read strictly: a number is all digits and one known unit, in range and without
 * overflow; what is not understood is an error and never a guess.
 */
#include "server/main/setting.h"

#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/clock.h"
#include "server/base/log.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit sizes[] = { { "", 1 },           { "B", 1 },
				     { "K", 1ull << 10 }, { "KiB", 1ull << 10 },
				     { "M", 1ull << 20 }, { "MiB", 1ull << 20 },
				     { "G", 1ull << 30 }, { "GiB", 1ull << 30 },
				     { "T", 1ull << 40 }, { "TiB", 1ull << 40 },
				     { NULL, 0 } };
static const struct unit times[] = { { "", CLOCK_SECOND },
				     { "ns", 1 },
				     { "us", 1000 },
				     { "ms", CLOCK_MILLISECOND },
				     { "s", CLOCK_SECOND },
				     { "m", 60 * CLOCK_SECOND },
				     { "h", 3600 * CLOCK_SECOND },
				     { NULL, 0 } };
static const struct unit counts[] = { { "", 1 }, { NULL, 0 } };

static const char *const levels[] = { "error", "warning", "info", "debug", NULL };
static const char *const formats[] = { "logfmt", "json", NULL };
static const char *const admins[] = { "unix", "all", "none", NULL };
static const char *const switches[] = { "off", "on", NULL };

static enum sabir_error wrong(char *detail, const char *text, const char *what)
{
	snprintf(detail, SETTING_DETAIL_SIZE, "\"%.80s\" is not %s", text, what);
	return SABIR_INVALID_ARGUMENT;
}

static enum sabir_error read_digits(const char *text, unsigned base, uint64_t *number, const char **rest)
{
	uint64_t n = 0;
	const char *p = text;
	while (*p >= '0' && *p < (char)('0' + base)) {
		if (__builtin_mul_overflow(n, (uint64_t)base, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return SABIR_OUT_OF_RANGE;
		p++;
	}
	if (p == text)
		return SABIR_INVALID_ARGUMENT;
	*number = n;
	*rest = p;
	return SABIR_OK;
}

static enum sabir_error read_number(const struct setting_rule *rule, const char *text, const struct unit *units,
				    const char *what, char *detail, uint64_t *number)
{
	uint64_t n;
	const char *rest;
	enum sabir_error error = read_digits(text, 10, &n, &rest);
	if (error == SABIR_INVALID_ARGUMENT)
		return wrong(detail, text, what);
	if (!error) {
		while (units->name && strcasecmp(units->name, rest))
			units++;
		if (!units->name)
			return wrong(detail, text, what);
	}
	if (error || __builtin_mul_overflow(n, units->factor, &n) || n < rule->min || n > rule->max) {
		struct setting low = { .set = true, .number = rule->min }, high = { .set = true, .number = rule->max };
		char low_text[32], high_text[32];
		setting_write(rule, &low, low_text, sizeof(low_text));
		setting_write(rule, &high, high_text, sizeof(high_text));
		snprintf(detail, SETTING_DETAIL_SIZE, "\"%.40s\" is not between %s and %s", text, low_text, high_text);
		return SABIR_INVALID_ARGUMENT;
	}
	*number = n;
	return SABIR_OK;
}

static enum sabir_error read_mode(const struct setting_rule *rule, const char *text, char *detail, uint64_t *number)
{
	uint64_t n;
	const char *rest;
	if (read_digits(text, 8, &n, &rest) || *rest || n > rule->max || !n)
		return wrong(detail, text, "an octal mode like 0660");
	*number = n;
	return SABIR_OK;
}

static enum sabir_error read_choice(const char *const *choices, const char *text, const char *what, char *detail,
				    uint64_t *number)
{
	for (uint64_t i = 0; choices[i]; i++) {
		if (!strcmp(choices[i], text)) {
			*number = i;
			return SABIR_OK;
		}
	}
	return wrong(detail, text, what);
}

static enum sabir_error read_id(bool user, const char *text, char *detail, uint64_t *number)
{
	uint64_t n;
	const char *rest;
	const struct passwd *passwd = user ? getpwnam(text) : NULL;
	const struct group *group = user ? NULL : getgrnam(text);
	if (passwd)
		n = passwd->pw_uid;
	else if (group)
		n = group->gr_gid;
	else if (read_digits(text, 10, &n, &rest) || *rest || n >= UINT32_MAX)
		return wrong(detail, text, user ? "a user's name or number" : "a group's name or number");
	*number = n;
	return SABIR_OK;
}

/* ---------------------------------------------------------------- lists */

static enum sabir_error add_text(struct setting *setting, const char *text)
{
	char **texts = realloc(setting->texts, (setting->n + 1) * sizeof(*texts));
	if (!texts)
		return SABIR_NO_MEMORY;
	setting->texts = texts;
	texts[setting->n] = strdup(text);
	if (!texts[setting->n])
		return SABIR_NO_MEMORY;
	setting->n++;
	return SABIR_OK;
}

static enum sabir_error add_id(struct setting *setting, uint64_t id)
{
	uint32_t *ids = realloc(setting->ids, (setting->n + 1) * sizeof(*ids));
	if (!ids)
		return SABIR_NO_MEMORY;
	setting->ids = ids;
	ids[setting->n++] = (uint32_t)id;
	return SABIR_OK;
}

static enum sabir_error read_list(const struct setting_rule *rule, const char *text, char *detail,
				  struct setting *setting)
{
	char *copy = strdup(text), *rest = copy, *part;
	enum sabir_error error = copy ? SABIR_OK : SABIR_NO_MEMORY;
	while (!error && (part = strsep(&rest, ","))) {
		uint64_t id;
		part += strspn(part, " \t");
		part[strcspn(part, " \t")] = 0;
		if (!*part) {
			error = wrong(detail, text, "a list: a part of it is empty");
		} else if (rule->type == SETTING_LIST) {
			error = add_text(setting, part);
		} else {
			error = read_id(rule->type == SETTING_UIDS, part, detail, &id);
			if (!error)
				error = add_id(setting, id);
		}
	}
	free(copy);
	return error;
}

/* ---------------------------------------------------------------- one value */

bool setting_is_list(enum setting_type type)
{
	return type == SETTING_LIST || type == SETTING_UIDS || type == SETTING_GIDS;
}

static enum sabir_error read_text(const char *text, char *detail, struct setting *setting)
{
	if (!*text)
		return wrong(detail, text, "a text: it is empty");
	char *copy = strdup(text);
	if (!copy)
		return SABIR_NO_MEMORY;
	free(setting->text);
	setting->text = copy;
	return SABIR_OK;
}

static enum sabir_error read_value(const struct setting_rule *rule, const char *text, char *detail,
				   struct setting *setting)
{
	uint64_t *number = &setting->number;
	switch (rule->type) {
	case SETTING_SIZE:
		return read_number(rule, text, sizes, "a size like 512M", detail, number);
	case SETTING_COUNT:
		return read_number(rule, text, counts, "a number", detail, number);
	case SETTING_TIME:
		return read_number(rule, text, times, "a time like 10s or 500ms", detail, number);
	case SETTING_MODE:
		return read_mode(rule, text, detail, number);
	case SETTING_LEVEL:
		return read_choice(levels, text, "one of error, warning, info, debug", detail, number);
	case SETTING_FORMAT:
		return read_choice(formats, text, "one of logfmt, json", detail, number);
	case SETTING_ADMIN:
		return read_choice(admins, text, "one of unix, all, none", detail, number);
	case SETTING_ON_OFF:
		return read_choice(switches, text, "on or off", detail, number);
	case SETTING_GID:
		return read_id(false, text, detail, number);
	case SETTING_TEXT:
		return read_text(text, detail, setting);
	case SETTING_SWITCH:
		*number = 1;
		return SABIR_OK;
	default:
		return read_list(rule, text, detail, setting);
	}
}

enum sabir_error setting_read(const struct setting_rule *rule, const char *text, char *detail, struct setting *setting)
{
	enum sabir_error error = read_value(rule, text, detail, setting);
	if (!error)
		setting->set = true;
	else if (error == SABIR_NO_MEMORY)
		snprintf(detail, SETTING_DETAIL_SIZE, "the process is out of memory");
	return error;
}

void setting_clear(struct setting *setting)
{
	for (size_t i = 0; setting->texts && i < setting->n; i++)
		free(setting->texts[i]);
	free(setting->texts);
	free(setting->ids);
	free(setting->text);
	*setting = (struct setting){ 0 };
}

static void write_number(const struct unit *units, uint64_t number, char *text, size_t size)
{
	/* The largest unit that leaves no rest; of units of one size the first. */
	const struct unit *best = NULL;
	for (const struct unit *u = units; u->name; u++)
		if (number % u->factor == 0 && (number || u->factor == 1) && (!best || u->factor > best->factor))
			best = u;
	snprintf(text, size, "%" PRIu64 "%s", best ? number / best->factor : number, best ? best->name : "");
}

static void write_list(const struct setting *setting, char *text, size_t size)
{
	size_t len = 0;
	text[0] = 0;
	for (size_t i = 0; i < setting->n && len < size; i++) {
		const char *comma = i ? "," : "";
		int n = setting->texts ? snprintf(text + len, size - len, "%s%s", comma, setting->texts[i])
				       : snprintf(text + len, size - len, "%s%" PRIu32, comma, setting->ids[i]);
		len += (size_t)n;
	}
}

void setting_write(const struct setting_rule *rule, const struct setting *setting, char *text, size_t size)
{
	switch (rule->type) {
	case SETTING_SIZE:
		write_number(sizes, setting->number, text, size);
		break;
	case SETTING_TIME:
		/* "" is a second too; the unit is clearer. */
		write_number(times + 1, setting->number, text, size);
		break;
	case SETTING_MODE:
		snprintf(text, size, "%04" PRIo64, setting->number);
		break;
	case SETTING_LEVEL:
		snprintf(text, size, "%s", levels[setting->number]);
		break;
	case SETTING_FORMAT:
		snprintf(text, size, "%s", formats[setting->number]);
		break;
	case SETTING_ADMIN:
		snprintf(text, size, "%s", admins[setting->number]);
		break;
	case SETTING_ON_OFF:
		snprintf(text, size, "%s", switches[setting->number]);
		break;
	case SETTING_TEXT:
		snprintf(text, size, "%s", setting->text ? setting->text : "");
		break;
	case SETTING_LIST:
	case SETTING_UIDS:
	case SETTING_GIDS:
		write_list(setting, text, size);
		break;
	default:
		snprintf(text, size, "%" PRIu64, setting->number);
	}
}
