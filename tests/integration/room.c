/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is used no more can be had again within some seconds, by everybody for everything: a server whose objects have
 * come and gone has as much room for large items as a fresh one, and gives memory back to the system.
 *
 *   room URL PID   of a fresh server with --memory-limit 40M, and its process
 */
#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>

#include "tests/integration/c_api.h"

#define N_THREADS 8
#define N_SMALL 27000
#define SMALL 1000
#define LARGE 3000000
#define PATIENCE 100 /* tenths of a second */

static const char *url, *server;
static char bytes[LARGE];

static void delete_queue(sabir_queue *queue, const char *name)
{
	sabir_queue_free(queue);
	CHECK_OK(sabir_delete(conn, name));
}

static int n_large_that_fit(void)
{
	const char *name = name_of("large");
	sabir_queue *queue;
	int n = 0;
	NEED(sabir_queue_create(conn, name, 0, 0, &queue));
	while (sabir_queue_put_bytes(queue, bytes, LARGE, 0) == SABIR_OK)
		n++;
	delete_queue(queue, name);
	return n;
}

/* Of the memory that the server has from the system, tables included. */
static long long committed_bytes(void)
{
	char folder[64], path[384], target[128];
	struct dirent *entry;
	struct stat status;
	long long found = -1;
	snprintf(folder, sizeof(folder), "/proc/%s/fd", server);
	DIR *fds = opendir(folder);
	while (fds && (entry = readdir(fds)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = 0;
		if (strncmp(target, "/memfd:", 7) == 0 && stat(path, &status) == 0)
			found = (long long)status.st_blocks * 512;
	}
	if (fds)
		closedir(fds);
	return found;
}

static void test_memory_of_small_items_is_given_back(void)
{
	const char *name = name_of("small");
	sabir_queue *queue;
	NEED(sabir_queue_create(conn, name, 0, 0, &queue));
	for (int i = 0; i < N_SMALL; i++)
		NEED(sabir_queue_put_bytes(queue, bytes, SMALL, 0));
	long long before = committed_bytes();
	delete_queue(queue, name);
	CHECK(before > 0);
	/* The server keeps 16 MiB. */
	for (int i = 0; i < PATIENCE && committed_bytes() > before - (8 << 20); i++)
		usleep(100000);
	CHECK(committed_bytes() <= before - (8 << 20));
}

static void put_and_get(sabir_queue *queue, unsigned *seed, int i)
{
	struct sabir_item *item;
	size_t len = (size_t)1 << rand_r(seed) % 16;
	(void)sabir_queue_put_bytes(queue, bytes, len + (size_t)rand_r(seed) % len, 0);
	if (i > 40 && sabir_queue_get(queue, 0, &item) == SABIR_OK)
		sabir_free(item);
}

static void *come_and_go(void *context)
{
	unsigned seed = *(unsigned *)context;
	char name[64];
	sabir_conn *mine;
	sabir_queue *queue;
	snprintf(name, sizeof(name), "test/%ld/%u", (long)getpid(), seed);
	NEED(sabir_connect(url, NULL, &mine));
	for (int round = 0; round < 6; round++) {
		NEED(sabir_queue_create(mine, name, 0, 0, &queue));
		for (int i = 0; i < 150; i++)
			put_and_get(queue, &seed, i);
		sabir_queue_free(queue);
		CHECK_OK(sabir_delete(mine, name));
	}
	sabir_close(mine);
	return NULL;
}

static void test_large_items_fit_again_when_small_ones_have_come_and_gone(void)
{
	pthread_t threads[N_THREADS];
	unsigned seeds[N_THREADS];
	int fresh = n_large_that_fit(), now = 0;
	CHECK(fresh > 0);
	for (unsigned i = 0; i < N_THREADS; i++) {
		seeds[i] = i + 1;
		CHECK(pthread_create(&threads[i], NULL, come_and_go, &seeds[i]) == 0);
	}
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < PATIENCE && (now = n_large_that_fit()) < fresh; i++)
		usleep(100000);
	printf("large items that fit: %d, of a fresh server %d\n", now, fresh);
	CHECK(now == fresh);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(test_large_items_fit_again_when_small_ones_have_come_and_gone),
		TEST(test_memory_of_small_items_is_given_back),
	};
	if (argc != 3)
		return 2;
	url = argv[1];
	server = argv[2];
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
