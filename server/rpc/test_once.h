/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_TEST_ONCE_H
#define SABIR_RPC_TEST_ONCE_H

/* What the tests of calls with a request id share. For *_test.c only. */
#include "server/rpc/asks.h"
#include "server/rpc/test_stream.h"

#define OPEN "/sabir.v1.SessionService/Open"
#define CLOSE "/sabir.v1.SessionService/Close"
#define PEEK "/sabir.v1.QueueService/Peek"

static struct kit kit;
static char token[SESSION_TOKEN_LEN + 1]; /* of the session that calls with an id name */

static inline int start(void)
{
	return !kit_start(&kit, (struct rpc_options){ .max_parked = 1024 });
}

static inline int stop(void)
{
	kit_stop(&kit);
	return 0;
}

static inline void say(const char *session, const char *id, const char *acknowledged_below)
{
	kit.session = session;
	kit.request_id = id;
	kit.acknowledged_below = acknowledged_below;
}

static inline void open_session(void)
{
	struct ask ask;
	struct form form = { .len = 0 };
	say(NULL, NULL, NULL);
	CU_ASSERT_EQUAL_FATAL(kit_ask(&kit, &ask, 0, OPEN, form_span(&form)), GRPC_STATUS_OK);
	struct span text = kit_field((struct span){ ask.response, ask.response_len }, 1);
	CU_ASSERT_EQUAL_FATAL(text.len, SESSION_TOKEN_LEN);
	memcpy(token, text.data, text.len);
}

/* As a client does that has all its answers; else what it got goes back. */
static inline grpc_status_code close_session(void)
{
	struct ask ask;
	struct form form = { .len = 0 };
	say(token, NULL, "18446744073709551615");
	form_bytes(&form, 1, token, SESSION_TOKEN_LEN);
	return kit_ask(&kit, &ask, 1, CLOSE, form_span(&form));
}

static inline uint64_t size_of(const char *queue)
{
	struct ask ask;
	struct form form = form_on(queue);
	say(NULL, NULL, NULL);
	CU_ASSERT_EQUAL_FATAL(kit_ask(&kit, &ask, 0, KIT_SIZE, form_span(&form)), GRPC_STATUS_OK);
	return kit_number((struct span){ ask.response, ask.response_len }, 1);
}

static inline void put(const char *queue, const char *text)
{
	struct ask ask;
	struct form form = form_put(queue, text);
	say(NULL, NULL, NULL);
	CU_ASSERT_EQUAL_FATAL(kit_ask(&kit, &ask, 0, KIT_PUT, form_span(&form)), GRPC_STATUS_OK);
}

static inline grpc_status_code put_as(const char *id, const char *queue, const char *text, struct ask *ask,
				      int connection)
{
	struct form form = form_put(queue, text);
	say(token, id, NULL);
	return kit_ask(&kit, ask, connection, KIT_PUT, form_span(&form));
}

static inline void begin_get(const char *id, const char *queue, struct ask *ask, int connection)
{
	struct form form = form_on(queue);
	say(token, id, NULL);
	ask_begin(&kit, ask, connection, KIT_GET, form_span(&form));
}

static inline grpc_status_code get_as(const char *id, const char *queue, struct ask *ask, int connection)
{
	begin_get(id, queue, ask, connection);
	return ask_finish(ask);
}

/* As at a broken connection. */
static inline void give_up(struct ask *ask)
{
	(void)grpc_call_cancel(ask->call, NULL);
	(void)ask_finish(ask);
}

static inline struct session *use(void)
{
	struct session *session;
	CU_ASSERT_FATAL(
		!session_use(kit.sessions, (struct span){ (const uint8_t *)token, SESSION_TOKEN_LEN }, &session));
	return session;
}

/* Waits until so many calls of the session run or wait: one that is parked counts twice, for itself and its operation. */
static inline void await_uses(uint32_t n)
{
	struct session *session = use();
	struct session_info info;
	uint64_t give_up_at = kit_now() + KIT_PATIENCE_MS * 1000000ull;
	do {
		session_describe(kit.sessions, session, &info);
		usleep(200);
	} while (info.n_active != n + 1 && kit_now() < give_up_at);
	CU_ASSERT_EQUAL_FATAL(info.n_active, n + 1);
	session_release(kit.sessions, session);
}

static inline uint32_t n_kept(uint64_t *bytes)
{
	struct session *session = use();
	struct asks *asks = (struct asks *)session_extra(kit.sessions, session);
	CU_ASSERT_PTR_NOT_NULL_FATAL(asks);
	pthread_mutex_lock(&asks->mutex);
	uint32_t n = asks->ids.n;
	*bytes = asks->kept_bytes;
	pthread_mutex_unlock(&asks->mutex);
	session_release(kit.sessions, session);
	return n;
}

#endif
