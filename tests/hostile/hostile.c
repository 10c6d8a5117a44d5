/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Honest and poor programs, local and remote, while two processes overwrite words of the memory.
 *
 *   hostile LOCAL_URL REMOTE_URL SERVER_PID [SECONDS [SEED [poor, all or peace]]]
 *
 * `poor`: the poor's words alone; the honest ones must not notice. `all`: anybody's; there are no honest programs then, and when the
 * hostile ones have gone somebody comes and makes new objects. `peace`: nobody's. Closes with a line "N passed, N failed".
 */
#include "tests/hostile/hostile.h"

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

enum sort { HONEST, POOR, HOSTILE };

static const struct cast {
	role *role;
	const char *name;
	enum sort sort;
	bool local;
	uint32_t pair;
} cast[] = {
	{ attack_live, "hostile", HOSTILE, true, 0 },
	{ attack_live, "hostile", HOSTILE, true, 1 },
	{ honest_send, "send", HONEST, true, 0 },
	{ honest_take, "take", HONEST, false, 0 },
	{ honest_send, "send", HONEST, false, 1 },
	{ honest_take, "take", HONEST, true, 1 },
	{ honest_put_tasks, "put tasks", HONEST, true, 0 },
	{ honest_work, "work", HONEST, false, 0 },
	{ honest_put_tasks, "put tasks", HONEST, false, 1 },
	{ honest_work, "work", HONEST, true, 1 },
	{ honest_call, "call", HONEST, true, 0 },
	{ honest_echo, "echo", HONEST, false, 0 },
	{ honest_dict, "dict", HONEST, true, 0 },
	{ honest_dict, "dict", HONEST, false, 1 },
	{ honest_list, "list", HONEST, true, 0 },
	{ honest_list, "list", HONEST, false, 1 },
	{ honest_numbers, "numbers", HONEST, true, 0 },
	{ honest_numbers, "numbers", HONEST, false, 1 },
	{ honest_attributes, "attributes", HONEST, true, 0 },
	{ honest_attributes, "attributes", HONEST, false, 1 },
	{ honest_bytes, "bytes", HONEST, true, 0 },
	{ honest_bytes, "bytes", HONEST, false, 1 },
	{ honest_lock, "lock", HONEST, true, 0 },
	{ honest_lock, "lock", HONEST, true, 0 },
	{ honest_lock, "lock", HONEST, false, 0 },
	{ honest_semaphore, "semaphore", HONEST, true, 0 },
	{ honest_semaphore, "semaphore", HONEST, true, 0 },
	{ honest_semaphore, "semaphore", HONEST, false, 0 },
	{ honest_event, "set", HONEST, true, 0 },
	{ honest_event, "wait", HONEST, false, 1 },
	{ honest_condition, "condition", HONEST, true, 0 },
	{ honest_condition, "condition", HONEST, false, 1 },
	{ honest_barrier, "barrier", HONEST, true, 0 },
	{ honest_barrier, "barrier", HONEST, false, 1 },
	{ honest_visit, "visit", HONEST, true, 0 },
	{ honest_visit, "visit", HONEST, false, 0 },
	{ poor_live, "poor", POOR, true, 0 },
	{ poor_live, "poor", POOR, true, 0 },
	{ poor_live, "poor", POOR, true, 0 },
	{ poor_live, "poor", POOR, true, 0 },
	{ poor_live, "poor", POOR, true, 0 },
	{ poor_live, "poor", POOR, false, 0 },
	{ poor_live, "poor", POOR, false, 0 },
	{ poor_live, "poor", POOR, false, 0 },
	{ poor_live, "poor", POOR, false, 0 },
};
#define N_SLOTS (sizeof(cast) / sizeof(cast[0]))
_Static_assert(N_SLOTS <= N_SLOTS_MAX, "a slot for each");

#define STANDSTILL_NS (2 * SABIR_SECOND)
#define BOUND_NS (15 * SABIR_SECOND)
#define SESSION_NS (600 * SABIR_SECOND)

static const char *urls[2];
static struct ledger *ledger;
static pid_t pids[N_SLOTS], server_pid;
static uint64_t begin_ns, n_kills, still_ns;
static struct me driver;

/* ---------------------------------------------------------------- for the roles */

uint64_t hostile_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SABIR_SECOND + (uint64_t)now.tv_nsec;
}

uint32_t hostile_random(struct me *me, uint32_t below)
{
	me->random = me->random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((me->random >> 32) * below >> 32);
}

bool hostile_is_over(const struct me *me)
{
	return __atomic_load_n(&me->ledger->stop, __ATOMIC_SEQ_CST);
}

void hostile_wrong(struct ledger *l, const char *format, ...)
{
	char text[400];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (__atomic_fetch_add(&l->n_wrong, 1, __ATOMIC_SEQ_CST) < 60)
		fprintf(stderr, "hostile: at %.3f s: %s\n", (double)(hostile_now() - begin_ns) / 1e9, text);
}

void call_begin(struct me *me, const char *what, uint64_t timeout_ns)
{
	me->began_ns = hostile_now();
	me->timeout_ns = timeout_ns;
	snprintf(me->slot->op, sizeof(me->slot->op), "%s", what);
	__atomic_store_n(&me->slot->allowed_ns, timeout_ns == PATIENCE ? PATIENCE : timeout_ns + me->ledger->bound_ns,
			 __ATOMIC_SEQ_CST);
	__atomic_store_n(&me->slot->since_ns, me->began_ns, __ATOMIC_SEQ_CST);
}

enum sabir_error call_end(struct me *me, enum sabir_error error)
{
	uint64_t took_ns = hostile_now() - me->began_ns;
	__atomic_store_n(&me->slot->since_ns, 0, __ATOMIC_SEQ_CST);
	if (took_ns > me->timeout_ns && took_ns - me->timeout_ns > me->slot->longest_ns)
		me->slot->longest_ns = took_ns - me->timeout_ns;
	me->slot->n_answered++;
	if (!me->honest && (unsigned)error < N_ERRORS_MAX)
		__atomic_fetch_add(&me->ledger->n_errors[error], 1, __ATOMIC_SEQ_CST);
	return error;
}

bool call_was(struct me *me, enum sabir_error error, enum sabir_error wanted)
{
	if (error == wanted)
		return true;
	/* Who leaves first closes his end. */
	if (hostile_is_over(me) && (error == SABIR_CLOSED || error == SABIR_END_OF_FILE || error == SABIR_BROKEN_PIPE))
		return false;
	hostile_wrong(me->ledger, "slot %u (%s, %s): %s: %s %s", me->index, cast[me->index].name,
		      me->local ? "local" : "remote", me->slot->op, sabir_error_name(error), sabir_detail());
	usleep(10000);
	return false;
}

/* ---------------------------------------------------------------- processes */

static void play(uint32_t i, uint64_t seed)
{
	struct me me = { .ledger = ledger,
			 .slot = &ledger->slots[i],
			 .index = i,
			 .pair = cast[i].pair,
			 .local = cast[i].local,
			 .honest = cast[i].sort == HONEST,
			 .random = seed };
	const struct sabir_options options = { .size = sizeof(options), .label = "honest" };
	if (me.honest && GOOD(&me, sabir_connect(urls[!me.local], &options, &me.conn)) && !me.local)
		GOOD(&me, sabir_session_open(me.conn, SESSION_NS));
	if (!me.honest || me.conn)
		cast[i].role(&me);
	call_begin(&me, "close", 0);
	sabir_close(me.conn);
	call_end(&me, SABIR_OK);
	_exit(0);
}

/* In `all` nobody is honest but who comes when all is over. */
static bool takes_part(uint32_t i)
{
	return !ledger->all || cast[i].sort != HONEST;
}

static void start(uint32_t i)
{
	uint64_t seed = driver.random ^ (uint64_t)i << 32;
	hostile_random(&driver, 2);
	ledger->slots[i].since_ns = 0;
	__atomic_store_n(&ledger->slots[i].dying, 0, __ATOMIC_SEQ_CST);
	pids[i] = child_fork();
	if (pids[i] == 0)
		play(i, seed);
}

static void kill_slot(uint32_t i)
{
	__atomic_store_n(&ledger->slots[i].dying, 1, __ATOMIC_SEQ_CST);
	kill(pids[i], SIGKILL);
	n_kills++;
}

/* ---------------------------------------------------------------- supervision */

static void look_for_waiters(uint64_t now)
{
	for (uint32_t i = 0; i < N_SLOTS; i++) {
		struct slot *slot = &ledger->slots[i];
		uint64_t since = __atomic_load_n(&slot->since_ns, __ATOMIC_SEQ_CST);
		if (!pids[i] || !since || slot->dying || now < since || now - since < slot->allowed_ns)
			continue;
		hostile_wrong(ledger, "slot %u (%s, %s, pid %d) waits for %s since %.1f s", i, cast[i].name,
			      cast[i].local ? "local" : "remote", (int)pids[i], slot->op, (double)(now - since) / 1e9);
		slot->since_ns = now;
	}
}

/* Who was killed is followed by another; nobody else ends. */
static void look_for_ends(void)
{
	for (uint32_t i = 0; i < N_SLOTS; i++) {
		int status;
		if (!pids[i] || waitpid(pids[i], &status, WNOHANG) != pids[i])
			continue;
		if (!ledger->slots[i].dying)
			hostile_wrong(ledger, "slot %u (%s, %s) ended by itself in %s: status %x", i, cast[i].name,
				      cast[i].local ? "local" : "remote", ledger->slots[i].op, (unsigned)status);
		start(i);
	}
}

static void look_for_server(void)
{
	static bool said;
	if (server_pid && kill(server_pid, 0) && errno == ESRCH && !said) {
		hostile_wrong(ledger, "the server has died");
		said = true;
	}
}

/* A machine that was stopped: nobody waited. */
static void beat(uint64_t now, uint64_t since)
{
	if (since <= STANDSTILL_NS)
		return;
	still_ns += since;
	for (uint32_t i = 0; i < N_SLOTS; i++)
		if (__atomic_load_n(&ledger->slots[i].since_ns, __ATOMIC_SEQ_CST))
			ledger->slots[i].since_ns = now;
}

/* It begins when all are at work; for the first third everything is put back, and the directory is spared until the last. */
static uint32_t attack_at(uint64_t since, uint64_t third)
{
	if (ledger->peace || (since < third / 2 && since < SABIR_SECOND))
		return 0;
	return since < third ? 1 : since < 2 * third ? 2 : 3;
}

static void rage(unsigned seconds)
{
	uint64_t begin = hostile_now(), before = begin, third = seconds * SABIR_SECOND / 3;
	for (uint64_t now; (now = hostile_now()) < begin + seconds * SABIR_SECOND; before = now) {
		beat(now, now - before);
		__atomic_store_n(&ledger->attack, attack_at(now - begin, third), __ATOMIC_SEQ_CST);
		uint32_t i = hostile_random(&driver, N_SLOTS);
		usleep(5000 + hostile_random(&driver, 20000));
		look_for_ends();
		look_for_waiters(now);
		look_for_server();
		if (cast[i].sort == POOR && !ledger->slots[i].dying && hostile_random(&driver, 2))
			kill_slot(i);
	}
}

/* Who may wait for as long as he likes is waited for no longer. */
static void end_patience(uint32_t i)
{
	const struct slot *slot = &ledger->slots[i];
	if (!slot->dying && __atomic_load_n(&slot->since_ns, __ATOMIC_SEQ_CST) &&
	    __atomic_load_n(&slot->allowed_ns, __ATOMIC_SEQ_CST) == PATIENCE)
		kill_slot(i);
}

/* All end what they are in, and leave. */
static void end_all(void)
{
	uint64_t begin = hostile_now(), end = begin + 2 * ledger->bound_ns;
	__atomic_store_n(&ledger->stop, 1, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < N_SLOTS; i++) {
		int status = 0;
		pid_t pid;
		if (!pids[i])
			continue;
		while ((pid = waitpid(pids[i], &status, WNOHANG)) == 0 && hostile_now() < end) {
			usleep(5000);
			if (hostile_now() > begin + SABIR_SECOND)
				end_patience(i);
		}
		if (pid == pids[i] && (status == 0 || ledger->slots[i].dying))
			continue;
		hostile_wrong(ledger, "slot %u (%s, %s) did not end well: %s, status %x", i, cast[i].name,
			      cast[i].local ? "local" : "remote", ledger->slots[i].op, (unsigned)status);
		if (!pid)
			kill(pids[i], SIGKILL);
	}
}

/* ---------------------------------------------------------------- when it is over */

/* Each is answered, at once; how often with yes, is told. */
static void come_later(struct me *me)
{
	static const uint32_t of[] = { SABIR_KIND_QUEUE, SABIR_KIND_DICT,  SABIR_KIND_LIST,  SABIR_KIND_NAMESPACE,
				       SABIR_KIND_PIPE,  SABIR_KIND_LOCK,  SABIR_KIND_RLOCK, SABIR_KIND_CONDITION,
				       SABIR_KIND_EVENT, SABIR_KIND_QUEUE, SABIR_KIND_DICT };
	uint32_t n = 0, n_unnamed = 0;
	char why[200] = "";
	me->honest = true;
	for (uint32_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		struct sabir_spec spec = { .size = sizeof(spec), .kind = of[i] };
		struct sabir_info info;
		char name[32];
		snprintf(name, sizeof(name), "later/%u/%u", me->local, i);
		enum sabir_error error = CALL(me, sabir_create(me->conn, name, &spec, 0, &info, NULL));
		n += error == SABIR_OK;
		if (error && !why[0])
			snprintf(why, sizeof(why), "; %s %s", sabir_error_name(error), sabir_detail());
		n_unnamed += CALL(me, sabir_create(me->conn, NULL, &spec, 0, &info, NULL)) == SABIR_OK;
	}
	printf("  afterwards, %s: of %zu objects %u could be made with a name and %u without, in %.3f s at most%s\n",
	       me->local ? "local" : "remote", sizeof(of) / sizeof(of[0]), n, n_unnamed,
	       (double)me->slot->longest_ns / 1e9, why);
	fflush(stdout);
}

static void come(struct me *me)
{
	enum sabir_error error = CALL(me, sabir_connect(urls[!me->local], NULL, &me->conn));
	void *response = NULL;
	size_t len;
	if (error) {
		printf("  afterwards, %s: %s %s\n", me->local ? "local" : "remote", sabir_error_name(error),
		       sabir_detail());
		if (!me->local)
			hostile_wrong(ledger, "the server is not there for remote programs");
		return;
	}
	if (!me->local) {
		GOOD_FOR(me, SABIR_SECOND,
			 sabir_call(me->conn, "/grpc.health.v1.Health/Check", "", 0, SABIR_SECOND, &response, &len));
		error = CALL(me, sabir_session_open(me->conn, SESSION_NS));
		printf("  afterwards, a session: %s\n", sabir_error_name(error));
	}
	come_later(me);
	sabir_close(me->conn);
}

/* In a process of its own: gRPC's threads do not survive a fork. */
static bool alone(role *what, bool local)
{
	uint64_t end = hostile_now() + 2 * ledger->bound_ns;
	int status;
	pid_t pid = child_fork(), ended;
	if (pid == 0) {
		struct me me = { .ledger = ledger, .slot = &ledger->slots[N_SLOTS_MAX - 1], .local = local };
		what(&me);
		fflush(stdout);
		_exit(0);
	}
	while ((ended = waitpid(pid, &status, WNOHANG)) == 0 && hostile_now() < end)
		usleep(2000);
	if (!ended)
		kill(pid, SIGKILL);
	return ended == pid && status == 0;
}

static void prepare(struct me *me)
{
	me->honest = true;
	if (GOOD(me, sabir_connect(urls[0], NULL, &me->conn)))
		honest_prepare(me);
	sabir_close(me->conn);
}

/* ---------------------------------------------------------------- the sum */

static void tell(void)
{
	static const char *const places[N_PLACES] = { "rows",     "blocks", "lanes", "owners",
						      "sessions", "header", "tables" };
	uint64_t honest = 0, poor = 0, longest[2] = { 0, 0 };
	for (uint32_t i = 0; i < N_SLOTS; i++) {
		const struct slot *slot = &ledger->slots[i];
		bool is_honest = cast[i].sort == HONEST;
		*(is_honest ? &honest : &poor) += slot->n_answered;
		if (slot->longest_ns > longest[is_honest])
			longest[is_honest] = slot->longest_ns;
	}
	printf("  %zu processes, %llu kills, %.0f s the machine stood still\n", N_SLOTS, (unsigned long long)n_kills,
	       (double)still_ns / 1e9);
	printf("  honest calls %llu (longest %.2f s), poor ones %llu (longest %.2f s)\n  overwrites:",
	       (unsigned long long)honest, (double)longest[1] / 1e9, (unsigned long long)poor,
	       (double)longest[0] / 1e9);
	for (int i = 0; i < N_PLACES; i++)
		printf(" %s %llu", places[i], (unsigned long long)ledger->n_overwrites[i]);
	printf(", slips %llu\n  answers:", (unsigned long long)ledger->n_slips);
	for (unsigned i = 0; i < N_ERRORS_MAX; i++)
		if (ledger->n_errors[i])
			printf(" %s %llu", sabir_error_name((enum sabir_error)i),
			       (unsigned long long)ledger->n_errors[i]);
	printf("\n");
}

static bool begin(int argc, char **argv)
{
	const char *slowness = getenv("SLOWNESS");
	urls[0] = argv[1];
	urls[1] = argv[2];
	setenv("HOSTILE_LOCAL", urls[0], 1);
	setenv("HOSTILE_REMOTE", urls[1], 1);
	server_pid = atoi(argv[3]);
	ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ledger == MAP_FAILED)
		return false;
	ledger->all = argc > 6 && !strcmp(argv[6], "all");
	ledger->peace = argc > 6 && !strcmp(argv[6], "peace");
	ledger->bound_ns = BOUND_NS * (uint64_t)(slowness ? atoi(slowness) : 1);
	begin_ns = hostile_now();
	driver.ledger = ledger;
	return true;
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 4 ? (unsigned)atoi(argv[4]) : 10;
	unsigned long long seed = argc > 5 && atoll(argv[5]) ? (unsigned long long)atoll(argv[5])
							     : (unsigned long long)time(NULL);
	if (argc < 4) {
		fprintf(stderr,
			"usage: hostile LOCAL_URL REMOTE_URL SERVER_PID [SECONDS [SEED [poor, all or peace]]]\n");
		return 2;
	}
	driver.random = seed * 0x9e3779b97f4a7c15u;
	if (!begin(argc, argv))
		return 2;
	printf("%s: %u s, seed %llu\n", ledger->peace ? "peace" : ledger->all ? "all" : "poor", seconds, seed);
	fflush(stdout);
	if (!alone(prepare, true))
		return 2;
	for (uint32_t i = 0; i < N_SLOTS; i++)
		if (takes_part(i))
			start(i);
	rage(seconds);
	end_all();
	alone(attack_tell, true);
	bool came = alone(come, true);
	came &= alone(come, false);
	look_for_server();
	tell();
	bool fine = came && !ledger->n_wrong;
	printf("%u wrong%s\n%d passed, %d failed\n", ledger->n_wrong, came ? "" : ", and who came later was not served",
	       fine, !fine);
	return !fine;
}
