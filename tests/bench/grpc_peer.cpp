// SPDX-License-Identifier: Apache-2.0
// The peer of the remote figures: QueueService's Put and Get as a plain gRPC C++ asynchronous server does them, on a
// mutex and a deque. It looks at no queue's name and never waits: its clients get only what was put before.
//
//   grpc_peer THREADS ADDRESS...    prints the port of the last ADDRESS when it serves; ends with its parent
//
// It is written to be fast: a completion queue and a thread for each of THREADS, calls that are used again and keep
// their memory, and only as many of them asked for at a time as help, because a debug build of gRPC, as in Debian,
// searches all that are outstanding each time one ends.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <grpcpp/grpcpp.h>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <sys/prctl.h>
#include <thread>
#include <vector>

#include "sabir/v1/queue.grpc.pb.h"

using namespace sabir::v1;
using Service = QueueService::AsyncService;

static std::mutex mutex;
static std::deque<std::string> items;

static grpc::Status run(QueueServicePutRequest &request, QueueServicePutResponse &)
{
	std::lock_guard lock(mutex);
	items.push_back(std::move(*request.mutable_item()->mutable_bytes_value()));
	return grpc::Status::OK;
}

static grpc::Status run(QueueServiceGetRequest &, QueueServiceGetResponse &response)
{
	std::lock_guard lock(mutex);
	if (items.empty())
		return grpc::Status(grpc::StatusCode::NOT_FOUND, "nothing was put");
	*response.mutable_item()->mutable_bytes_value() = std::move(items.front());
	items.pop_front();
	return grpc::Status::OK;
}

// What a completion queue's tags are.
class Event
{
      public:
	virtual ~Event() = default;
	virtual void proceed() = 0;
};

// A call of one method, over and over: asked for, answered, asked for again.
template <class Request, class Response, auto Ask> class Call : public Event
{
      public:
	Call(Service &the_service, grpc::ServerCompletionQueue &the_queue) : service(the_service), queue(the_queue)
	{
		ask();
	}

	void proceed() override
	{
		if (answered)
			return ask();
		answered = true;
		response.Clear();
		grpc::Status status = run(request, response);
		if (status.ok())
			responder->Finish(response, status, this);
		else
			responder->FinishWithError(status, this);
	}

      private:
	void ask()
	{
		answered = false;
		responder.reset();
		context.emplace();
		responder.emplace(&*context);
		(service.*Ask)(&*context, &request, &*responder, &queue, &queue, this);
	}

	Service &service;
	grpc::ServerCompletionQueue &queue;
	Request request;
	Response response;
	std::optional<grpc::ServerContext> context;
	std::optional<grpc::ServerAsyncResponseWriter<Response>> responder;
	bool answered = false;
};

using Put = Call<QueueServicePutRequest, QueueServicePutResponse, &Service::RequestPut>;
using Get = Call<QueueServiceGetRequest, QueueServiceGetResponse, &Service::RequestGet>;

static void serve(Service &service, grpc::ServerCompletionQueue &queue, int n_calls)
{
	std::vector<std::unique_ptr<Event>> calls;
	for (int i = 0; i < n_calls; i++) {
		calls.push_back(std::make_unique<Put>(service, queue));
		calls.push_back(std::make_unique<Get>(service, queue));
	}
	void *tag;
	bool ok;
	while (queue.Next(&tag, &ok))
		static_cast<Event *>(tag)->proceed();
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		std::fprintf(stderr, "usage: grpc_peer THREADS ADDRESS...\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	// As sabird does: else gRPC's own threads poll beside ours.
	setenv("GRPC_EXPERIMENTS", "-posix_event_engine_enable_polling", 0);
	Service service;
	grpc::ServerBuilder builder;
	int port = 0;
	for (int i = 2; i < argc; i++)
		builder.AddListeningPort(argv[i], grpc::InsecureServerCredentials(), &port);
	builder.RegisterService(&service);
	std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
	for (int i = 0; i < std::atoi(argv[1]); i++)
		queues.push_back(builder.AddCompletionQueue());
	std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
	if (!server || !port) {
		std::fprintf(stderr, "grpc_peer: an address is in use\n");
		return 1;
	}
	std::vector<std::thread> threads;
	for (auto &queue : queues)
		threads.emplace_back(serve, std::ref(service), std::ref(*queue), 32);
	std::printf("%d\n", port);
	std::fflush(stdout);
	for (auto &thread : threads)
		thread.join();
}
