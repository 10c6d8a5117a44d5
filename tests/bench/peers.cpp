// SPDX-License-Identifier: Apache-2.0
// One round of a peer's figure, in nanoseconds per item; the same work as local.c does.
//
//   peers queue ITEMS       boost::interprocess::message_queue
//   peers dict DIR ITEMS    LMDB, each get in its own read transaction
#include <boost/interprocess/ipc/message_queue.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <lmdb.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace ipc = boost::interprocess;

static double seconds()
{
	using namespace std::chrono;
	return duration<double>(steady_clock::now().time_since_epoch()).count();
}

static double queue_round(unsigned long n)
{
	const std::string name = "sabir_bench_" + std::to_string(getpid());
	ipc::message_queue::remove(name.c_str());
	ipc::message_queue queue(ipc::create_only, name.c_str(), 4096, 64);
	char data[64] = {};
	double begin = seconds();
	pid_t pid = fork();
	if (pid == 0) {
		for (unsigned long i = 0; i < n; i++)
			queue.send(data, sizeof(data), 0);
		_exit(0);
	}
	for (unsigned long i = 0; i < n; i++) {
		ipc::message_queue::size_type len;
		unsigned priority;
		queue.receive(data, sizeof(data), len, priority);
	}
	double took = seconds() - begin;
	waitpid(pid, nullptr, 0);
	ipc::message_queue::remove(name.c_str());
	return took;
}

static void need(int status)
{
	if (!status)
		return;
	std::fprintf(stderr, "peers: %s\n", mdb_strerror(status));
	std::exit(1);
}

static double dict_round(const char *dir, unsigned long n)
{
	constexpr unsigned long n_keys = 100000;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	static char texts[n_keys][17];
	char data[64] = {}, copy[64];
	need(mdb_env_create(&env));
	need(mdb_env_set_mapsize(env, 256u << 20));
	need(mdb_env_open(env, dir, MDB_NOSYNC, 0600));
	need(mdb_txn_begin(env, nullptr, 0, &txn));
	need(mdb_dbi_open(txn, nullptr, 0, &dbi));
	for (unsigned long i = 0; i < n_keys; i++) {
		char text[17];
		std::snprintf(text, sizeof(text), "key%013lu", i);
		// In the order in which they are asked for: fetching them from our own memory is not to be measured.
		std::snprintf(texts[i], sizeof(texts[i]), "key%013lu", i * 7919 % n_keys);
		MDB_val key = { 16, text }, value = { sizeof(data), data };
		need(mdb_put(txn, dbi, &key, &value, 0));
	}
	need(mdb_txn_commit(txn));
	double begin = seconds();
	for (unsigned long i = 0; i < n; i++) {
		MDB_val key = { 16, texts[i % n_keys] }, value;
		need(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn));
		need(mdb_get(txn, dbi, &key, &value));
		std::memcpy(copy, value.mv_data, sizeof(copy));
		mdb_txn_abort(txn);
	}
	double took = seconds() - begin;
	mdb_env_close(env);
	return took;
}

int main(int argc, char **argv)
{
	bool dict = argc > 3 && !std::strcmp(argv[1], "dict");
	if (argc < 3) {
		std::fprintf(stderr, "usage: peers queue ITEMS | dict DIR ITEMS\n");
		return 2;
	}
	unsigned long n = std::strtoul(argv[dict ? 3 : 2], nullptr, 10);
	double took = dict ? dict_round(argv[2], n) : queue_round(n);
	std::printf("%.1f\n", took / double(n) * 1e9);
}
