// SPDX-License-Identifier: Apache-2.0
// One round of a remote figure, in calls per second; the same for sabird and for its peer.
//
//   rate TARGET CALLS     64 unary calls outstanding on one connection, from one thread; each of the 64 puts an item
//                         of 64 bytes, then gets one, so that the queue stays small and no get waits; the clock
//                         runs after the first tenth
//   rate TARGET create    makes the queue; sabird only
#include <chrono>
#include <cstring>
#include <vector>

#include "tests/bench/client.hpp"

static constexpr char queue_name[] = "bench/rate";
static constexpr unsigned long n_outstanding = 64;

namespace
{
struct Pair : bench::Call {
	bool putting = true;
};
} // namespace

static double seconds()
{
	using namespace std::chrono;
	return duration<double>(steady_clock::now().time_since_epoch()).count();
}

static double rate(const std::shared_ptr<grpc::Channel> &channel, unsigned long n)
{
	const unsigned long n_warm = n / 10;
	grpc::GenericStub stub(channel);
	grpc::CompletionQueue queue;
	const grpc::ByteBuffer put = bench::put_request(queue_name), get = bench::get_request(queue_name, true);
	std::vector<Pair> pairs(n_outstanding);
	double begin = 0, took = 0;
	unsigned long n_running = n_outstanding, n_done = 0;
	for (Pair &pair : pairs)
		pair.start(stub, bench::PUT, put, queue);
	while (n_running) {
		Pair &pair = *static_cast<Pair *>(bench::next(queue));
		bench::need(pair.status);
		n_done++;
		if (n_done == n_warm)
			begin = seconds();
		if (n_done == n)
			took = seconds() - begin;
		if (!pair.putting && pair.reply.Length() < 64)
			bench::need(grpc::Status(grpc::StatusCode::DATA_LOSS, "an item came back short"));
		pair.putting = !pair.putting;
		if (pair.putting && took > 0)
			n_running--;
		else
			pair.start(stub, pair.putting ? bench::PUT : bench::GET, pair.putting ? put : get, queue);
	}
	return double(n - n_warm) / took;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		std::fprintf(stderr, "usage: rate TARGET CALLS|create\n");
		return 2;
	}
	auto channel = bench::connect(argv[1]);
	if (!std::strcmp(argv[2], "create"))
		bench::create_queue(channel, queue_name);
	else
		std::printf("%.0f\n", rate(channel, std::strtoul(argv[2], nullptr, 10)));
}
