/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read twice is another thing the second time, as a hostile program that is attached could make it be while an
 * operation is under way. No chance: the compiler tells of every load from the segment and every store to it, so an
 * input of the fuzzer of requests is played once to see which words an operation reads that it has read or written
 * before, and then once more for each of those and each of some values, with the word overwritten right in front of
 * that load. The same two places in the code are tried in some inputs, not in all.
 *
 * The inputs are played in children, by the number of --jobs; one that dies has found something, and another goes on.
 */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/loads.h"
#include "tests/fuzz/twice_values.h"

#define MAX_JOBS 64u
#define MAX_FLIPS 8192u        /* of one input */
#define PAIRS (1u << 20)       /* cells of their table */
#define LOADS_MOST (50u << 20) /* more, after an overwrite, than any input does: it has no end */
#define LOADS_MANY (1u << 20)  /* an input with more takes long: it is for what no other has */
#define FINDS_MOST 200u

/* A load, by its number in the input, and what is written in front of it. */
struct flip {
	uint64_t load;
	uintptr_t first, second; /* the places in the code */
	uint32_t kind;
};

/* One child's; the parent reads it when that has died. */
struct job {
	pid_t pid;
	uint32_t input; /* its number + 1 */
	uint32_t n_flips, at;
	uint32_t runs;
	struct flip flip[MAX_FLIPS];
};

struct pair {
	uint64_t key;   /* of its two places; 0: none */
	uint32_t tried; /* in so many inputs */
	uint32_t unused;
};

/* Of all children. */
static struct common {
	uint32_t next_input;
	uint32_t n_pairs, elsewhere;
	struct job job[MAX_JOBS];
	struct pair pair[PAIRS];
} * common;

static struct options {
	unsigned jobs, contexts;
	const char *log; /* folder */
} options = { .jobs = 1, .contexts = 2, .log = "build/fuzz/crashes" };

/* ---------------------------------------------------------------- what is seen of an input */

static struct watch {
	uint64_t loads;
	struct job *job;         /* NULL: flips are not looked for */
	const struct flip *flip; /* NULL: none is done */
	bool warm;               /* something was played before */
} watch;

static void too_long(void)
{
	loads.seen = NULL;
	fprintf(stderr, "no end: more than %u loads\n", LOADS_MOST);
	abort();
}

static struct pair *pair_of(uintptr_t first, uintptr_t second)
{
	uint64_t key = (uint64_t)first << 32 | second, h = key * 0x9e3779b97f4a7c15u;
	for (uint32_t i = (uint32_t)(h >> 44);; i++) {
		struct pair *pair = &common->pair[i & (PAIRS - 1)];
		uint64_t none = 0;
		if (__atomic_load_n(&pair->key, __ATOMIC_RELAXED) == key)
			return pair;
		if (__atomic_compare_exchange_n(&pair->key, &none, key, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			__atomic_fetch_add(&common->n_pairs, 1, __ATOMIC_RELAXED);
			return pair;
		}
		if (none == key)
			return pair;
	}
}

/* Whether it is in the input's list already: then it has been taken. */
static bool is_listed(const struct job *job, uintptr_t first, uintptr_t second)
{
	for (uint32_t i = job->n_flips; i > 0; i -= TWICE_KINDS)
		if (job->flip[i - 1].first == first && job->flip[i - 1].second == second)
			return true;
	return false;
}

static void list_flips(struct job *job, uintptr_t first, uintptr_t second)
{
	struct pair *pair = pair_of(first, second);
	uint32_t most = watch.loads > LOADS_MANY ? 1 : options.contexts;
	if (__atomic_load_n(&pair->tried, __ATOMIC_RELAXED) >= most || job->n_flips + TWICE_KINDS > MAX_FLIPS ||
	    is_listed(job, first, second))
		return;
	__atomic_fetch_add(&pair->tried, 1, __ATOMIC_RELAXED);
	for (uint32_t kind = 0; kind < TWICE_KINDS; kind++)
		job->flip[job->n_flips++] = (struct flip){ watch.loads, first, second, kind };
}

static void overwrite(const struct access *access)
{
	if (access->place != watch.flip->second)
		__atomic_fetch_add(&common->elsewhere, 1, __ATOMIC_RELAXED);
	else
		twice_overwrite(access->at, access->size, watch.flip->kind);
}

static void seen(const struct access *access)
{
	if (!access->load)
		return;
	if (++watch.loads > LOADS_MOST)
		too_long();
	if (watch.job && access->again)
		list_flips(watch.job, access->first, access->place);
	if (watch.flip && watch.flip->load == watch.loads)
		overwrite(access);
}

/* ---------------------------------------------------------------- a child */

static void play_once(struct span input, struct job *job, const struct flip *flip)
{
	watch = (struct watch){ 0, job, flip, true };
	loads_play(input, flip != NULL, seen);
}

static void play_input(struct job *job, uint32_t number)
{
	struct span input;
	if (!inputs_read(number, &input))
		return;
	if (!job->n_flips)
		play_once(input, job, NULL);
	for (; job->at < job->n_flips; job->at++, job->runs++) {
		if (!watch.warm) /* another child began with it */
			play_once(input, NULL, NULL);
		play_once(input, NULL, &job->flip[job->at]);
	}
}

static _Noreturn void child(struct job *job)
{
	do {
		if (!job->input) {
			job->input = __atomic_add_fetch(&common->next_input, 1, __ATOMIC_RELAXED);
			job->n_flips = job->at = 0;
		}
		if (job->input > n_inputs)
			_exit(0);
		play_input(job, job->input - 1);
		job->input = 0;
	} while (true);
}

/* ---------------------------------------------------------------- the parent */

static void start(struct job *job, unsigned finds)
{
	char log[4096];
	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid) {
		job->pid = pid;
		return;
	}
	snprintf(log, sizeof(log), "%s/twice-%ld-%u.log", options.log, (long)(job - common->job), finds);
	int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
	child(job);
}

static void tell_place(const char *what, uintptr_t place)
{
	char text[512];
	loads_describe(place, text, sizeof(text));
	printf("    %s %s\n", what, text);
}

static void tell(const struct job *job, int status, unsigned finds)
{
	const char *path = job->input ? inputs_path(job->input - 1) : "?";
	printf("FAILED  %s: ended with %d, see twice-%ld-%u.log\n", path, status, (long)(job - common->job), finds);
	if (job->at < job->n_flips) {
		const struct flip *flip = &job->flip[job->at];
		tell_place("before", flip->first);
		tell_place("again ", flip->second);
		printf("    overwritten in way %u at load %" PRIu64 "\n", flip->kind, flip->load);
	}
}

/* What that child was at is left out. */
static void skip(struct job *job)
{
	if (job->n_flips && job->at < job->n_flips)
		job->at++;
	else
		job->input = 0;
}

static unsigned run_all(void)
{
	unsigned running = 0, finds = 0;
	int status;
	for (; running < options.jobs; running++)
		start(&common->job[running], 0);
	while (running) {
		pid_t pid = wait(&status);
		struct job *job = common->job;
		while (job->pid != pid)
			job++;
		running--;
		if (!status)
			continue;
		tell(job, status, finds++);
		skip(job);
		if (finds < FINDS_MOST) {
			start(job, finds);
			running++;
		}
	}
	return finds;
}

static bool read_options(int argc, char **argv)
{
	static const struct option known[] = { { "jobs", required_argument, NULL, 'j' },
					       { "contexts", required_argument, NULL, 'c' },
					       { "log", required_argument, NULL, 'l' },
					       { NULL, 0, NULL, 0 } };
	int c;
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'j')
			options.jobs = (unsigned)atoi(optarg);
		else if (c == 'c')
			options.contexts = (unsigned)atoi(optarg);
		else if (c == 'l')
			options.log = optarg;
		else
			return false;
	}
	for (; optind < argc; optind++)
		if (!inputs_list(argv[optind]))
			return false;
	return n_inputs && options.jobs && options.jobs <= MAX_JOBS;
}

int main(int argc, char **argv)
{
	if (!read_options(argc, argv)) {
		fprintf(stderr, "twice [--jobs N] [--contexts N: inputs in which each pair of places is tried] "
				"[--log FOLDER] FOLDER...: of inputs of the fuzzer of requests\n");
		return 2;
	}
	inputs_sort();
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (common == MAP_FAILED)
		return 2;
	time_t begin = time(NULL);
	unsigned finds = run_all();
	uint64_t runs = 0;
	for (unsigned i = 0; i < options.jobs; i++)
		runs += common->job[i].runs;
	printf("twice: %u inputs, %u pairs of places, %" PRIu64 " overwrites, %u of them elsewhere, %u finds, %ld s\n",
	       n_inputs, common->n_pairs, runs, common->elsewhere, finds, (long)(time(NULL) - begin));
	return finds != 0;
}
