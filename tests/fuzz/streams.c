/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a remote program sends beside the requests of the operation table (`requests`): frames of a session's stream,
 * messages of producers, consumers and watchers, the metadata that say who calls, questions of reflection and health.
 * The first byte says which, the others are the message, in memory that ends where it ends.
 *
 * What is read lies inside of the message, is the same when it is written again and read again, and is what protoc's
 * code reads, where that reads it too: it looks into messages that are somebody else's to check here, and at strings as
 * bytes.
 */
#include "tests/fuzz/streams.h"

#include <stdio.h>

#include "server/ops/test_kit.h"
#include "server/rpc/consume_wire.h"
#include "server/rpc/health_wire.h"
#include "server/rpc/identity_wire.h"
#include "server/rpc/produce_wire.h"
#include "server/rpc/reflection_wire.h"
#include "server/rpc/schema.h"
#include "server/rpc/watch_wire.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/seeds.h"
#include "wire/sabir/v1/watch.pb-c.h"
#include "wire/server/rpc/health.pb-c.h"
#include "wire/server/rpc/reflection.pb-c.h"

#define HANDLE 300u /* of a queue */

/* The next field of that number, whatever is around it; data NULL: there is none. */
static struct span field_after(struct span *rest, uint32_t number)
{
	const uint8_t *at = rest->data, *end = at + rest->len;
	struct wire_field f;
	struct span found = { NULL, 0 };
	while (!found.data && at < end && wire_next(&at, end, &f))
		if (f.number == number)
			found = f.bytes;
	*rest = (struct span){ at, found.data ? (size_t)(end - at) : 0 };
	return found;
}

/* ---------------------------------------------------------------- Produce */

/* A request has what comes next of the message's items and ids, and so many items. */
static uint32_t check_put(struct span request, struct span *items, struct span *ids)
{
	const uint8_t *at = request.data, *end = at + request.len;
	struct wire_field f;
	uint32_t n = 0;
	while (at < end) {
		expect(wire_next(&at, end, &f));
		if (f.number == 1)
			expect(errand_number(f.bytes, 2) == HANDLE);
		else if (f.number == 2)
			expect(is_same(f.bytes, field_after(items, 2)) && ++n);
		else if (f.number == 7)
			expect(is_same(f.bytes, field_after(ids, 7)));
		else
			expect(f.number >= 4 && f.number <= 6);
	}
	return n;
}

static void check_puts(struct produce_message *m, struct span message)
{
	struct bytes request = { 0 };
	struct span items = message, ids = message;
	uint32_t n, most = (uint32_t)message.len % 5 + 1;
	while (m->n_items) {
		bytes_truncate(&request, 0);
		expect(produce_put_next(m, HANDLE, most, &request, &n));
		expect(n > 0 && n <= most && n <= m->n_items && (!m->n_ids || n == 1));
		expect(check_put(all_of(&request), &items, &ids) == n);
		produce_accept(m, n);
	}
	expect(!field_after(&items, 2).data && !field_after(&ids, 7).data);
	bytes_fini(&request);
}

static void produce(struct span message, bool first)
{
	struct produce_message m = { .n_items = 0 };
	struct bytes open = { 0 };
	if (!produce_read(&m, message, first)) {
		Sabir__V1__QueueServiceProduceRequest *other =
			sabir__v1__queue_service_produce_request__unpack(NULL, message.len, message.data);
		expect(is_inside(message, m.queue) && first == (m.queue.data != NULL));
		expect(!other || (other->n_items == m.n_items && other->n_dedup_ids == m.n_ids &&
				  (other->queue != NULL) == first));
		if (other)
			sabir__v1__queue_service_produce_request__free_unpacked(other, NULL);
		expect(produce_put_open(&m, &open));
		struct span rest = all_of(&open);
		expect(is_same(field_after(&rest, 1), m.queue) && !rest.len);
		check_puts(&m, message);
	}
	bytes_fini(&open);
	produce_message_fini(&m);
}

/* ---------------------------------------------------------------- Consume */

static void write_tokens(struct bytes *to, uint32_t field, const uint64_t *tokens, uint32_t from, uint32_t end)
{
	struct bytes packed = { 0 };
	uint8_t number[WIRE_MAX_VARINT];
	for (uint32_t i = from; i < end; i++)
		expect(!bytes_add(&packed, number, (size_t)(wire_put_varint(number, tokens[i]) - number)));
	if (from < end)
		expect(errand_put_bytes(to, field, all_of(&packed)));
	bytes_fini(&packed);
}

static void write_span(struct bytes *to, uint32_t field, struct span value)
{
	if (value.data)
		expect(errand_put_bytes(to, field, value));
}

static void write_consume(const struct consume_message *m, struct bytes *to)
{
	write_tokens(to, CONSUME_NACK_TOKENS, m->tokens, m->n_acks, m->n_tokens);
	write_tokens(to, CONSUME_ACK_TOKENS, m->tokens, 0, m->n_acks);
	write_span(to, CONSUME_QUEUE, m->queue);
	write_span(to, CONSUME_LEASE, m->lease);
	write_span(to, CONSUME_NACK_DELAY, m->delay);
	if (m->opens)
		expect(errand_put_number(to, CONSUME_MAX_OUTSTANDING, m->max_outstanding) &&
		       errand_put_number(to, CONSUME_MAX_ITEMS, m->max_items));
	if (m->acknowledges)
		expect(errand_put_number(to, CONSUME_ACKNOWLEDGED, m->acknowledged));
}

/* Those from `from` on. */
static bool has_tokens(const struct consume_message *m, uint32_t from, const uint64_t *tokens, size_t n)
{
	bool same = n <= m->n_tokens - from;
	for (size_t i = 0; same && i < n; i++)
		same = m->tokens[from + i] == tokens[i];
	return same;
}

static void compare_consume(const struct consume_message *m, struct span message)
{
	Sabir__V1__QueueServiceConsumeRequest *other =
		sabir__v1__queue_service_consume_request__unpack(NULL, message.len, message.data);
	if (!other)
		return;
	expect(other->max_outstanding == (uint32_t)m->max_outstanding && other->max_items == (uint32_t)m->max_items);
	expect(other->acknowledged == m->acknowledged && (other->queue != NULL) == (m->queue.data != NULL));
	expect(other->n_ack_tokens == m->n_acks && other->n_nack_tokens == m->n_tokens - m->n_acks);
	expect(has_tokens(m, 0, other->ack_tokens, other->n_ack_tokens));
	expect(has_tokens(m, m->n_acks, other->nack_tokens, other->n_nack_tokens));
	sabir__v1__queue_service_consume_request__free_unpacked(other, NULL);
}

static void consume(struct span message, bool flag)
{
	struct consume_message m = { .opens = false }, again = { .opens = false };
	struct bytes copy = { 0 };
	(void)flag;
	if (!consume_read(&m, message)) {
		expect(is_inside(message, m.queue) && is_inside(message, m.lease) && is_inside(message, m.delay));
		expect(m.n_acks <= m.n_tokens && m.n_tokens <= CONSUME_MAX);
		compare_consume(&m, message);
		write_consume(&m, &copy);
		/* What was read before is dropped. */
		expect(!consume_read(&again, message) && !consume_read(&again, all_of(&copy)));
		expect(is_same(m.queue, again.queue) && is_same(m.lease, again.lease) && is_same(m.delay, again.delay));
		expect(m.opens == again.opens && m.max_outstanding == again.max_outstanding &&
		       m.max_items == again.max_items);
		expect(m.acknowledges == again.acknowledges && m.acknowledged == again.acknowledged);
		expect(m.n_acks == again.n_acks && m.n_tokens == again.n_tokens &&
		       has_tokens(&m, 0, again.tokens, again.n_tokens));
	}
	bytes_fini(&copy);
	consume_message_fini(&m);
	consume_message_fini(&again);
}

/* ---------------------------------------------------------------- Watch */

static void watch(struct span message, bool flag)
{
	struct watch_message m = { .after = 0 }, again = { .after = 0 };
	struct bytes request = { 0 };
	(void)flag;
	if (watch_read(&m, message)) {
		Sabir__V1__WatchServiceWatchRequest *other =
			sabir__v1__watch_service_watch_request__unpack(NULL, message.len, message.data);
		expect(!other || other->after_sequence == m.after);
		if (other)
			sabir__v1__watch_service_watch_request__free_unpacked(other, NULL);
		expect(watch_put_next(&m, &request));
		expect(watch_read(&again, all_of(&request)));
		expect(again.after == m.after && is_same(all_of(&again.fixed), all_of(&m.fixed)));
	}
	watch_message_fini(&m);
	watch_message_fini(&again);
	bytes_fini(&request);
}

/* ---------------------------------------------------------------- metadata */

/* As printf and strcmp see it. */
static void check_number(struct span text, bool is_number, uint64_t number)
{
	char printed[24];
	size_t n_digits = 0;
	while (n_digits < text.len && text.data[n_digits] >= '0' && text.data[n_digits] <= '9')
		n_digits++;
	bool digits = text.len && n_digits == text.len;
	for (; text.len > 1 && text.data[0] == '0'; text.data++)
		text.len--;
	if (is_number) {
		size_t len = (size_t)snprintf(printed, sizeof(printed), "%llu", (unsigned long long)number);
		expect(digits && is_same(text, (struct span){ (const uint8_t *)printed, len }));
	} else {
		expect(!digits || text.len > 20 ||
		       (text.len == 20 && memcmp(text.data, "18446744073709551615", 20) > 0));
	}
}

/* Pairs: field 1 is a key, field 2 the value of the one before it. */
static void metadata(struct span message, bool flag)
{
	struct identity_words words = { 0 };
	struct span rest = message;
	(void)flag;
	while (rest.len) {
		struct span key = field_after(&rest, 1), value = field_after(&rest, 2);
		if (key.data && value.data && !identity_note(&words, key, value))
			return;
	}
	for (int i = 0; i < IDENTITY_KEYS; i++) {
		uint64_t number;
		bool fine = identity_number(&words, (enum identity_key)i, &number);
		expect(is_inside(message, words.of[i]));
		if (words.of[i].data)
			check_number(words.of[i], fine, number);
		else
			expect(fine && !number);
	}
}

/* ---------------------------------------------------------------- reflection, health */

static void reflection(struct span message, bool flag)
{
	struct bytes response = { 0 };
	struct span rest;
	(void)flag;
	if (reflection_answer(message, &response)) {
		const uint8_t *at = response.data, *end = at + response.len;
		unsigned n_answers = 0;
		struct wire_field f;
		while (at < end) {
			expect(wire_next(&at, end, &f));
			n_answers += f.number >= 4 && f.number <= 7;
		}
		rest = all_of(&response);
		expect(n_answers == 1 && is_same(field_after(&rest, 2), message));
	}
	bytes_fini(&response);
}

static void health(struct span message, bool flag)
{
	struct span service;
	(void)flag;
	if (!health_read(message, &service))
		return;
	Grpc__Health__V1__HealthCheckRequest *other = grpc__health__v1__health_check_request__unpack(NULL, message.len,
												     message.data);
	expect(is_inside(message, service));
	(void)schema_has_service(service);
	if (other)
		grpc__health__v1__health_check_request__free_unpacked(other, NULL);
}

/* ---------------------------------------------------------------- inputs */

static void (*const parts[])(struct span message, bool flag) = { session,  produce,    consume, watch,
								 metadata, reflection, health };
#define N_PARTS (sizeof(parts) / sizeof(parts[0]))
#define FLAG 0x80u /* of a producer: the first message */

static const struct {
	uint8_t part;
	const ProtobufCMessageDescriptor *form;
	const char *text;
} seeds[] = {
#define SESSION 0, &sabir__v1__session_service_session_request__descriptor
	{ SESSION, "hello={label='me' lease_duration={seconds=30}}" },
	{ SESSION, "hello={token='0123456789abcdef0123456789abcdef'} acknowledged_below=7" },
	{ SESSION, "calls={tag=1 method='/sabir.v1.QueueService/Put' request='abc' thread=2 request_id=3}" },
	{ SESSION, "calls={tag=18446744073709551615 thread=18446744073709551614 request_id=18446744073709551613} "
		   "acknowledged_below=18446744073709551612" },
	{ SESSION, "calls={tag=300 method='/sabir.v1.QueueService/Get'} calls={method='/sabir.v1.No/No'} "
		   "cancel_tags=1 cancel_tags=18446744073709551615" },
#define PRODUCE 1, &sabir__v1__queue_service_produce_request__descriptor
	{ FLAG | PRODUCE, "queue={name='q'} items=$1 items=$'two' priority=-1 delay={seconds=1} ttl={nanos=5}" },
	{ FLAG | PRODUCE, "queue={handle=300}" },
	{ PRODUCE, "items=$1 items=$2 items=$3 items=$4 items=$5 items=$6 items=$7 items=$8 items=$9" },
	{ PRODUCE, "items=$1 dedup_ids='a' items=$2 dedup_ids='b' priority=3" },
#define CONSUME 2, &sabir__v1__queue_service_consume_request__descriptor
	{ CONSUME, "queue={name='q'} max_outstanding=100 max_items=10 lease_duration={seconds=5}" },
	{ CONSUME, "acknowledged=128" },
	{ CONSUME, "max_outstanding=4294967295 max_items=4294967295 acknowledged=18446744073709551615" },
	{ CONSUME, "ack_tokens=1 ack_tokens=300 nack_tokens=2 ack_tokens=3 nack_delay={seconds=1}" },
#define WATCH 3, &sabir__v1__watch_service_watch_request__descriptor
	{ WATCH,
	  "object={name='d'} after_sequence=18446744073709551615 max_changes=9 include_values=true keys=$'k' keys=$2" },
	{ WATCH, "object={handle=300} key_prefix='p'" },
#define QUESTION 5, &grpc__reflection__v1__server_reflection_request__descriptor
	{ QUESTION, "host='h' file_by_filename='sabir/v1/queue.proto'" },
	{ QUESTION, "file_containing_symbol='sabir.v1.QueueService.Put'" },
	{ QUESTION, "file_containing_extension={containing_type='google.protobuf.FieldOptions' extension_number=1}" },
	{ QUESTION, "all_extension_numbers_of_type='sabir.v1.Value'" },
	{ QUESTION, "list_services=''" },
#define CHECK 6, &grpc__health__v1__health_check_request__descriptor
	{ CHECK, "service='sabir.v1.QueueService'" },
	{ CHECK, "" },
};
#define N_SEEDS (sizeof(seeds) / sizeof(seeds[0]))

/* Metadata have no form of protoc's. Numbers are those at which they become too large. */
static void write_metadata_seed(const char *folder, size_t number)
{
	static const char *const values[][IDENTITY_KEYS] = {
		{ "0123456789abcdef0123456789abcdef", "1", "18446744073709551615", "007" },
		{ "", "18446744073709551616", "18446744073709551620", "99999999999999999999" },
	};
	struct bytes to = { 0 };
	expect(!bytes_add(&to, "\4", 1));
	for (int i = 0; i < IDENTITY_KEYS; i++) {
		const char *name = identity_key_name((enum identity_key)i), *value = values[number][i];
		expect(errand_put_bytes(&to, 1, (struct span){ (const uint8_t *)name, strlen(name) }) &&
		       errand_put_bytes(&to, 2, (struct span){ (const uint8_t *)value, strlen(value) }));
	}
	seed_write(folder, "metadata", number, all_of(&to));
	bytes_fini(&to);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *folder = getenv("SEEDS");
	uint8_t seed[1024];
	(void)argc, (void)argv;
	if (!folder)
		return 0;
	for (size_t i = 0; i < N_SEEDS; i++) {
		const char *text = seeds[i].text;
		seed[0] = seeds[i].part;
		size_t len = ops_encode(seeds[i].form, &text, seed + 1);
		seed_write(folder, "message", i, (struct span){ seed, 1 + len });
	}
	write_metadata_seed(folder, 0);
	write_metadata_seed(folder, 1);
	exit(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	uint8_t *message = malloc(size - 1);
	memcpy(message, data + 1, size - 1);
	parts[(data[0] & ~FLAG) % N_PARTS]((struct span){ message, size - 1 }, data[0] & FLAG);
	free(message);
	return 0;
}
