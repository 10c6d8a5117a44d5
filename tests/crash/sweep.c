/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweep: every operation is run one instruction at a time, and at every instruction it is looked at what would be
 * if its process were killed there.
 *
 * A death leaves the shared memory as it is, and nothing else. So two instructions with the same shared memory are the
 * same death, and the recovery of a copy of that memory is the recovery of the memory: what is checked is each
 * different state, once, and each instruction is in front of one of them. That the copies tell the truth is checked by
 * real kills (--kills): the child is killed at an instruction, and its own memory is looked at.
 *
 * With --recovery the same is done with the recovery: of each of these states, the recovery is run one instruction at
 * a time, and at every instruction the server is killed too; somebody else recovers the server, then the victim.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/ops/ops.h"
#include "tests/crash/check.h"
#include "tests/crash/coverage.h"
#include "tests/crash/step.h"

struct options {
	const char *only;    /* a part of the name */
	const char *variant; /* only this; "": the plain one */
	unsigned recovery;   /* the recovery of every nth state too; 0: of none */
	unsigned kills;      /* real ones of each scenario */
	unsigned sample;     /* scenarios, at random; 0: all */
	unsigned seed;
	unsigned part, parts; /* of the scenarios every parts-th, from the part-th on; 0 parts: all */
	bool quiet;
};

struct counts {
	uint64_t instructions;
	uint64_t states;
	uint64_t recovery_states;
	uint64_t recovery_checked;
	uint64_t kills;
	unsigned passed;
	unsigned failed;
};

/* Hashes of memory: two different ones with the same hash are not to be expected, of some millions. */
struct seen {
	uint64_t *cell;
	size_t size, n;
};

struct run {
	const struct options *options;
	struct check *check;
	struct image *last; /* the state that was looked at last */
	struct world copy;  /* of that state, in which the recovery is run */
	struct image *last_of_recovery;
	struct seen known; /* states of recoveries that were looked at */
	uint64_t states, at, recovery_states, recovery_checked;
	unsigned unknown[2];
	bool failed;
	bool changes;
	FILE *out;
};

static const char *where = "";

/* ---------------------------------------------------------------- what was seen */

/* False: it is in the set already. */
static bool seen_add(struct seen *set, uint64_t hash)
{
	hash |= 1; /* 0 is an empty cell */
	if (set->n * 2 >= set->size) {
		struct seen larger = { calloc(set->size ? set->size * 2 : 1024, sizeof(*larger.cell)),
				       set->size ? set->size * 2 : 1024, 0 };
		if (!larger.cell)
			abort();
		for (size_t i = 0; i < set->size; i++)
			if (set->cell[i])
				seen_add(&larger, set->cell[i]);
		free(set->cell);
		*set = larger;
	}
	size_t i = (size_t)(hash >> 1) & (set->size - 1);
	for (; set->cell[i]; i = (i + 1) & (set->size - 1))
		if (set->cell[i] == hash)
			return false;
	set->cell[i] = hash;
	set->n++;
	return true;
}

/* The kernel's writes to the memory: fallocate is the one system call by which it is changed. */
int __real_fallocate(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate(int fd, int mode, off_t off, off_t len)
{
	int result = __real_fallocate(fd, mode, off, len);
	step_touched();
	return result;
}

static void too_long(int signal)
{
	(void)signal;
	fprintf(stderr, "no end: %s\n", where);
	_exit(3);
}

/* ---------------------------------------------------------------- the recovery, killed */

static void recover_act(void *context)
{
	struct run *r = context;
	check_recover(r->check, &r->copy, SERVER);
}

static bool recovery_seen(void *context, const struct step_at *at)
{
	struct run *r = context;
	if (!image_update_pages(r->last_of_recovery, &r->copy, at->page, at->n_pages))
		return true;
	r->recovery_states++;
	if (!seen_add(&r->known, image_hash(r->last_of_recovery) + (uint64_t)check_stage(r->check)))
		return true;
	r->recovery_checked++;
	alarm(600);
	if (check_moment(r->check, r->last_of_recovery, true, r->out))
		return true;
	fprintf(r->out, "    at write %" PRIu64 " of the recovery from instruction %" PRIu64 "\n", at->n, r->at);
	r->failed = true;
	return false;
}

static void sweep_recovery(struct run *r)
{
	const struct steps steps = { .act = recover_act,
				     .act_context = r,
				     .seen = recovery_seen,
				     .seen_context = r,
				     .base = r->copy.seg.base,
				     .len = r->copy.seg.size,
				     .writes_only = true };
	image_restore(r->last, &r->copy);
	image_update(r->last_of_recovery, &r->copy);
	if (!step_through(&steps) && !r->failed) {
		fprintf(r->out, "    the recovery from instruction %" PRIu64 " could not be stepped\n", r->at);
		r->failed = true;
	}
}

/* ---------------------------------------------------------------- the operation, killed */

/* The state that `last` holds. */
static bool look(struct run *r, uint64_t n)
{
	r->at = n;
	r->states++;
	alarm(600);
	if (!check_moment(r->check, r->last, false, r->out)) {
		fprintf(r->out, "    at instruction %" PRIu64 "\n", n);
		r->failed = true;
		return false;
	}
	unsigned every = r->options->recovery;
	if (every && (r->states + r->options->seed) % every == 0)
		sweep_recovery(r);
	return !r->failed;
}

static bool seen(void *context, const struct step_at *at)
{
	struct run *r = context;
	return !image_update_pages(r->last, check_world(r->check), at->page, at->n_pages) || look(r, at->n);
}

static uint64_t step_operation(struct run *r, step_seen *look_there, uint64_t kill_at)
{
	const struct world *world = check_world(r->check);
	const struct steps steps = { .act = check_act,
				     .act_context = r->check,
				     .seen = look_there,
				     .seen_context = r,
				     .base = world->seg.base,
				     .len = world->seg.size,
				     .late = check_sleeps(r->check),
				     .kill_at = kill_at };
	return step_through(&steps);
}

/* Real deaths at random instructions of the n that there are. */
static void kill_some(struct run *r, uint64_t n, struct counts *counts)
{
	for (unsigned i = 0; i < r->options->kills && n && !r->failed; i++) {
		image_restore(check_begin(r->check), check_world(r->check));
		r->at = 1 + (uint64_t)rand() % n;
		step_operation(r, NULL, r->at);
		image_update(r->last, check_world(r->check));
		check_forget(r->check);
		alarm(600);
		if (!check_moment(r->check, r->last, false, r->out)) {
			fprintf(r->out, "    killed at instruction %" PRIu64 "\n", r->at);
			r->failed = true;
		}
		counts->kills++;
	}
}

static void tell(const struct scenario *s, enum variant variant, const struct run *r, uint64_t n,
		 const struct options *options)
{
	if (!r->failed && options->quiet)
		return;
	printf("%-6s  %-34.*s %-36s %s %-12s %6" PRIu64 " instructions %4" PRIu64 " states",
	       r->failed ? "FAILED" : "ok", (int)strcspn(s->act, " "), s->act, s->name,
	       r->changes ? "changes" : "reads  ", variant_names[variant], n, r->states);
	if (variant == ASKED)
		printf(", unknown before %3u, after %3u", r->unknown[0], r->unknown[1]);
	if (options->recovery)
		printf(" %8" PRIu64 " %6" PRIu64, r->recovery_states, r->recovery_checked);
	printf("\n");
	fflush(stdout);
}

/* One scenario, of a variant that applies. */
static void sweep(const struct scenario *s, enum variant variant, const struct options *options, struct counts *counts)
{
	char *text = NULL;
	size_t len;
	struct run r = { .options = options, .out = open_memstream(&text, &len) };
	where = s->act;
	alarm(600);
	r.check = check_new(s, variant, 0, r.out);
	uint64_t n = 0;
	if (r.check) {
		r.last = image_new(check_world(r.check));
		r.last_of_recovery = image_new(check_world(r.check));
		if (!world_make(&r.copy))
			abort();
		n = check_sleeps(r.check) || look(&r, 0) ? step_operation(&r, seen, 0) : 0;
		if (!n && !r.failed)
			fprintf(r.out, "    it could not be run step by step\n");
		r.failed |= !n;
		kill_some(&r, n, counts);
		image_free(r.last);
		image_free(r.last_of_recovery);
		world_end(&r.copy);
		r.changes = check_changes(r.check);
		memcpy(r.unknown, check_unknown(r.check), sizeof(r.unknown));
		check_free(r.check);
	}
	free(r.known.cell);
	r.failed |= !r.check;
	alarm(0);
	fclose(r.out);
	tell(s, variant, &r, n, options);
	fputs(text, stdout);
	free(text);
	coverage_add(s, &(struct swept){ !r.failed, n, r.states });
	counts->instructions += n;
	counts->states += r.states;
	counts->recovery_checked += r.recovery_checked;
	counts->recovery_states += r.recovery_states;
	counts->passed += !r.failed;
	counts->failed += r.failed;
}

/* ---------------------------------------------------------------- all of them */

static bool matches(const struct scenario *s, const char *only)
{
	return !only || strstr(s->act, only) || strstr(s->name, only);
}

/* Memory that ends somewhere in the midst of the operation: then it is refused, or done. Without steps. */
static void try_with_little_memory(const struct scenario *s, const struct options *options, struct counts *counts)
{
	for (unsigned spare = 1; spare <= 4 && !options->variant && check_applies(s, EXHAUSTED); spare++) {
		char *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);
		alarm(600);
		struct check *check = check_new(s, EXHAUSTED, spare, out);
		alarm(0);
		fclose(out);
		if (!check)
			printf("FAILED  %.*s %s: %u blocks of each size\n%s", (int)strcspn(s->act, " "), s->act,
			       s->name, spare, text);
		else
			check_free(check);
		counts->failed += !check;
		free(text);
	}
}

static void sweep_all(const struct options *options, struct counts *counts)
{
	for (size_t i = 0; i < scenario_count(); i++) {
		if (!matches(scenario_at(i), options->only) || (options->parts && i % options->parts != options->part))
			continue;
		for (enum variant v = 0; v < N_VARIANTS; v++)
			if (check_applies(scenario_at(i), v) &&
			    (!options->variant || !strcmp(options->variant, variant_names[v])))
				sweep(scenario_at(i), v, options, counts);
		try_with_little_memory(scenario_at(i), options, counts);
	}
}

static void sweep_sample(const struct options *options, struct counts *counts)
{
	for (unsigned i = 0; i < options->sample; i++) {
		const struct scenario *s;
		enum variant variant;
		do {
			s = scenario_at((size_t)rand() % scenario_count());
			variant = (enum variant)(rand() % N_VARIANTS);
		} while (!check_applies(s, variant));
		sweep(s, variant, options, counts);
	}
}

static void usage(void)
{
	printf("sweep [--only TEXT] [--variant NAME] [--recovery N] [--kills N] [--sample N] [--part I/N] [--seed N] [--quiet]\n"
	       "  --only TEXT   scenarios with TEXT in their operation or name\n"
	       "  --variant V   only where others are so: awaited, held, 'held by dead', 'no memory', asked, or '': nobody\n"
	       "  --recovery N  at every Nth state, kill the recovery at every instruction too\n"
	       "  --kills N     N real kills in each scenario, at random instructions\n"
	       "  --sample N    N scenarios at random instead of all\n"
	       "  --part I/N    every Nth scenario, from the Ith on: N runs with I from 1 to N are all of them\n"
	       "  --seed N      for what is random; default: the time\n"
	       "  --quiet       tell only of what fails\n");
}

static bool read_options(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{ "only", required_argument, NULL, 'o' },    { "recovery", required_argument, NULL, 'r' },
		{ "kills", required_argument, NULL, 'k' },   { "sample", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'e' },    { "quiet", no_argument, NULL, 'q' },
		{ "variant", required_argument, NULL, 'v' }, { "part", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
	};
	int c;
	*options = (struct options){ .seed = (unsigned)time(NULL) };
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'o':
			options->only = optarg;
			break;
		case 'r':
			options->recovery = (unsigned)atoi(optarg);
			break;
		case 'k':
			options->kills = (unsigned)atoi(optarg);
			break;
		case 's':
			options->sample = (unsigned)atoi(optarg);
			break;
		case 'e':
			options->seed = (unsigned)atoi(optarg);
			break;
		case 'v':
			options->variant = optarg;
			break;
		case 'p':
			if (sscanf(optarg, "%u/%u", &options->part, &options->parts) != 2 || !options->part ||
			    options->part > options->parts)
				return false;
			options->part %= options->parts;
			break;
		case 'q':
			options->quiet = true;
			break;
		default:
			return false;
		}
	}
	return optind == argc;
}

int main(int argc, char **argv)
{
	struct options options;
	struct counts counts = { 0 };
	if (!read_options(argc, argv, &options)) {
		usage();
		return 2;
	}
	signal(SIGALRM, too_long);
	srand(options.seed);
	printf("seed %u\n", options.seed);
	time_t begin = time(NULL);
	if (options.sample)
		sweep_sample(&options, &counts);
	else
		sweep_all(&options, &counts);
	counts.failed += coverage_missing();
	if (!options.sample)
		coverage_print();
	printf("%" PRIu64 " instructions, %" PRIu64 " states; of the recovery %" PRIu64 ", %" PRIu64 "; %" PRIu64
	       " kills; %ld s\n",
	       counts.instructions, counts.states, counts.recovery_states, counts.recovery_checked, counts.kills,
	       (long)(time(NULL) - begin));
	printf("%u passed, %u failed\n", counts.passed, counts.failed);
	return counts.failed != 0;
}
