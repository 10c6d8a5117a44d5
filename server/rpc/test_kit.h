/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_TEST_KIT_H
#define SABIR_RPC_TEST_KIT_H

/*
 * What the tests of this folder share: a server as the process of sabird has it (segment, park and a thread that
 * answers the doorbell), and a client on the C core. For *_test.c only.
 */
#include <CUnit/Basic.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/compression.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/base/wire.h"
#include "server/objects/object.h"
#include "server/objects/queue.h"
#include "server/ops/park.h"
#include "server/ops/sessions.h"
#include "server/rpc/rpc.h"
#include "server/shm/test_kit.h"

#define KIT_N_CONNECTIONS 2
#define KIT_PATIENCE_MS 20000 /* for what must happen; never waited for to the end by a test that passes */

struct kit {
	struct segment seg;
	uint32_t owner;
	struct lane lane; /* the test's own, as a local program has it */
	struct park *park;
	struct sessions *sessions;
	const char *session; /* that calls name in their metadata, or NULL */
	const char *thread;
	const char *request_id;
	const char *acknowledged_below;
	struct rpc *rpc;
	char folder[64];
	char socket[96]; /* "unix:/…" */
	pthread_t loop;
	int wake_fd;
	uint32_t ending;
	grpc_channel *channel[KIT_N_CONNECTIONS]; /* 0: unix socket, 1: TCP */
	grpc_completion_queue *queue;
};

static inline uint64_t kit_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void kit_wake(void *context)
{
	struct kit *kit = context;
	(void)!write(kit->wake_fd, &(uint64_t){ 1 }, 8);
}

/* The part of sabird's main loop that matters here. */
static inline void *kit_loop(void *context)
{
	struct kit *kit = context;
	struct lane lane = kit_lane(&kit->seg);
	lane.lock_rings = true;
	lane.actor = (struct actor){ 0 };
	while (!load32_acquire(&kit->ending)) {
		uint64_t now = kit_now(), next = park_next_deadline(kit->park), value;
		uint64_t lease = sessions_next(kit->sessions);
		next = lease < next ? lease : next;
		int timeout = next == OP_FOREVER ? -1 : next <= now ? 0 : (int)((next - now) / 1000000) + 1;
		struct pollfd fds[] = { { kit->seg.bell_fd, POLLIN, 0 }, { kit->wake_fd, POLLIN, 0 } };
		(void)poll(fds, 2, timeout);
		if (fds[1].revents)
			(void)!read(kit->wake_fd, &value, 8);
		park_ring(kit->park, &lane);
		park_expire(kit->park, kit_now());
		sessions_expire(kit->sessions, &lane, kit_now());
	}
	kit_lane_close(&lane);
	return NULL;
}

static inline grpc_channel *kit_connect_with(const char *address, grpc_compression_algorithm compression)
{
	grpc_arg args[] = {
		{ .type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, .value.integer = 1 },
		{ .type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ENABLE_RETRIES, .value.integer = 0 },
		{ .type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, .value.integer = -1 },
		/* So that the windows stay what they are: 64 KiB go out to a client that does not read. */
		{ .type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_HTTP2_BDP_PROBE, .value.integer = 0 },
		{ .type = GRPC_ARG_INTEGER,
		  .key = (char *)GRPC_COMPRESSION_CHANNEL_DEFAULT_ALGORITHM,
		  .value.integer = compression },
	};
	grpc_channel_args all = { sizeof(args) / sizeof(args[0]), args };
	grpc_channel_credentials *plain = grpc_insecure_credentials_create();
	grpc_channel *channel = grpc_channel_create(address, plain, &all);
	grpc_channel_credentials_release(plain);
	return channel;
}

static inline grpc_channel *kit_connect(const char *address)
{
	return kit_connect_with(address, GRPC_COMPRESS_NONE);
}

static inline grpc_channel *kit_connect_compressing(const char *address)
{
	return kit_connect_with(address, GRPC_COMPRESS_GZIP);
}

/* A server on the memory. */
static inline bool kit_begin(struct kit *kit, struct rpc_options options)
{
	kit->park = park_new(&kit->seg, kit_wake, kit);
	kit->sessions = sessions_new(&(struct sessions_options){ .seg = &kit->seg, .sooner = kit_wake, .context = kit },
				     kit->park);
	const char *addresses[] = { kit->socket, "127.0.0.1:0" };
	options.addresses = addresses;
	options.n_addresses = 2;
	options.seg = &kit->seg;
	options.park = kit->park;
	options.sessions = kit->sessions;
	if (owner_open(&kit->seg, (uint32_t)getpid(), "server", &kit->owner))
		return false;
	options.owner = kit->owner;
	if (rpc_start(&options, &kit->rpc))
		return false;
	rpc_set_serving(kit->rpc, true);
	pthread_create(&kit->loop, NULL, kit_loop, kit);
	char tcp[32];
	snprintf(tcp, sizeof(tcp), "127.0.0.1:%d", rpc_port(kit->rpc, 1));
	grpc_init();
	kit->channel[0] = kit_connect(kit->socket);
	kit->channel[1] = kit_connect(tcp);
	kit->queue = grpc_completion_queue_create_for_pluck(NULL);
	return true;
}

/* Makes the memory and starts a server; fields of `options` that are 0 are filled in. False: a test can't go on. */
static inline bool kit_start(struct kit *kit, struct rpc_options options)
{
	memset(kit, 0, sizeof(*kit));
	strcpy(kit->folder, "/tmp/sabir-rpc-XXXXXX");
	if (!mkdtemp(kit->folder) || kit_segment(64 << 20, &kit->seg))
		return false;
	snprintf(kit->socket, sizeof(kit->socket), "unix:%s/s", kit->folder);
	kit->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	kit->lane = kit_lane(&kit->seg);
	return !object_init_directory(&kit->lane) && kit_begin(kit, options);
}

static inline void kit_stop_server(struct kit *kit, uint64_t patience_ms)
{
	rpc_drain(kit->rpc);
	park_drain(kit->park, SABIR_UNAVAILABLE);
	rpc_stop(kit->rpc, kit_now() + patience_ms * 1000000);
}

/* Ends the server; the memory stays. */
static inline void kit_end(struct kit *kit)
{
	for (int i = 0; i < KIT_N_CONNECTIONS; i++)
		grpc_channel_destroy(kit->channel[i]);
	grpc_completion_queue_shutdown(kit->queue);
	grpc_completion_queue_destroy(kit->queue);
	kit_stop_server(kit, KIT_PATIENCE_MS);
	rpc_free(kit->rpc);
	store32_release(&kit->ending, 1);
	kit_wake(kit);
	pthread_join(kit->loop, NULL);
	sessions_free(kit->sessions);
	park_free(kit->park);
	owner_close(&kit->seg, kit->owner);
	store32_release(&kit->ending, 0);
	grpc_shutdown();
}

static inline void kit_stop(struct kit *kit)
{
	kit_end(kit);
	kit_lane_close(&kit->lane);
	segment_unmap(&kit->seg);
	close(kit->wake_fd);
	(void)rmdir(kit->folder);
}

#endif
