/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storm: local and remote processes use objects of most kinds, are killed or stopped at random, and a ledger outside of
 * Sabir is compared with what is left.
 *
 *   storm LOCAL_URL REMOTE_URL [SECONDS [SEED [kills or pauses]]]
 *
 * With `pauses` nobody is killed: they are stopped for longer, and then all must be exactly right. Closes with a line
 * "N passed, N failed".
 */
#include "tests/storm/storm.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/kit/child.h"

static const struct cast {
	role *role;
	const char *name;
	bool local;
	uint32_t producer;
} cast[] = {
	{ produce_plain, "produce", true, 0 },
	{ produce_plain, "produce", true, 1 },
	{ produce_plain, "produce", false, 2 },
	{ consume_plain, "consume", true, 0 },
	{ consume_plain, "consume", true, 0 },
	{ produce_remote, "produce", true, 0 },
	{ produce_remote, "produce", false, 1 },
	{ consume_remote, "consume", false, 0 },
	{ consume_remote, "consume", true, 0 },
	{ produce_tasks, "produce tasks", true, 0 },
	{ produce_tasks, "produce tasks", false, 1 },
	{ work_tasks, "work", true, 0 },
	{ work_tasks, "work", false, 0 },
	{ work_tasks, "work", true, 0 },
	{ append, "append", true, 0 },
	{ append, "append", false, 1 },
	{ pop, "pop", true, 0 },
	{ pop, "pop", false, 0 },
	{ hold_lock, "lock", true, 0 },
	{ hold_lock, "lock", false, 0 },
	{ hold_lock, "lock", true, 0 },
	{ hold_lock, "lock", false, 0 },
	{ hold_semaphore, "semaphore", true, 0 },
	{ hold_semaphore, "semaphore", false, 0 },
	{ hold_semaphore, "semaphore", true, 0 },
	{ hold_semaphore, "semaphore", true, 0 },
	{ count, "count", true, 0 },
	{ count, "count", false, 0 },
	{ count, "count", true, 0 },
	{ notify, "notify", true, 0 },
	{ notify, "wait", true, 0 },
	{ notify, "notify", false, 0 },
	{ notify, "wait", false, 0 },
	{ meet, "meet", true, 0 },
	{ meet, "meet", true, 0 },
	{ meet, "meet", false, 0 },
	{ signal_event, "set", true, 0 },
	{ signal_event, "wait", true, 0 },
	{ signal_event, "set", false, 0 },
	{ signal_event, "wait", false, 0 },
	{ send_pipe, "send", true, 0 },
	{ receive_pipe, "receive", true, 0 },
	{ send_pipe, "send", true, 1 },
	{ receive_pipe, "receive", false, 1 },
	{ send_pipe, "send", false, 2 },
	{ receive_pipe, "receive", true, 2 },
	{ hold_anonymous, "anonymous", true, 0 },
	{ hold_anonymous, "anonymous", false, 0 },
};
#define N_SLOTS (sizeof(cast) / sizeof(cast[0]))
_Static_assert(N_SLOTS <= N_SLOTS_MAX, "a slot for each");

#define STANDSTILL_NS (2 * SABIR_SECOND)

static const char *urls[2];
static struct ledger *ledger;
static pid_t pids[N_SLOTS];
static uint64_t begin_ns, n_kills, n_stops, still_ns;
static struct me driver = { .random = 1 };

/* ---------------------------------------------------------------- for the roles */

uint64_t storm_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SABIR_SECOND + (uint64_t)now.tv_nsec;
}

void storm_wrong(struct ledger *l, const char *format, ...)
{
	char text[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (__atomic_fetch_add(&l->n_wrong, 1, __ATOMIC_SEQ_CST) < 100)
		fprintf(stderr, "storm: at %.3f s: %s\n", (double)(storm_now() - begin_ns) / 1e9, text);
}

uint32_t storm_random(struct me *me, uint32_t below)
{
	me->random = me->random * 1664525u + 1013904223u;
	return below ? (uint32_t)((uint64_t)(me->random >> 4) * below >> 28) : 0;
}

void storm_begin(struct me *me, const char *op, uint64_t timeout_ns)
{
	snprintf(me->slot->op, sizeof(me->slot->op), "%s", op);
	__atomic_store_n(&me->slot->allowed_ns, timeout_ns + BOUND_NS, __ATOMIC_SEQ_CST);
	__atomic_store_n(&me->slot->since_ns, storm_now(), __ATOMIC_SEQ_CST);
}

void storm_end(struct me *me)
{
	__atomic_store_n(&me->slot->since_ns, 0, __ATOMIC_SEQ_CST);
	me->slot->n_done++;
}

bool storm_stood_still(const struct ledger *l)
{
	uint64_t now = storm_now();
	return now - __atomic_load_n(&l->beat_ns, __ATOMIC_SEQ_CST) > STANDSTILL_NS ||
	       now - __atomic_load_n(&l->stood_still_ns, __ATOMIC_SEQ_CST) < 2 * LEASE_NS;
}

bool storm_fine(struct me *me, const char *op, enum sabir_error error, enum sabir_error also)
{
	if (!error || error == also)
		return true;
	if (error == SABIR_SESSION_ENDED && !me->local && storm_stood_still(me->ledger)) {
		/* Another one takes his place. */
		__atomic_store_n(&me->slot->dying, 1, __ATOMIC_SEQ_CST);
		_exit(0);
	}
	storm_wrong(me->ledger, "slot %u (%s, %s): %s: %s %s", me->index, cast[me->index].name,
		    me->local ? "local" : "remote", op, sabir_error_name(error), sabir_detail());
	usleep(10000);
	return false;
}

bool storm_is_over(const struct me *me)
{
	return __atomic_load_n(&me->ledger->stop, __ATOMIC_SEQ_CST);
}

void storm_need(struct me *me, const char *what, enum sabir_error error)
{
	if (!error)
		return;
	storm_wrong(me->ledger, "%s: %s %s", what, sabir_error_name(error), sabir_detail());
	_exit(2);
}

uint64_t storm_me(const struct me *me)
{
	return (uint64_t)me->slot->life << 32 | (me->index + 1);
}

bool storm_lives(const struct ledger *l, uint64_t who)
{
	const struct slot *slot = &l->slots[(uint32_t)who - 1];
	return __atomic_load_n(&slot->life, __ATOMIC_SEQ_CST) == who >> 32 &&
	       !__atomic_load_n(&slot->dying, __ATOMIC_SEQ_CST);
}

bool storm_got(struct me *me, enum account account, const void *data, size_t len, uint32_t order[N_PRODUCERS])
{
	struct item item = { 0 };
	if (len >= sizeof(item))
		memcpy(&item, data, sizeof(item));
	if (item.magic != ITEM_MAGIC || item.producer >= N_PRODUCERS || item.number >= N_NUMBERS) {
		storm_wrong(me->ledger, "what was got from %d is no item", account);
		return false;
	}
	/* What somebody had who died comes back in its place, which may be behind others that have gone. */
	bool in_order = account == LIST || (account == PLAIN && me->ledger->pauses);
	if (order && in_order && item.number < order[item.producer])
		storm_wrong(me->ledger, "item %u of %u of %d came behind %u", item.number, item.producer, account,
			    order[item.producer]);
	if (order)
		order[item.producer] = item.number;
	if (__atomic_fetch_add(&me->ledger->got[account][item.producer][item.number], 1, __ATOMIC_SEQ_CST))
		storm_wrong(me->ledger, "item %u of %u of %d came twice", item.number, item.producer, account);
	return true;
}

/* ---------------------------------------------------------------- processes */

static void play(uint32_t i, uint32_t seed)
{
	struct me me = { .ledger = ledger, .slot = &ledger->slots[i], .index = i, .local = cast[i].local };
	me.random = seed;
	storm_begin(&me, "connect", 0);
	enum sabir_error error = sabir_connect(urls[!me.local], NULL, &me.conn);
	if (!error && !me.local)
		error = sabir_session_open(me.conn, ledger->pauses ? 60 * SABIR_SECOND : LEASE_NS);
	storm_end(&me);
	storm_need(&me, "connect", error);
	cast[i].role(&me);
	sabir_close(me.conn);
	_exit(0);
}

static void start(uint32_t i)
{
	struct slot *slot = &ledger->slots[i];
	slot->producer = cast[i].producer;
	slot->in_get = 0;
	slot->since_ns = 0;
	slot->stopped = 0;
	uint32_t seed = storm_random(&driver, UINT32_MAX);
	__atomic_store_n(&slot->life, slot->life + 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&slot->dying, 0, __ATOMIC_SEQ_CST);
	pids[i] = child_fork();
	if (pids[i] == 0)
		play(i, seed);
}

/* The account in which the getter of a slot may have left something unsaid. */
static bool account_of(uint32_t i, enum account *account)
{
	*account = cast[i].role == consume_plain    ? PLAIN
		   : cast[i].role == consume_remote ? REMOTE
		   : cast[i].role == pop            ? LIST
						    : N_ACCOUNTS;
	return *account != N_ACCOUNTS;
}

/* What he had in his hands may be counted or not; a pop, and what was on its way to a remote getter, is in nobody's buffer. */
static void note_unsaid(uint32_t i)
{
	struct slot *slot = &ledger->slots[i];
	struct item item;
	enum account account;
	if (!account_of(i, &account) || !slot->in_get)
		return;
	if (account == LIST || !cast[i].local) {
		ledger->unsaid[account]++;
		return;
	}
	for (size_t at = 0; at + sizeof(item) <= BUFFER_SIZE; at++) {
		memcpy(&item, slot->buffer + at, sizeof(item));
		if (item.magic == ITEM_MAGIC && item.producer < N_PRODUCERS && item.number < N_NUMBERS)
			ledger->maybe[account][item.producer][item.number] = 1;
	}
}

/* What these hold when they are killed is nobody's until the leases of their sessions end: that should not be all the time. */
static bool is_spared(uint32_t i)
{
	role *r = cast[i].role;
	bool holds = r == hold_lock || r == hold_semaphore || r == notify;
	return holds && !cast[i].local && storm_random(&driver, 30) != 0;
}

/* Another one follows when he is gone. */
static void kill_slot(uint32_t i)
{
	__atomic_store_n(&ledger->slots[i].dying, 1, __ATOMIC_SEQ_CST);
	kill(pids[i], SIGKILL);
	n_kills++;
}

/* ---------------------------------------------------------------- the weather */

static uint64_t stopped_until[N_SLOTS];

static void stop_slot(uint32_t i)
{
	uint32_t most = ledger->pauses ? 3000 : 800;
	stopped_until[i] = storm_now() + (50 + storm_random(&driver, most)) * SABIR_MILLISECOND;
	ledger->slots[i].stopped = 1;
	kill(pids[i], SIGSTOP);
	n_stops++;
}

static void go_on(uint64_t now)
{
	for (uint32_t i = 0; i < N_SLOTS; i++) {
		if (stopped_until[i] && stopped_until[i] <= now) {
			kill(pids[i], SIGCONT);
			stopped_until[i] = 0;
			ledger->slots[i].stopped = 0;
		}
	}
}

/* Nobody waits longer than the bound; who is stopped does not wait. */
static void look_for_waiters(uint64_t now)
{
	for (uint32_t i = 0; i < N_SLOTS; i++) {
		struct slot *slot = &ledger->slots[i];
		uint64_t since = __atomic_load_n(&slot->since_ns, __ATOMIC_SEQ_CST);
		if (!since || slot->stopped || slot->dying || now < since || now - since < slot->allowed_ns)
			continue;
		storm_wrong(ledger, "slot %u (%s, %s, pid %d) waits for %s since %.1f s", i, cast[i].name,
			    cast[i].local ? "local" : "remote", (int)pids[i], slot->op, (double)(now - since) / 1e9);
		slot->since_ns = now;
	}
}

/* Who was killed is followed by another; nobody else ends. */
static void look_for_ends(void)
{
	for (uint32_t i = 0; i < N_SLOTS; i++) {
		int status;
		if (waitpid(pids[i], &status, WNOHANG) != pids[i])
			continue;
		if (!ledger->slots[i].dying)
			storm_wrong(ledger, "slot %u (%s) ended by itself: status %x", i, cast[i].name,
				    (unsigned)status);
		ledger->slots[i].dying = 1;
		note_unsaid(i);
		start(i);
	}
}

static void beat(uint64_t now, uint64_t since)
{
	if (since > STANDSTILL_NS) {
		ledger->stood_still_ns = now;
		still_ns += since;
		for (uint32_t i = 0; i < N_SLOTS; i++)
			if (__atomic_load_n(&ledger->slots[i].since_ns, __ATOMIC_SEQ_CST))
				ledger->slots[i].since_ns = now;
	}
	__atomic_store_n(&ledger->beat_ns, now, __ATOMIC_SEQ_CST);
}

static void blow(unsigned seconds)
{
	uint64_t end = storm_now() + seconds * SABIR_SECOND, before = storm_now();
	for (uint64_t now; (now = storm_now()) < end; before = now) {
		beat(now, now - before);
		uint32_t i = storm_random(&driver, N_SLOTS);
		usleep(2000 + storm_random(&driver, 30000));
		go_on(now);
		look_for_ends();
		look_for_waiters(now);
		if (stopped_until[i] || ledger->slots[i].dying)
			continue;
		if (ledger->pauses || storm_random(&driver, 8) == 0)
			stop_slot(i);
		else if (!is_spared(i))
			kill_slot(i);
	}
	go_on(UINT64_MAX);
}

/* All end what they are in, and leave. */
static void calm_down(void)
{
	uint64_t end = storm_now() + 2 * BOUND_NS;
	__atomic_store_n(&ledger->stop, 1, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < N_SLOTS; i++) {
		int status = 0;
		pid_t pid;
		while ((pid = waitpid(pids[i], &status, WNOHANG)) == 0 && storm_now() < end)
			usleep(5000);
		if (pid == pids[i] && ledger->slots[i].dying)
			note_unsaid(i);
		if (pid == pids[i] && (status == 0 || ledger->slots[i].dying))
			continue;
		storm_wrong(ledger, "slot %u (%s) did not end well: %s, status %x", i, cast[i].name,
			    ledger->slots[i].op, (unsigned)status);
		kill(pids[i], SIGKILL);
		note_unsaid(i);
	}
}

/* In a process of its own: gRPC's threads do not survive a fork. */
static bool alone(role *what)
{
	int status;
	pid_t pid = child_fork();
	if (pid == 0) {
		struct me me = { .ledger = ledger, .slot = &ledger->slots[0], .local = true };
		storm_need(&me, "connect", sabir_connect(urls[0], NULL, &me.conn));
		what(&me);
		sabir_close(me.conn);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && status == 0;
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 3 ? (unsigned)atoi(argv[3]) : 10;
	if (argc < 3) {
		fprintf(stderr, "usage: storm LOCAL_URL REMOTE_URL [SECONDS [SEED [kills or pauses]]]\n");
		return 2;
	}
	urls[0] = argv[1];
	urls[1] = argv[2];
	driver.random = argc > 4 && atoi(argv[4]) ? (uint32_t)atoi(argv[4]) : (uint32_t)time(NULL);
	printf("seed %u\n", driver.random);
	fflush(stdout);
	ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ledger == MAP_FAILED)
		return 2;
	ledger->pauses = argc > 5 && !strcmp(argv[5], "pauses");
	begin_ns = ledger->beat_ns = storm_now();
	if (!alone(settle_prepare))
		return 2;
	for (uint32_t i = 0; i < N_SLOTS; i++)
		start(i);
	blow(seconds);
	calm_down();
	bool settled = alone(settle_check);
	uint64_t n_done = 0;
	for (uint32_t i = 0; i < N_SLOTS; i++)
		n_done += ledger->slots[i].n_done;
	printf("%zu processes, %llu operations, %llu kills, %llu stops, %.0f s (%.0f of them the machine stood still), %u wrong\n",
	       N_SLOTS, (unsigned long long)n_done, (unsigned long long)n_kills, (unsigned long long)n_stops,
	       (double)(storm_now() - begin_ns) / 1e9, (double)still_ns / 1e9, ledger->n_wrong);
	bool fine = settled && !ledger->n_wrong;
	printf("%d passed, %d failed\n", fine, !fine);
	return !fine;
}
