// SPDX-License-Identifier: Apache-2.0
// What the clients of the remote figures share. Their calls are of encoded messages, made once, so that the client
// costs little beside the server that is measured.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <memory>
#include <optional>
#include <string>

#include "sabir/v1/manager.grpc.pb.h"
#include "sabir/v1/queue.grpc.pb.h"

namespace bench
{
constexpr char PUT[] = "/sabir.v1.QueueService/Put";
constexpr char GET[] = "/sabir.v1.QueueService/Get";

inline void need(const grpc::Status &status)
{
	if (status.ok())
		return;
	std::fprintf(stderr, "bench: %d: %s\n", status.error_code(), status.error_message().c_str());
	std::exit(1);
}

inline std::shared_ptr<grpc::Channel> connect(const char *target)
{
	setenv("GRPC_EXPERIMENTS", "-posix_event_engine_enable_polling", 0); // else idle threads of gRPC poll
	grpc::ChannelArguments args;
	args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0); // they cost each call something, and none is retried
	return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), args);
}

inline void create_queue(const std::shared_ptr<grpc::Channel> &channel, const std::string &name)
{
	grpc::ClientContext context;
	sabir::v1::ManagerServiceCreateRequest request;
	sabir::v1::ManagerServiceCreateResponse response;
	request.set_name(name);
	request.set_exist_ok(true);
	request.mutable_queue();
	need(sabir::v1::ManagerService::NewStub(channel)->Create(&context, request, &response));
}

inline grpc::ByteBuffer encode(const google::protobuf::Message &message)
{
	grpc::Slice slice(message.SerializeAsString());
	return grpc::ByteBuffer(&slice, 1);
}

inline grpc::ByteBuffer put_request(const std::string &name)
{
	sabir::v1::QueueServicePutRequest request;
	request.mutable_queue()->set_name(name);
	request.mutable_item()->set_bytes_value(std::string(64, 'x'));
	return encode(request);
}

inline grpc::ByteBuffer get_request(const std::string &name, bool waits)
{
	sabir::v1::QueueServiceGetRequest request;
	request.mutable_queue()->set_name(name);
	if (!waits)
		request.mutable_timeout();
	return encode(request);
}

// A call under way; its address is its tag.
struct Call {
	std::optional<grpc::ClientContext> context;
	std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
	grpc::ByteBuffer reply;
	grpc::Status status;

	void start(grpc::GenericStub &stub, const char *method, const grpc::ByteBuffer &request,
		   grpc::CompletionQueue &queue)
	{
		reader.reset();
		context.emplace();
		reader = stub.PrepareUnaryCall(&*context, method, request, &queue);
		reader->StartCall();
		reader->Finish(&reply, &status, this);
	}
};

inline Call *next(grpc::CompletionQueue &queue)
{
	void *tag;
	bool ok;
	if (!queue.Next(&tag, &ok))
		std::abort(); // nobody shuts it down
	return static_cast<Call *>(tag);
}
} // namespace bench
