/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_BASE_LOG_H
#define SABIR_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The server's log: one line for each event, a message and typed fields, written with one write().
 *
 *   log_info("owner attached", log_u64("owner", 3), log_text("label", label));
 *
 *   logfmt  time=2026-01-31T12:00:00.123456Z level=info msg="owner attached" owner=3 label=worker
 *   json    {"time":"2026-01-31T12:00:00.123456Z","level":"info","msg":"owner attached","owner":3,"label":"worker"}
 *
 * Any thread may log. Texts may hold anything: what the form can't show is escaped, what is too long for a line is cut.
 * For the server's fronts and its start-up; what libsabir is made of (shm, objects, ops) never logs.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

enum log_type { LOG_TYPE_NONE, LOG_TYPE_TEXT, LOG_TYPE_I64, LOG_TYPE_U64, LOG_TYPE_BOOL };
struct log_field {
	const char *key; /* a word of letters, digits and '_' */
	enum log_type type;
	union {
		const char *text; /* NULL is shown as an empty text */
		int64_t i;
		uint64_t u;
	};
};

static inline struct log_field log_text(const char *key, const char *text)
{
	return (struct log_field){ .key = key, .type = LOG_TYPE_TEXT, { .text = text } };
}
static inline struct log_field log_i64(const char *key, int64_t i)
{
	return (struct log_field){ .key = key, .type = LOG_TYPE_I64, { .i = i } };
}
static inline struct log_field log_u64(const char *key, uint64_t u)
{
	return (struct log_field){ .key = key, .type = LOG_TYPE_U64, { .u = u } };
}
static inline struct log_field log_bool(const char *key, bool b)
{
	return (struct log_field){ .key = key, .type = LOG_TYPE_BOOL, { .u = b } };
}

/* The defaults are INFO, LOGFMT and descriptor 2. All three may be changed while others log. */
void log_set_level(enum log_level level);
void log_set_format(enum log_format format);
void log_set_fd(int fd);

bool log_enabled(enum log_level level);
/* fields[0] is not shown: it keeps the list from being empty. */
void log_write(enum log_level level, const char *message, const struct log_field *fields, unsigned n_fields);

#define log_event(level, message, ...)                                                                                 \
	do {                                                                                                           \
		if (log_enabled(level)) {                                                                              \
			const struct log_field log_fields_[] = { { .key = "" }, ##__VA_ARGS__ };                       \
			log_write(level, message, log_fields_, sizeof(log_fields_) / sizeof(log_fields_[0]));          \
		}                                                                                                      \
	} while (0)
#define log_error(message, ...) log_event(LOG_LEVEL_ERROR, message, ##__VA_ARGS__)
#define log_warning(message, ...) log_event(LOG_LEVEL_WARNING, message, ##__VA_ARGS__)
#define log_info(message, ...) log_event(LOG_LEVEL_INFO, message, ##__VA_ARGS__)
#define log_debug(message, ...) log_event(LOG_LEVEL_DEBUG, message, ##__VA_ARGS__)

#endif
