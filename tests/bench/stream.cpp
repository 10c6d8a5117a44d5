// SPDX-License-Identifier: Apache-2.0
// One round of the streams' figures, in items per second.
//
//   stream TARGET produce ITEMS    a stream of messages with 100 items of 64 bytes; until the last is accepted
//   stream TARGET consume ITEMS    what produce has put: 100 items a message, 4000 outstanding; until the last is
//                                  acknowledged and the queue is empty
//   stream TARGET put|get ITEMS    the same with PutMany and GetMany of 100, one call at a time
#include <chrono>
#include <cstring>
#include <thread>

#include "tests/bench/client.hpp"

using sabir::v1::QueueService;
using Clock = std::chrono::steady_clock;

static constexpr char queue_name[] = "bench/stream";
static constexpr unsigned batch = 100, credit = 4000;

template <class Request> static void add_items(Request &request)
{
	for (unsigned i = 0; i < batch; i++)
		request.add_items()->set_bytes_value(std::string(64, 'x'));
}

static void produce(QueueService::Stub &stub, unsigned long n)
{
	grpc::ClientContext context;
	auto stream = stub.Produce(&context);
	std::thread writer([&] {
		sabir::v1::QueueServiceProduceRequest request;
		request.mutable_queue()->set_name(queue_name);
		stream->Write(request);
		request.clear_queue();
		add_items(request);
		for (unsigned long i = 0; i < n; i += batch)
			stream->Write(request);
		stream->WritesDone();
	});
	sabir::v1::QueueServiceProduceResponse response;
	unsigned long accepted = 0;
	while (stream->Read(&response))
		accepted = response.accepted();
	writer.join();
	bench::need(stream->Finish());
	if (accepted != n)
		bench::need(grpc::Status(grpc::StatusCode::DATA_LOSS, "not all was accepted"));
}

static void consume(QueueService::Stub &stub, unsigned long n)
{
	grpc::ClientContext context;
	auto stream = stub.Consume(&context);
	sabir::v1::QueueServiceConsumeRequest request;
	request.mutable_queue()->set_name(queue_name);
	request.set_max_outstanding(credit);
	request.set_max_items(batch);
	stream->Write(request);
	sabir::v1::QueueServiceConsumeResponse response;
	for (unsigned long got = 0; got < n && stream->Read(&response);) {
		got += unsigned(response.items_size());
		request.Clear();
		request.set_acknowledged(got);
		stream->Write(request);
	}
	stream->WritesDone();
	while (stream->Read(&response))
		;
	bench::need(stream->Finish());
	grpc::ClientContext size_context;
	sabir::v1::QueueServiceSizeRequest size_request;
	sabir::v1::QueueServiceSizeResponse size;
	size_request.mutable_queue()->set_name(queue_name);
	bench::need(stub.Size(&size_context, size_request, &size));
	if (size.size() || size.leased())
		bench::need(grpc::Status(grpc::StatusCode::DATA_LOSS, "not all was consumed"));
}

static void put(QueueService::Stub &stub, unsigned long n)
{
	sabir::v1::QueueServicePutManyRequest request;
	request.mutable_queue()->set_name(queue_name);
	add_items(request);
	for (unsigned long i = 0; i < n; i += batch) {
		grpc::ClientContext context;
		sabir::v1::QueueServicePutManyResponse response;
		bench::need(stub.PutMany(&context, request, &response));
	}
}

static void get(QueueService::Stub &stub, unsigned long n)
{
	sabir::v1::QueueServiceGetManyRequest request;
	request.mutable_queue()->set_name(queue_name);
	request.set_max_items(batch);
	for (unsigned long got = 0; got < n;) {
		grpc::ClientContext context;
		sabir::v1::QueueServiceGetManyResponse response;
		bench::need(stub.GetMany(&context, request, &response));
		got += unsigned(response.items_size());
	}
}

int main(int argc, char **argv)
{
	struct {
		const char *name;
		void (*run)(QueueService::Stub &, unsigned long);
	} const modes[] = { { "produce", produce }, { "consume", consume }, { "put", put }, { "get", get } };
	if (argc == 4)
		for (const auto &mode : modes) {
			if (std::strcmp(argv[2], mode.name))
				continue;
			auto channel = bench::connect(argv[1]);
			bench::create_queue(channel, queue_name);
			auto stub = QueueService::NewStub(channel);
			const unsigned long n = std::strtoul(argv[3], nullptr, 10) / batch * batch;
			const auto begin = Clock::now();
			mode.run(*stub, n);
			std::printf("%.0f\n", double(n) / std::chrono::duration<double>(Clock::now() - begin).count());
			return 0;
		}
	std::fprintf(stderr, "usage: stream TARGET produce|consume|put|get ITEMS\n");
	return 2;
}
