# SPDX-License-Identifier: Apache-2.0
"""The contract's messages, for scripts that call by plain gRPC: made from build/gen/descriptor.pb, so nothing is generated.

Whoever imports it has tests/kit in PYTHONPATH and runs in the project's folder.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def load():
    files = descriptor_pb2.FileDescriptorSet()
    with open("build/gen/descriptor.pb", "rb") as binary:
        files.ParseFromString(binary.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    services = [pool.FindServiceByName(f"sabir.v1.{service.name}")
                for file in files.file if file.package == "sabir.v1" for service in file.service]
    return pool, {f"{service.name}/{method.name}": method for service in services for method in service.methods}


POOL, METHODS = load()  # METHODS: descriptors, by "QueueService/Put" and the like


def types(path):
    """The classes of an operation's request and response."""
    method = METHODS[path]
    return message_factory.GetMessageClass(method.input_type), message_factory.GetMessageClass(method.output_type)
