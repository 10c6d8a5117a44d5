/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsabir: namespaces. Included by sabir.h.
 *
 * A namespace has attributes: names with items. Every operation is atomic. A name is 1 to 255 bytes of UTF-8: a letter,
 * then letters, digits and '_', where every character that is not ASCII counts as a letter; names that begin with '_'
 * are refused. Every function that takes a name can answer INVALID_ARGUMENT, every one that takes an item INVALID_VALUE,
 * every one that writes TOO_LARGE and RESOURCE_EXHAUSTED.
 */
#ifndef SABIR_NAMESPACE_H
#define SABIR_NAMESPACE_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sabir_namespace sabir_namespace;

/* Errors: as sabir_create. */
enum sabir_error sabir_namespace_create(sabir_conn *conn, const char *name, unsigned flags, sabir_namespace **ns);
/* Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_namespace_open(sabir_conn *conn, const char *name, sabir_namespace **ns);
/* Errors: NOT_FOUND (never given out), WRONG_KIND, DELETED. */
enum sabir_error sabir_namespace_open_handle(sabir_conn *conn, uint64_t handle, sabir_namespace **ns);
/* Frees the handle, not the namespace; NULL is fine. */
void sabir_namespace_free(sabir_namespace *ns);
uint64_t sabir_namespace_handle(const sabir_namespace *ns);

/* Errors: KEY_NOT_FOUND. */
enum sabir_error sabir_namespace_get(sabir_namespace *ns, const char *attribute, struct sabir_item **value);
/* Sets an attribute, new or not. `inserted` or NULL: whether it is new. */
enum sabir_error sabir_namespace_set(sabir_namespace *ns, const char *attribute, const struct sabir_item *value,
				     bool *inserted);
/* Errors: KEY_NOT_FOUND. */
enum sabir_error sabir_namespace_delete(sabir_namespace *ns, const char *attribute);
/*
 * Adds a number (INT, UINT, DOUBLE) to an attribute; a missing one counts from 0. `sum` or NULL: the new value. Errors:
 * WRONG_TYPE (the attribute or the delta is no number), OUT_OF_RANGE (integers beyond 64 bits).
 */
enum sabir_error sabir_namespace_increment(sabir_namespace *ns, const char *attribute, const struct sabir_item *delta,
					   struct sabir_item *sum);
/*
 * The next page of the names, as TEXT, or of the attributes, each with its name as key, in the order in which they were
 * set first; as sabir_dict_keys.
 */
enum sabir_error sabir_namespace_dir(sabir_namespace *ns, uint32_t page_size, struct sabir_cursor *cursor,
				     struct sabir_item **names, size_t *n);
enum sabir_error sabir_namespace_list(sabir_namespace *ns, uint32_t page_size, struct sabir_cursor *cursor,
				      struct sabir_entry **attributes, size_t *n);

#ifdef __cplusplus
}
#endif

#endif
