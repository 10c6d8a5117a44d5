/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SNAPSHOT_FORMAT_H
#define SABIR_SNAPSHOT_FORMAT_H

/*
 * The frames of a snapshot file; all numbers are little-endian. snapshot.proto has the messages in them, README.md their
 * order. None of this changes with the layout of the shared memory.
 */
#define SNAPSHOT_MAGIC "SABIRSNP"
/* Raised when a reader of the number before would read a file wrongly. New fields of messages don't raise it. */
#define SNAPSHOT_VERSION 1u

/*
 * The file's head: magic (8), version (u32), 0 (u32), id (u64), hash (u64). The id is random, so that nothing of another
 * file passes for a part of this one. The hash is XXH3-64 of the 24 bytes in front of it.
 */
#define SNAPSHOT_HEAD 32u

/*
 * Each frame's head: length of its message (u32), type (u32), hash (u64). The hash is XXH3-64 of the message, its seed
 * XXH3-64 of: the file's id (u64), the number of the frame, from 0 (u64), length (u32) and type (u32).
 */
#define SNAPSHOT_FRAME_HEAD 16u

#define SNAPSHOT_BEGIN 1u   /* Begin: the first frame */
#define SNAPSHOT_OBJECT 2u  /* Object */
#define SNAPSHOT_CONTENT 3u /* Content: of the last object in front of it */
#define SNAPSHOT_END 4u     /* End: the last frame; a file without it is torn */

/* Writers begin a new Content behind this many bytes; one large item may be in a larger one. */
#define SNAPSHOT_CONTENT_BYTES (256u << 10)

#endif
