/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many sessions, each with one wait on the same event, and one set that wakes them all.
 *
 *   wake TARGET N stream|unary N_CONNECTIONS SERVER_PID
 *
 * Prints how long it took from the set until the last of them had its answer, and what memory the server took for each
 * session and for what waits; then the sums. The client is on the same machine and works for its answers, too.
 */
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SERVICE "/sabir.v1.SessionService/"
#define EVENT_SPEC 21 /* CreateRequest.event */
#define TOKEN_LEN 32
#define MAX_CONNECTIONS 256

/* A call: what gRPC asks for while it is under way. */
struct asked {
	grpc_call *call;
	grpc_metadata_array initial, trailing;
	grpc_byte_buffer *message;
	grpc_status_code status;
	grpc_slice text;
	int connection;
	int n_left; /* messages that are to be read */
	bool may_fail;
	char token[TOKEN_LEN + 1];
};

static grpc_channel *channels[MAX_CONNECTIONS];
static grpc_completion_queue *queues[MAX_CONNECTIONS];
static int n_connections;
static long n_done;
static long server_pid;
static char event_name[32]; /* no other run's */

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static long resident_kib(void)
{
	char path[64], line[128];
	long kib = 0;
	snprintf(path, sizeof(path), "/proc/%ld/status", server_pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static void fail(const char *what)
{
	fprintf(stderr, "wake: %s\n", what);
	exit(1);
}

static void connect_all(const char *target)
{
	for (int i = 0; i < n_connections; i++) {
		grpc_arg args[] = {
			{ .type = GRPC_ARG_INTEGER,
			  .key = (char *)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
			  .value.integer = 1 },
			{ .type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ENABLE_RETRIES, .value.integer = 0 },
		};
		const grpc_channel_args all = { sizeof(args) / sizeof(args[0]), args };
		grpc_channel_credentials *plain = grpc_insecure_credentials_create();
		channels[i] = grpc_channel_create(target, plain, &all);
		grpc_channel_credentials_release(plain);
		queues[i] = grpc_completion_queue_create_for_next(NULL);
	}
}

/* ---------------------------------------------------------------- messages */

/* All that is written here is shorter than 128 bytes, and all that is read from, too, but for its length. */
struct message {
	uint8_t bytes[160];
	size_t len;
};

static void add(struct message *m, unsigned field, const void *data, size_t len)
{
	unsigned tag = field << 3 | 2;
	if (tag >= 128)
		m->bytes[m->len++] = (uint8_t)(tag | 128);
	m->bytes[m->len++] = (uint8_t)(tag >= 128 ? tag >> 7 : tag);
	m->bytes[m->len++] = (uint8_t)len;
	memcpy(m->bytes + m->len, data, len);
	m->len += len;
}

static struct message on_event(void)
{
	snprintf(event_name, sizeof(event_name), "wake/%ld", (long)getpid());
	struct message ref = { .len = 0 }, m = { .len = 0 };
	add(&ref, 1, event_name, strlen(event_name));
	add(&m, 1, ref.bytes, ref.len);
	return m;
}

/* A session's first message: the hello, and one wait. */
static struct message hello_and_wait(void)
{
	static const char path[] = "/sabir.v1.EventService/Wait";
	struct message call = { .len = 2, .bytes = { 8, 1 } }, m = { .len = 0 }, wait = on_event();
	add(&m, 1, "", 0);
	add(&call, 2, path, sizeof(path) - 1);
	add(&call, 3, wait.bytes, wait.len);
	add(&m, 2, call.bytes, call.len);
	return m;
}

/* A token is the first field of what a session begins with; on a stream it is the first of the first. */
static void read_token(const uint8_t *bytes, size_t len, char *token)
{
	static const uint8_t head[] = { 1 << 3 | 2, TOKEN_LEN };
	for (size_t i = 0; i + sizeof(head) + TOKEN_LEN <= len && i < 4; i++)
		if (!memcmp(bytes + i, head, sizeof(head))) {
			memcpy(token, bytes + i + sizeof(head), TOKEN_LEN);
			return;
		}
}

/* ---------------------------------------------------------------- calls */

static void read_next(struct asked *a)
{
	grpc_op op = { .op = GRPC_OP_RECV_MESSAGE };
	op.data.recv_message.recv_message = &a->message;
	if (grpc_call_start_batch(a->call, &op, 1, a, NULL) != GRPC_CALL_OK)
		fail("a read was refused");
}

static void begin(struct asked *a, const char *path, const struct message *m, bool stream)
{
	grpc_slice bytes = grpc_slice_from_copied_buffer((const char *)m->bytes, m->len);
	grpc_byte_buffer *payload = grpc_raw_byte_buffer_create(&bytes, 1);
	grpc_metadata who = { .key = grpc_slice_from_static_string("sabir-session"),
			      .value = grpc_slice_from_static_string(a->token) };
	grpc_op ops[6] = { { .op = GRPC_OP_SEND_INITIAL_METADATA }, { .op = GRPC_OP_SEND_MESSAGE } };
	size_t n = 2;
	ops[0].data.send_initial_metadata.metadata = &who;
	ops[0].data.send_initial_metadata.count = *a->token != 0;
	ops[1].data.send_message.send_message = payload;
	grpc_metadata_array_init(&a->initial);
	grpc_metadata_array_init(&a->trailing);
	ops[n].op = GRPC_OP_RECV_INITIAL_METADATA;
	ops[n++].data.recv_initial_metadata.recv_initial_metadata = &a->initial;
	ops[n].op = GRPC_OP_RECV_MESSAGE;
	ops[n++].data.recv_message.recv_message = &a->message;
	if (!stream) {
		ops[n++].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
		ops[n].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
		ops[n].data.recv_status_on_client.trailing_metadata = &a->trailing;
		ops[n].data.recv_status_on_client.status = &a->status;
		ops[n++].data.recv_status_on_client.status_details = &a->text;
	}
	a->n_left = stream ? 2 : 1;
	a->text = grpc_empty_slice();
	a->call = grpc_channel_create_call(channels[a->connection], NULL, GRPC_PROPAGATE_DEFAULTS,
					   queues[a->connection], grpc_slice_from_static_string(path), NULL,
					   gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
	if (grpc_call_start_batch(a->call, ops, n, a, NULL) != GRPC_CALL_OK)
		fail("a call was refused");
	grpc_byte_buffer_destroy(payload);
	grpc_slice_unref(bytes);
}

static void note(struct asked *a)
{
	grpc_byte_buffer_reader reader;
	a->n_left--;
	n_done++;
	if (!a->message && a->may_fail)
		return;
	if (!a->message)
		fail("a call has failed, or a stream has ended");
	grpc_byte_buffer_reader_init(&reader, a->message);
	grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
	if (!*a->token)
		read_token(GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all), a->token);
	grpc_byte_buffer_reader_destroy(&reader);
	grpc_slice_unref(all);
	grpc_byte_buffer_destroy(a->message);
	a->message = NULL;
}

static void end_call(struct asked *a)
{
	grpc_call_unref(a->call);
	grpc_metadata_array_destroy(&a->initial);
	grpc_metadata_array_destroy(&a->trailing);
	grpc_slice_unref(a->text);
}

/* Handles what has come until n messages have come in all. */
static void await(long n, bool stream)
{
	while (n_done < n)
		for (int i = 0; i < n_connections; i++) {
			grpc_event event = grpc_completion_queue_next(queues[i], gpr_time_0(GPR_CLOCK_MONOTONIC), NULL);
			if (event.type != GRPC_OP_COMPLETE)
				continue;
			struct asked *a = event.tag;
			note(a);
			if (stream && a->n_left)
				read_next(a);
			else
				end_call(a);
			i--;
		}
}

static void call_once(const char *path, const struct message *m)
{
	struct asked a = { .connection = 0 };
	long n = n_done + 1;
	begin(&a, path, m, false);
	await(n, false);
}

static void create_event(void)
{
	struct message m = { .len = 0 };
	add(&m, 1, event_name, strlen(event_name));
	add(&m, EVENT_SPEC, "", 0);
	call_once("/sabir.v1.ManagerService/Create", &m);
}

/* Returns when the server has seen all that this connection has sent: the wait that doesn't wait comes behind the others. */
static void pass(int connection, bool stream)
{
	struct asked a = { .connection = connection, .may_fail = true };
	struct message m = on_event();
	long n = n_done + 1;
	add(&m, 2, "", 0); /* a timeout of 0 */
	begin(&a, "/sabir.v1.EventService/Wait", &m, false);
	await(n, stream);
}

static double per(long kib, long n)
{
	return (double)kib / (double)n;
}

int main(int argc, char **argv)
{
	if (argc != 6)
		fail("usage: wake TARGET N stream|unary N_CONNECTIONS SERVER_PID");
	long n = atol(argv[2]), answers;
	bool stream = !strcmp(argv[3], "stream");
	const struct message none = { .len = 0 }, wait = on_event(), both = hello_and_wait();
	struct asked *all = calloc((size_t)n, sizeof(*all));
	n_connections = atoi(argv[4]);
	server_pid = atol(argv[5]);
	if (!all || n < 1 || n_connections < 1 || n_connections > MAX_CONNECTIONS)
		fail("too many, or too few");
	grpc_init();
	connect_all(argv[1]);
	create_event();
	long before = resident_kib(), opened = before;
	n_done = 0;
	for (long i = 0; i < n; i++) {
		all[i].connection = (int)(i % n_connections);
		begin(&all[i], stream ? SERVICE "Session" : SERVICE "Open", stream ? &both : &none, stream);
	}
	await(n, stream);
	if (!stream) {
		opened = resident_kib();
		for (long i = 0; i < n; i++)
			begin(&all[i], "/sabir.v1.EventService/Wait", &wait, false);
	}
	answers = 2 * n;
	for (int i = 0; i < n_connections; i++)
		pass(i, stream);
	answers += n_connections;
	long after = resident_kib();
	if (n_done != answers - n)
		fail("some did not wait");
	uint64_t from = now_ns();
	struct asked set = { .connection = 0 };
	begin(&set, "/sabir.v1.EventService/Set", &wait, false);
	await(answers + 1, stream);
	double ms = (double)(now_ns() - from) / 1e6;
	printf("%ld sessions on %d connections, %s: one set woke all in %.1f ms; ", n, n_connections, argv[3], ms);
	if (stream)
		printf("%.1f KiB for each session with its stream and what waits\n", per(after - before, n));
	else
		printf("%.1f KiB for each session, %.1f KiB for each call that waits\n", per(opened - before, n),
		       per(after - opened, n));
	printf("1 passed, 0 failed\n");
	free(all);
	return 0;
}
