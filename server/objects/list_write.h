/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_LIST_WRITE_H
#define SABIR_OBJECTS_LIST_WRITE_H

#include "server/objects/list_parts.h"

/* What list_write.c gives to list_tree.c: the blocks of a write. */

/* A node that this write has made: nobody else sees it yet, its content is undefined. Errors: RESOURCE_EXHAUSTED. */
enum sabir_error list_new_node(struct list_write *w, struct seg_list_node **node);
/* One of those that the new tree does without. Errors: DATA_LOSS (no write has so many, unless somebody has changed its nodes). */
enum sabir_error list_spare_node(struct list_write *w, struct seg_list_node *node);
/* A block of the tree as it was that the new one does without. Errors: DATA_LOSS (it is none of the list's). */
enum sabir_error list_stale_block(struct list_write *w, struct seg_block *block);

#endif
