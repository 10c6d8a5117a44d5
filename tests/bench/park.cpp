// SPDX-License-Identifier: Apache-2.0
// Calls that wait, beside which others are measured.
//
//   park TARGET N create    makes the queues on which they will wait
//   park TARGET N           parks N Gets on one connection and prints "parked" when the server has them all; on the
//                           end of its input it puts one item, prints how many Gets that woke, and cancels the others
#include <vector>

#include "tests/bench/client.hpp"

static constexpr int n_queues = 100;

namespace
{
class Parked
{
      public:
	Parked(const std::shared_ptr<grpc::Channel> &channel, int n) : stub(channel), calls(n)
	{
		for (int i = 0; i < n; i++)
			calls[i].start(stub, bench::GET, bench::get_request(name(i), true), queue);
		pass();
	}

	static std::string name(int i)
	{
		return "bench/parked/" + std::to_string(i % n_queues);
	}

	// How many calls one item ends.
	int wake_one()
	{
		bench::Call put;
		put.start(stub, bench::PUT, bench::put_request(name(0)), others);
		bench::need(bench::next(others)->status);
		bench::need(bench::next(queue)->status);
		pass();
		int n_woken = 1;
		void *tag;
		bool ok;
		while (queue.AsyncNext(&tag, &ok, gpr_time_0(GPR_CLOCK_MONOTONIC)) == grpc::CompletionQueue::GOT_EVENT)
			n_woken++;
		n_ended += n_woken;
		return n_woken;
	}

	void cancel()
	{
		for (bench::Call &call : calls)
			call.context->TryCancel();
		for (; n_ended < calls.size(); n_ended++)
			bench::next(queue);
		pass();
	}

      private:
	// Returns when the server has seen all that was sent before. A Get that doesn't wait comes behind the others
	// of its method and connection; the second one is for a server with several threads.
	void pass()
	{
		for (int i = 0; i < 2; i++) {
			bench::Call call;
			call.start(stub, bench::GET, bench::get_request(name(0), false), others);
			if (bench::next(others)->status.error_code() != grpc::StatusCode::FAILED_PRECONDITION) // EMPTY
				bench::need(grpc::Status(grpc::StatusCode::INTERNAL, "a queue is not empty"));
		}
	}

	grpc::GenericStub stub;
	grpc::CompletionQueue queue, others;
	std::vector<bench::Call> calls;
	size_t n_ended = 0;
};
} // namespace

int main(int argc, char **argv)
{
	if (argc < 3) {
		std::fprintf(stderr, "usage: park TARGET N [create]\n");
		return 2;
	}
	auto channel = bench::connect(argv[1]);
	if (argc > 3) {
		for (int i = 0; i < n_queues; i++)
			bench::create_queue(channel, Parked::name(i));
		return 0;
	}
	Parked parked(channel, std::atoi(argv[2]));
	std::printf("parked\n");
	std::fflush(stdout);
	while (std::getchar() != EOF)
		;
	std::printf("%d\n", parked.wake_one());
	parked.cancel();
}
