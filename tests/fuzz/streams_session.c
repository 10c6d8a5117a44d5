/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of SessionService.Session: those that clients send, and the results that are written for them. */
#include "server/rpc/session_wire.h"
#include "tests/fuzz/streams.h"
#include "wire/sabir/v1/session.pb-c.h"

static bool same_calls(const struct session_call *a, const struct session_call *b)
{
	return a->tag == b->tag && a->id == b->id && a->thread == b->thread && is_same(a->method, b->method) &&
	       is_same(a->request, b->request);
}

static void add_tag(void *tags, uint64_t tag)
{
	expect(!bytes_add(tags, &tag, sizeof(tag)));
}

/* ---------------------------------------------------------------- read, written, read */

static void write_call(struct bytes *to, const struct session_call *c)
{
	struct bytes call = { 0 };
	expect(errand_put_bytes(&call, 3, c->request) && errand_put_number(&call, 5, c->id) &&
	       errand_put_bytes(&call, 2, c->method) && errand_put_number(&call, 4, c->thread) &&
	       errand_put_number(&call, 1, c->tag) && errand_put_number(&call, 6, 0));
	expect(errand_put_bytes(to, 2, all_of(&call)));
	bytes_fini(&call);
}

static void write_tag(void *to, uint64_t tag)
{
	expect(errand_put_number(to, 3, tag));
}

static void write_message(struct span message, const struct session_message *m, struct bytes *to)
{
	struct session_call c;
	expect(errand_put_number(to, 4, m->acknowledged_below));
	session_cancels(message, write_tag, to);
	for (struct span rest = message; session_call_next(&rest, &c);)
		write_call(to, &c);
	if (m->hello.data)
		expect(errand_put_bytes(to, 1, m->hello));
}

static void compare(struct span a, struct span b)
{
	struct bytes tags[2] = { { 0 }, { 0 } };
	struct session_call one, other;
	bool more;
	session_cancels(a, add_tag, &tags[0]);
	session_cancels(b, add_tag, &tags[1]);
	expect(is_same(all_of(&tags[0]), all_of(&tags[1])));
	do {
		more = session_call_next(&a, &one);
		expect(session_call_next(&b, &other) == more && (!more || same_calls(&one, &other)));
	} while (more);
	bytes_fini(&tags[0]);
	bytes_fini(&tags[1]);
}

static void check_again(struct span message, const struct session_message *m)
{
	struct session_message again;
	struct bytes copy = { 0 };
	write_message(message, m, &copy);
	struct span written = all_of(&copy);
	expect(session_message_read(written, &again));
	expect(is_same(m->hello, again.hello) && m->acknowledged_below == again.acknowledged_below);
	compare(message, written);
	bytes_fini(&copy);
}

/* ---------------------------------------------------------------- as protoc reads it */

static struct span span_of(ProtobufCBinaryData data)
{
	return (struct span){ data.data, data.len };
}

static void compare_tags(struct span message, const Sabir__V1__SessionServiceSessionRequest *other)
{
	struct bytes tags = { 0 };
	session_cancels(message, add_tag, &tags);
	expect(is_same(all_of(&tags),
		       (struct span){ (const uint8_t *)other->cancel_tags, other->n_cancel_tags * sizeof(uint64_t) }));
	bytes_fini(&tags);
}

static void compare_protoc(struct span message, const struct session_message *m, struct span token)
{
	struct span rest = message;
	struct session_call c;
	Sabir__V1__SessionServiceSessionRequest *other =
		sabir__v1__session_service_session_request__unpack(NULL, message.len, message.data);
	if (!other)
		return;
	expect(other->acknowledged_below == m->acknowledged_below && (other->hello != NULL) == (m->hello.data != NULL));
	expect(!token.data || is_same(token, span_of(other->hello->token)));
	compare_tags(message, other);
	for (size_t i = 0; i < other->n_calls; i++) {
		const Sabir__V1__SessionCall *o = other->calls[i];
		const struct session_call same = { o->tag, o->request_id, o->thread, span_of(o->method),
						   span_of(o->request) };
		expect(session_call_next(&rest, &c) && same_calls(&c, &same));
	}
	expect(!session_call_next(&rest, &c));
	sabir__v1__session_service_session_request__free_unpacked(other, NULL);
}

/* ---------------------------------------------------------------- what is answered */

static enum sabir_error outcome(const struct session_call *c)
{
	static const enum sabir_error outcomes[] = { SABIR_OK, SABIR_EMPTY, SABIR_INVALID_VALUE, SABIR_SESSION_ENDED };
	return outcomes[c->id % (sizeof(outcomes) / sizeof(outcomes[0]))];
}

/* Each call's request is its response. */
static void write_results(struct span message, struct span token, struct bytes *to)
{
	struct session_call c;
	expect(session_put_welcome(to, token, (struct span){ token.data, 0 }, 7, message.len));
	for (struct span rest = message; session_call_next(&rest, &c);) {
		const struct op *op = session_call_op(&c);
		expect(is_inside(message, c.method) && is_inside(message, c.request));
		expect(!op || is_same(c.method, (struct span){ (const uint8_t *)op_path(op), strlen(op_path(op)) }));
		expect(session_put_result(to, c.tag, outcome(&c), c.request, "why"));
	}
}

static void check_results(struct span message, struct span token)
{
	struct bytes written = { 0 };
	struct span rest = message;
	struct session_call c;
	write_results(message, token, &written);
	Sabir__V1__SessionServiceSessionResponse *r =
		sabir__v1__session_service_session_response__unpack(NULL, written.len, written.data);
	expect(r && r->welcome && is_same(span_of(r->welcome->token), token) && r->welcome->max_waiting == 7 &&
	       r->welcome->max_message_bytes == message.len);
	for (size_t i = 0; i < r->n_results; i++) {
		expect(session_call_next(&rest, &c) && r->results[i]->tag == c.tag);
		if (outcome(&c) == SABIR_OK)
			expect(is_same(span_of(r->results[i]->response), c.request) && !r->results[i]->status.len);
		else
			expect(!r->results[i]->response.len && r->results[i]->status.len);
	}
	expect(!session_call_next(&rest, &c));
	sabir__v1__session_service_session_response__free_unpacked(r, NULL);
	bytes_fini(&written);
}

void session(struct span message, bool flag)
{
	struct session_message m;
	struct span token = { NULL, 0 };
	(void)flag;
	if (!session_message_read(message, &m))
		return;
	if (m.hello.data && !session_hello_read(m.hello, &token))
		token = (struct span){ NULL, 0 };
	expect(is_inside(message, m.hello) && is_inside(message, token));
	check_again(message, &m);
	compare_protoc(message, &m, token);
	check_results(message, token);
}
