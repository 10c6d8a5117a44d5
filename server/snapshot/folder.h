/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SNAPSHOT_FOLDER_H
#define SABIR_SNAPSHOT_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"

/*
 * The folder of a server's snapshots: sabir-NUMBER.snapshot, the higher the number the newer, whatever a clock says. One
 * server has it at a time.
 */
#define FOLDER_NAME_SIZE 64

struct folder {
	int fd;           /* locked while it is open */
	const char *path; /* borrowed */
};

/*
 * Makes the folder if it is missing, for this user alone, and takes it; temporary files that a server has left are removed.
 * `detail` gets what went wrong. Errors: ALREADY_EXISTS (another server has it), IO_ERROR. The path is to outlive it.
 */
enum sabir_error folder_open(const char *path, char *detail, size_t size, struct folder *folder);
/*
 * Once it has been deleted: makes and takes it anew, by its path. Errors: IO_ERROR (also: another server has it now); then it
 * is as it was.
 */
enum sabir_error folder_renew(struct folder *folder, char *detail, size_t size);
void folder_close(struct folder *folder);

/* What has a higher number is no snapshot: none could come behind it. */
#define FOLDER_LAST (UINT64_MAX - 1)
/* The number of the next snapshot; `detail` gets what went wrong. Errors: IO_ERROR (also: there is none), NO_MEMORY. */
enum sabir_error folder_next(const struct folder *folder, char *detail, size_t size, uint64_t *number);
/* The numbers of the snapshots, newest first, malloc'ed. Errors: IO_ERROR, NO_MEMORY. */
enum sabir_error folder_list(const struct folder *folder, uint64_t **numbers, size_t *n);
/* Removes all but the `keep` newest; returns how many. */
size_t folder_prune(const struct folder *folder, size_t keep);
/* Puts a snapshot that can't be read out of the way: it gets another name, and counts no more. */
void folder_refuse(const struct folder *folder, uint64_t number);

void folder_name(uint64_t number, char name[FOLDER_NAME_SIZE]);
void folder_temporary_name(uint64_t number, char name[FOLDER_NAME_SIZE]);

#endif
