/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The structured log. A line is formed on the stack and leaves with one write(), so lines of different threads never
 * mix and nothing is allocated. A line holds LINE_SIZE bytes; room for its end is kept back, so a cut line is still
 * well formed: a value that doesn't fit ends with "..." and the fields behind it are left out.
 */
#include "server/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/utf8.h"

#define LINE_SIZE 2048
#define TAIL_SIZE 16 /* kept back for: ..."} and the end of the line */

static volatile int current_level = LOG_LEVEL_INFO;
static volatile int current_format = LOG_FORMAT_LOGFMT;
static volatile int current_fd = STDERR_FILENO;

static const char *const level_names[] = { "error", "warning", "info", "debug" };

struct line {
	char text[LINE_SIZE];
	size_t len;
	bool cut;
};

void log_set_level(enum log_level level)
{
	current_level = (int)level;
}

void log_set_format(enum log_format format)
{
	current_format = (int)format;
}

void log_set_fd(int fd)
{
	current_fd = fd;
}

bool log_enabled(enum log_level level)
{
	return (int)level <= current_level;
}

/* All of the text or nothing. */
static void add(struct line *line, const char *text, size_t len)
{
	if (line->cut || len > LINE_SIZE - TAIL_SIZE - line->len) {
		line->cut = true;
		return;
	}
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

static void add_text(struct line *line, const char *text)
{
	add(line, text, strlen(text));
}

/* Bytes of the well-formed UTF-8 character beyond ASCII that begins here, 0 if there is none. */
static size_t utf8_len(const unsigned char *s)
{
	size_t len = *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
	bool whole = strnlen((const char *)s, len) == len;
	return whole && utf8_valid((struct span){ s, len }) ? len : 0;
}

/* One character in the escapes that JSON and quoted logfmt share; returns the bytes of `s` that it took. */
static size_t add_escaped(struct line *line, const unsigned char *s)
{
	char escape[8];
	if (*s == '"' || *s == '\\') {
		snprintf(escape, sizeof(escape), "\\%c", *s);
	} else if (*s == '\n') {
		snprintf(escape, sizeof(escape), "\\n");
	} else if (*s < 0x20 || *s == 0x7f) {
		snprintf(escape, sizeof(escape), "\\u%04x", *s);
	} else if (*s < 0x80) {
		snprintf(escape, sizeof(escape), "%c", *s);
	} else {
		size_t len = utf8_len(s);
		add(line, len ? (const char *)s : "\\ufffd", len ? len : 6);
		return len ? len : 1;
	}
	add_text(line, escape);
	return 1;
}

static void add_quoted(struct line *line, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	if (line->cut || LINE_SIZE - TAIL_SIZE - line->len < 8) {
		line->cut = true;
		return;
	}
	add(line, "\"", 1);
	while (*s && !line->cut)
		s += add_escaped(line, s);
	/* Into what was kept back: the quote must close, whatever fits. */
	const char *end = line->cut ? "...\"" : "\"";
	memcpy(line->text + line->len, end, strlen(end));
	line->len += strlen(end);
}

static bool needs_quotes(const char *text)
{
	for (const unsigned char *s = (const unsigned char *)text; *s; s++)
		if (*s <= 0x20 || *s >= 0x7f || *s == '"' || *s == '=' || *s == '\\')
			return true;
	return !*text;
}

static void add_value(struct line *line, bool json, const struct log_field *field)
{
	char number[24];
	switch (field->type) {
	case LOG_TYPE_TEXT: {
		const char *text = field->text ? field->text : "";
		if (json || needs_quotes(text) || strlen(text) > LINE_SIZE / 2)
			add_quoted(line, text);
		else
			add_text(line, text);
		return;
	}
	case LOG_TYPE_I64:
		snprintf(number, sizeof(number), "%" PRId64, field->i);
		break;
	case LOG_TYPE_U64:
		snprintf(number, sizeof(number), "%" PRIu64, field->u);
		break;
	case LOG_TYPE_BOOL:
		snprintf(number, sizeof(number), "%s", field->u ? "true" : "false");
		break;
	default:
		return;
	}
	add_text(line, number);
}

static void add_field(struct line *line, bool json, const struct log_field *field)
{
	size_t before = line->len;
	add_text(line, !json ? " " : line->len > 1 ? ",\"" : "\"");
	add_text(line, field->key);
	add_text(line, json ? "\":" : "=");
	size_t value = line->len;
	add_value(line, json, field);
	if (line->cut && line->len == value) /* nothing of the value: no key either */
		line->len = before;
}

void log_write(enum log_level level, const char *message, const struct log_field *fields, unsigned n_fields)
{
	bool json = current_format == LOG_FORMAT_JSON;
	char time[CLOCK_TEXT_SIZE];
	clock_text(clock_wall(), time);
	const struct log_field head[] = { log_text("time", time), log_text("level", level_names[level]),
					  log_text("msg", message) };
	struct line line;
	line.len = 0;
	line.cut = false;
	if (json)
		add_text(&line, "{");
	for (unsigned i = 0; i < sizeof(head) / sizeof(head[0]); i++)
		add_field(&line, json, &head[i]);
	for (unsigned i = 1; i < n_fields && !line.cut; i++)
		add_field(&line, json, &fields[i]);
	const char *end = json ? "}\n" : "\n";
	memcpy(line.text + line.len, end, strlen(end));
	line.len += strlen(end);
	size_t skip = !json; /* the blank in front of "time" */
	/* A log that can't be written is no reason to stop serving. */
	ssize_t written = write(current_fd, line.text + skip, line.len - skip);
	(void)written;
}
