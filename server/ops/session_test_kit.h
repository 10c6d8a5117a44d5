/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_SESSION_TEST_KIT_H
#define SABIR_OPS_SESSION_TEST_KIT_H

/* What the tests of sessions stand on: a server's table of them, and a session that is opened in it. For session*_test.c only. */
#include "server/ops/sessions.h"
#include "server/ops/test_kit.h"

static struct sessions_options table_options;
static struct park *park;
static struct sessions *all;
static struct session_info opened;

/* As a server makes it that starts on the memory. */
static inline struct sessions *table(void)
{
	return sessions_new(&table_options, park);
}

/* A suite's setup is a function that calls this with all options but the segment; its teardown is session_kit_end. */
static inline int session_kit_begin(const struct sessions_options *options)
{
	if (ops_setup())
		return 1;
	table_options = *options;
	table_options.seg = &ops_seg;
	park = park_new(&ops_seg, NULL, NULL);
	all = park ? table() : NULL;
	return !all;
}

static inline int session_kit_end(void)
{
	sessions_free(all);
	park_free(park);
	return ops_teardown();
}

static inline struct span text(const char *s)
{
	return (struct span){ (const uint8_t *)s, strlen(s) };
}

/* Of the session's owner. */
static inline uint32_t entry(void)
{
	return (uint32_t)opened.owner - 1;
}

static inline uint32_t owner_state(uint32_t owner)
{
	return (uint32_t)(load64_relaxed(&ops_seg.owners[owner].word) & 15);
}

#endif
