/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lanes that are lent: a list of those that nobody has. The one given back last is lent first, its cache is warm.
 */
#include "server/rpc/lanes.h"

#include <stdlib.h>

#include "server/shm/arena.h"

struct lent_lane {
	struct lane lane; /* the first member */
	struct lent_lane *next;
	bool used; /* since its cache was emptied */
};

void lanes_init(struct lanes *lanes, struct segment *seg, uint32_t owner)
{
	*lanes = (struct lanes){ .seg = seg, .owner = owner };
	pthread_mutex_init(&lanes->mutex, NULL);
}

void lanes_fini(struct lanes *lanes)
{
	while (lanes->free) {
		struct lent_lane *lent = lanes->free;
		lanes->free = lent->next;
		lane_close(&lent->lane);
		free(lent);
	}
	pthread_mutex_destroy(&lanes->mutex);
}

static struct lent_lane *open_another(struct lanes *lanes)
{
	struct lent_lane *lent = calloc(1, sizeof(*lent));
	if (!lent)
		return NULL;
	if (lane_open(lanes->seg, lanes->owner, &lent->lane)) {
		free(lent);
		return NULL;
	}
	lent->lane.lock_rings = true;
	return lent;
}

struct lane *lanes_take(struct lanes *lanes)
{
	pthread_mutex_lock(&lanes->mutex);
	struct lent_lane *lent = lanes->free;
	if (lent)
		lanes->free = lent->next;
	pthread_mutex_unlock(&lanes->mutex);
	if (!lent)
		lent = open_another(lanes);
	if (!lent)
		return NULL;
	lent->lane.actor = (struct actor){ 0 };
	return &lent->lane;
}

void lanes_give(struct lanes *lanes, struct lane *lane)
{
	struct lent_lane *lent = (struct lent_lane *)lane;
	if (!lane)
		return;
	pthread_mutex_lock(&lanes->mutex);
	lent->used = true;
	lent->next = lanes->free;
	lanes->free = lent;
	pthread_mutex_unlock(&lanes->mutex);
}

void lanes_empty_caches(struct lanes *lanes)
{
	pthread_mutex_lock(&lanes->mutex);
	for (struct lent_lane *lent = lanes->free; lent; lent = lent->next) {
		if (lent->used)
			arena_empty_cache(&lent->lane);
		lent->used = false;
	}
	pthread_mutex_unlock(&lanes->mutex);
}
