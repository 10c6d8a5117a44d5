/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items: what queues, lists, dicts, namespaces and pipes hold, and the numbers of values and arrays. Part of <sabir.h>, which
 * includes it first: nothing here needs a connection.
 */
#ifndef SABIR_ITEM_H
#define SABIR_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <sabir/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The kinds of items: what a queue holds, and the keys and values of a dict. The numbers are those of sabir.v1.Value.
 */
enum sabir_item_kind {
	SABIR_ITEM_NULL = 1,
	SABIR_ITEM_BOOL = 2,
	SABIR_ITEM_INT = 3,  /* -2^63 to 2^63-1 */
	SABIR_ITEM_UINT = 4, /* 0 to 2^64-1; as a key, one up to 2^63-1 equals the same INT */
	SABIR_ITEM_DOUBLE = 5,
	SABIR_ITEM_TEXT = 6, /* UTF-8, may hold NUL */
	SABIR_ITEM_BYTES = 7,
	SABIR_ITEM_LIST = 8,       /* made by a sabir_builder, read by a sabir_reader */
	SABIR_ITEM_MAP = 9,        /* likewise */
	SABIR_ITEM_TIMESTAMP = 10, /* UTC, years 1 to 9999 */
	SABIR_ITEM_OBJECT = 11,    /* another shared object */
	SABIR_ITEM_OPAQUE = 12,    /* bytes with the name of their format */
	SABIR_ITEM_ENCODED = 100   /* a whole encoded sabir.v1.Value; only given, never received */
};

/*
 * One item. It owns nothing: `as.data` and `content_type` point to the caller's memory in arguments, and into the
 * block or buffer of the result in results. Unused members are ignored in arguments and 0 in results.
 */
struct sabir_item {
	uint32_t kind; /* enum sabir_item_kind */
	uint32_t aux;  /* TIMESTAMP: nanoseconds, 0 to 999999999; OPAQUE: bytes of content_type */
	size_t len; /* bytes at as.data: TEXT, BYTES, LIST, MAP, OPAQUE, ENCODED; OBJECT: its name's, 0 = by handle */
	union {
		bool boolean;
		int64_t i;  /* INT; TIMESTAMP: seconds since 1970 */
		uint64_t u; /* UINT; OBJECT by handle */
		double d;
		const void *data;
	} as;
	const char *content_type; /* OPAQUE: for example "application/json"; not empty */
};

/* A dict's or map's key and value. */
struct sabir_entry {
	struct sabir_item key;
	struct sabir_item value;
};

/* Items of each simple kind. They point to what they are given. */
static inline struct sabir_item sabir_item_of(uint32_t kind, const void *data, size_t len)
{
	struct sabir_item item;
	memset(&item, 0, sizeof(item));
	item.kind = kind;
	item.len = len;
	item.as.data = data;
	return item;
}
static inline struct sabir_item sabir_null(void)
{
	return sabir_item_of(SABIR_ITEM_NULL, NULL, 0);
}
static inline struct sabir_item sabir_bool(bool v)
{
	struct sabir_item item = sabir_item_of(SABIR_ITEM_BOOL, NULL, 0);
	item.as.boolean = v;
	return item;
}
static inline struct sabir_item sabir_int(int64_t v)
{
	struct sabir_item item = sabir_item_of(SABIR_ITEM_INT, NULL, 0);
	item.as.i = v;
	return item;
}
static inline struct sabir_item sabir_uint(uint64_t v)
{
	struct sabir_item item = sabir_item_of(SABIR_ITEM_UINT, NULL, 0);
	item.as.u = v;
	return item;
}
static inline struct sabir_item sabir_double(double v)
{
	struct sabir_item item = sabir_item_of(SABIR_ITEM_DOUBLE, NULL, 0);
	item.as.d = v;
	return item;
}
static inline struct sabir_item sabir_text_n(const char *text, size_t len)
{
	return sabir_item_of(SABIR_ITEM_TEXT, text, len);
}
static inline struct sabir_item sabir_text(const char *text)
{
	return sabir_text_n(text, strlen(text));
}
static inline struct sabir_item sabir_bytes(const void *data, size_t len)
{
	return sabir_item_of(SABIR_ITEM_BYTES, data, len);
}
static inline struct sabir_item sabir_timestamp(int64_t seconds, uint32_t nanoseconds)
{
	struct sabir_item item = sabir_item_of(SABIR_ITEM_TIMESTAMP, NULL, 0);
	item.aux = nanoseconds;
	item.as.i = seconds;
	return item;
}
static inline struct sabir_item sabir_object(uint64_t handle)
{
	struct sabir_item item = sabir_item_of(SABIR_ITEM_OBJECT, NULL, 0);
	item.as.u = handle;
	return item;
}
static inline struct sabir_item sabir_opaque(const char *content_type, const void *data, size_t len)
{
	struct sabir_item item = sabir_item_of(SABIR_ITEM_OPAQUE, data, len);
	item.aux = (uint32_t)strlen(content_type);
	item.content_type = content_type;
	return item;
}
static inline struct sabir_item sabir_encoded(const void *data, size_t len)
{
	return sabir_item_of(SABIR_ITEM_ENCODED, data, len);
}

/*
 * A buffer that calls reuse, as getline() does: all-zero at first; the library makes it larger with malloc and realloc
 * where an item needs it, and the caller frees `data` in the end with sabir_free(). One thread at a time.
 */
struct sabir_buffer {
	void *data;
	size_t size;
};

/*
 * The item as an encoded sabir.v1.Value in the buffer, `*len` bytes.
 * Errors: INVALID_VALUE (unknown kind, text that is not UTF-8, and what else sabir.v1.Value forbids), NO_MEMORY.
 */
enum sabir_error sabir_encode(const struct sabir_item *item, struct sabir_buffer *buffer, size_t *len);
/* The item in an encoded sabir.v1.Value; it points into `data`. Errors: INVALID_VALUE. */
enum sabir_error sabir_decode(const void *data, size_t len, struct sabir_item *item);

/*
 * Makes lists and maps. Begin one, append its items (in a map a key, then its value, and so on), end it; in between
 * others may begin and end, up to the depth that sabir.v1.Value allows. What is refused leaves the builder as it was;
 * after NO_MEMORY it can only be freed. One thread at a time.
 */
typedef struct sabir_builder sabir_builder;
/* NULL when out of memory. */
sabir_builder *sabir_builder_new(void);
/* NULL is fine. */
void sabir_builder_free(sabir_builder *builder);
/* Errors: INVALID_VALUE (nested too deep), INVALID_ARGUMENT (the outermost has ended), NO_MEMORY. */
enum sabir_error sabir_builder_begin_list(sabir_builder *builder);
enum sabir_error sabir_builder_begin_map(sabir_builder *builder);
/* Errors: INVALID_VALUE (as sabir_encode), INVALID_ARGUMENT (nothing has begun), NO_MEMORY. */
enum sabir_error sabir_builder_append(sabir_builder *builder, const struct sabir_item *item);
/* Errors: INVALID_ARGUMENT (nothing has begun, or a key has no value). */
enum sabir_error sabir_builder_end(sabir_builder *builder);
/*
 * The outermost list or map, which has ended. It points into the builder and is valid until the builder is used again,
 * which starts anew. Errors: INVALID_ARGUMENT (it has not ended, or not begun).
 */
enum sabir_error sabir_builder_finish(sabir_builder *builder, struct sabir_item *item);

/* Reads a list or map from its beginning; owns nothing. Its members are the library's. */
struct sabir_reader {
	const void *at;
	size_t left;
	uint32_t kind;
};
/* Errors: WRONG_TYPE (neither list nor map). */
enum sabir_error sabir_reader_init(struct sabir_reader *reader, const struct sabir_item *list_or_map);
/* The next item of a list. Errors: EMPTY (behind the last), WRONG_TYPE (a map), INVALID_VALUE. */
enum sabir_error sabir_reader_next(struct sabir_reader *reader, struct sabir_item *item);
/* The next entry of a map. Errors: EMPTY (behind the last), WRONG_TYPE (a list), INVALID_VALUE. */
enum sabir_error sabir_reader_next_entry(struct sabir_reader *reader, struct sabir_entry *entry);

#ifdef __cplusplus
}
#endif

#endif
