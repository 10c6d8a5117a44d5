/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_SCHEMA_H
#define SABIR_RPC_SCHEMA_H

#include <stdbool.h>

#include "server/base/bytes.h"

/*
 * The descriptors of all protos that the server speaks, as they were made at build time: what reflection serves and
 * where the names of the services come from. A file is an encoded google.protobuf.FileDescriptorProto; its data is NULL
 * when there is none. Names are full names without a leading dot.
 */
struct span schema_file(struct span name);
struct span schema_file_of_symbol(struct span symbol);
struct span schema_file_of_extension(struct span type, uint64_t number);

/* Calls `visit` for the number of each extension of a message. */
void schema_extensions(struct span type, void (*visit)(void *context, uint64_t number), void *context);
/* Calls `visit` with the name of each service, until it returns false. */
void schema_services(bool (*visit)(void *context, struct span name), void *context);
bool schema_has_service(struct span name);

/* Adds the file and all that it imports, directly or not, each once, as items. Errors: NO_MEMORY. */
enum sabir_error schema_add_with_imports(struct span file, struct bytes *out);

#endif
