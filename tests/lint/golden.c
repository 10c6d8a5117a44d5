/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the size of every struct of proto/segment/layout.h and the offset and size of every field, and the value of
 * every constant: what golden.txt beside that header pins. Fields are listed in their order and each must begin where
 * the one before ended, the last one ending the struct: so no field can be forgotten here, and no padding can hide
 * between fields. Exit status 1 if that is not so.
 */
#include <stddef.h>
#include <stdio.h>

#include "proto/segment/layout.h"

static size_t at;
static int wrong;

static void expect(const char *what, size_t off)
{
	if (off == at)
		return;
	fprintf(stderr, "%s: at %zu, but what is listed before it ends at %zu\n", what, off, at);
	wrong = 1;
}

#define BEGIN(type) (at = 0, printf("%s size %zu\n", #type, sizeof(struct type)))
#define FIELD(type, field)                                                                                             \
	(expect(#type "." #field, offsetof(struct type, field)),                                                       \
	 printf("%s.%s %zu %zu\n", #type, #field, offsetof(struct type, field), sizeof(((struct type *)0)->field)),    \
	 at = offsetof(struct type, field) + sizeof(((struct type *)0)->field))
#define FLEXIBLE(type, field)                                                                                          \
	(expect(#type "." #field, offsetof(struct type, field)),                                                       \
	 printf("%s.%s %zu\n", #type, #field, offsetof(struct type, field)))
#define END(type) expect(#type, sizeof(struct type))
#define CONSTANT(name) printf("%s 0x%llx\n", #name, (unsigned long long)(name))

static void print_constants(void)
{
	CONSTANT(SEG_LAYOUT_VERSION);
	CONSTANT(SEG_MAGIC);
	CONSTANT(SEG_LINE);
	CONSTANT(SEG_REF_SHIFT);
	CONSTANT(SEG_CHUNK_SHIFT);
	CONSTANT(SEG_CHUNK_SIZE);
	CONSTANT(SEG_N_CLASSES);
	CONSTANT(SEG_HINT_LIMBO);
	CONSTANT(SEG_N_HINTS);
	CONSTANT(SEG_SLAB_HEADER);
	CONSTANT(SEG_CACHE_REFS);
	CONSTANT(SEG_HAND_REFS);
	CONSTANT(SEG_RESERVED_REFS);
	CONSTANT(SEG_JOURNAL_RECORDS);
	CONSTANT(SEG_MAX_LANES);
	CONSTANT(SEG_PINNED);
	CONSTANT(SEG_MAX_OBJECTS);
	CONSTANT(SEG_OWNER_FREE);
	CONSTANT(SEG_OWNER_LIVE);
	CONSTANT(SEG_OWNER_DEAD);
	CONSTANT(SEG_SESSION_ENDS);
	CONSTANT(SEG_LANE_FREE);
	CONSTANT(SEG_LANE_LIVE);
	CONSTANT(SEG_OP_NONE);
	CONSTANT(SEG_OP_QUEUE_PUT);
	CONSTANT(SEG_OP_QUEUE_GET);
	CONSTANT(SEG_OP_ARRAY_WRITE);
	CONSTANT(SEG_OP_DICT_WRITE);
	CONSTANT(SEG_OP_CREATE);
	CONSTANT(SEG_OP_DELETE);
	CONSTANT(SEG_OP_SWEEP);
	CONSTANT(SEG_OP_RECOVER);
	CONSTANT(SEG_OP_READ);
	CONSTANT(SEG_OP_VALUE_WRITE);
	CONSTANT(SEG_OP_QUEUE_CLOSE);
	CONSTANT(SEG_OP_LIST_WRITE);
	CONSTANT(SEG_OP_SHARED_LIST_WRITE);
	CONSTANT(SEG_OP_PIPE_OPEN);
	CONSTANT(SEG_OP_PIPE_CLOSE);
	CONSTANT(SEG_OP_BLOCK_WRITE);
	CONSTANT(SEG_OP_WATCH);
	CONSTANT(SEG_OP_ENTRY);
	CONSTANT(SEG_OP_SYNC);
	CONSTANT(SEG_PHASE_OPEN);
	CONSTANT(SEG_PHASE_COMMITTED);
	CONSTANT(SEG_PHASE_MAKING);
	CONSTANT(SEG_NAMING_DELETE);
}

static void print_states(void)
{
	CONSTANT(SEG_CHUNK_FREE);
	CONSTANT(SEG_CHUNK_IDLE);
	CONSTANT(SEG_CHUNK_FORMING);
	CONSTANT(SEG_CHUNK_SLAB);
	CONSTANT(SEG_CHUNK_LARGE);
	CONSTANT(SEG_CHUNK_RUN);
	CONSTANT(SEG_CHUNK_LIMBO);
	CONSTANT(SEG_OBJECT_LIMBO);
	CONSTANT(SEG_BLOCK_FREE);
	CONSTANT(SEG_BLOCK_PRIVATE);
	CONSTANT(SEG_BLOCK_LIVE);
	CONSTANT(SEG_BLOCK_TAKEN);
	CONSTANT(SEG_OBJECT_FREE);
	CONSTANT(SEG_OBJECT_FORMING);
	CONSTANT(SEG_OBJECT_LIVE);
	CONSTANT(SEG_OBJECT_DYING);
	CONSTANT(SEG_OBJECT_SWEEPING);
	CONSTANT(SEG_OBJECT_HIDDEN);
	CONSTANT(SEG_OBJECT_REFERS);
	CONSTANT(SEG_HOLD_SHIFT);
	CONSTANT(SEG_HOLD_MOST);
	CONSTANT(SEG_N_HOLDS);
	CONSTANT(SEG_KIND_QUEUE);
	CONSTANT(SEG_KIND_VALUE);
	CONSTANT(SEG_KIND_ARRAY);
	CONSTANT(SEG_KIND_DICT);
	CONSTANT(SEG_KIND_LIST);
	CONSTANT(SEG_KIND_SHARED_LIST);
	CONSTANT(SEG_LIST_FAN);
	CONSTANT(SEG_LIST_LEVELS);
	CONSTANT(SEG_SLOT_SECOND);
	CONSTANT(SEG_KIND_NAMESPACE);
	CONSTANT(SEG_KIND_PIPE);
	CONSTANT(SEG_KIND_BLOCK);
	CONSTANT(SEG_PIPE_ONE_WAY);
	CONSTANT(SEG_OP_TASK_PUT);
	CONSTANT(SEG_OP_TASK_GET);
	CONSTANT(SEG_OP_TASK_CHANGE);
	CONSTANT(SEG_OP_TASK_CLEAR);
	CONSTANT(SEG_OP_TASK_MOVE);
	CONSTANT(SEG_OP_HOLD);
	CONSTANT(SEG_KIND_TASK_QUEUE);
	CONSTANT(SEG_EVENT_DONE);
	CONSTANT(SEG_EVENT_CHANGED);
	CONSTANT(SEG_N_EVENTS);
	CONSTANT(SEG_SKIP_LEVELS);
	CONSTANT(SEG_N_CHANGES);
	CONSTANT(SEG_CHANGE_KEY_MAX);
	CONSTANT(SEG_TASK_READY);
	CONSTANT(SEG_TASK_DELAYED);
	CONSTANT(SEG_TASK_LEASED);
	CONSTANT(SEG_TASK_DEAD);
	CONSTANT(SEG_TASK_DEAD_LETTER_MAX);
	CONSTANT(SEG_TASK_FIFO);
	CONSTANT(SEG_TASK_LIFO);
	CONSTANT(SEG_TASK_PRIORITY);
	CONSTANT(SEG_N_HOLDERS);
	CONSTANT(SEG_KIND_LOCK);
	CONSTANT(SEG_KIND_RLOCK);
	CONSTANT(SEG_KIND_SEMAPHORE);
	CONSTANT(SEG_KIND_CONDITION);
	CONSTANT(SEG_KIND_EVENT);
	CONSTANT(SEG_KIND_BARRIER);
	CONSTANT(SEG_SEMAPHORE_BOUNDED);
	CONSTANT(SEG_SEMAPHORE_OWNED);
	CONSTANT(SEG_LOCK_STRICT);
	CONSTANT(SEG_LOCK_ABANDONED);
	CONSTANT(SEG_LOCK_FORGIVEN);
	CONSTANT(SEG_TURN_WAITING);
	CONSTANT(SEG_TURN_CALLED);
	CONSTANT(SEG_TURN_BROKEN);
	CONSTANT(SEG_TURN_EXPIRED);
	CONSTANT(SEG_TURN_TICKET);
	CONSTANT(SEG_EVENT_ITEMS);
	CONSTANT(SEG_EVENT_ROOM);
	CONSTANT(SEG_WAITING_LOCAL);
	CONSTANT(SEG_WAITING_SERVER);
	CONSTANT(SEG_SLOT_DONE);
	CONSTANT(SEG_SLOT_CLOSED);
	CONSTANT(SEG_CELL_GONE);
	CONSTANT(SEG_ORDER_FAN);
}

static void print_header(void)
{
	BEGIN(seg_header);
	FIELD(seg_header, magic);
	FIELD(seg_header, layout_version);
	FIELD(seg_header, header_size);
	FIELD(seg_header, segment_size);
	FIELD(seg_header, instance);
	FIELD(seg_header, hash_seed);
	FIELD(seg_header, create_time_ns);
	FIELD(seg_header, owners_off);
	FIELD(seg_header, lanes_off);
	FIELD(seg_header, objects_off);
	FIELD(seg_header, chunks_off);
	FIELD(seg_header, hints_off);
	FIELD(seg_header, ready_off);
	FIELD(seg_header, data_off);
	FIELD(seg_header, n_owners);
	FIELD(seg_header, n_lanes);
	FIELD(seg_header, n_objects);
	FIELD(seg_header, n_chunks);
	FIELD(seg_header, max_item_bytes);
	FIELD(seg_header, sessions_off);
	FIELD(seg_header, pad0);
	FIELD(seg_header, epoch);
	FIELD(seg_header, epoch_floor);
	FIELD(seg_header, pad1);
	FIELD(seg_header, doorbell);
	FIELD(seg_header, pad2);
	FIELD(seg_header, ready_summary);
	FIELD(seg_header, pad3);
	FIELD(seg_header, chunk_hint);
	FIELD(seg_header, object_hint);
	FIELD(seg_header, lane_hint);
	FIELD(seg_header, n_lanes_used);
	FIELD(seg_header, sweep_wanted);
	FIELD(seg_header, light_pins);
	FIELD(seg_header, expiry_ns);
	FIELD(seg_header, pad4);
	FIELD(seg_header, cycle);
	FIELD(seg_header, collect_wanted);
	FIELD(seg_header, pad5);
	FIELD(seg_header, reserved);
	END(seg_header);
}

static void print_owner(void)
{
	BEGIN(seg_owner);
	FIELD(seg_owner, word);
	FIELD(seg_owner, pid);
	FIELD(seg_owner, flags);
	FIELD(seg_owner, attach_time_ns);
	FIELD(seg_owner, label);
	END(seg_owner);

	BEGIN(seg_session);
	FIELD(seg_session, word);
	FIELD(seg_session, lease_ns); /* `returning` lies there too */
	FIELD(seg_session, lost_below);
	FIELD(seg_session, acked_below);
	FIELD(seg_session, answers);
	FIELD(seg_session, print);
	FIELD(seg_session, peer);
	FIELD(seg_session, n_returned);
	FIELD(seg_session, holds_items);
	END(seg_session);
}

static void print_cache(void)
{
	BEGIN(seg_cache);
	FIELD(seg_cache, n);
	FIELD(seg_cache, refs);
	END(seg_cache);
}

static void print_undo(void)
{
	BEGIN(seg_undo);
	FIELD(seg_undo, off);
	FIELD(seg_undo, old);
	END(seg_undo);
}

static void print_lane(void)
{
	BEGIN(seg_lane);
	FIELD(seg_lane, word);
	FIELD(seg_lane, pad0);
	FIELD(seg_lane, epoch);
	FIELD(seg_lane, op);
	FIELD(seg_lane, object);
	FIELD(seg_lane, handle);
	FIELD(seg_lane, phase);
	FIELD(seg_lane, chain);
	FIELD(seg_lane, chain_word);
	FIELD(seg_lane, slot_off);
	FIELD(seg_lane, candidate);
	FIELD(seg_lane, wait_side);
	FIELD(seg_lane, naming);
	FIELD(seg_lane, args);
	FIELD(seg_lane, hand);
	FIELD(seg_lane, refill_chunk);
	FIELD(seg_lane, doomed);
	FIELD(seg_lane, slab);
	FIELD(seg_lane, reserved);
	FIELD(seg_lane, cache);
	FIELD(seg_lane, n_undo);
	FIELD(seg_lane, committed);
	FIELD(seg_lane, pad3);
	FIELD(seg_lane, undo);
	FIELD(seg_lane, pad4);
	FIELD(seg_lane, asked_owner);
	FIELD(seg_lane, asked_id);
	FIELD(seg_lane, asked_state);
	FIELD(seg_lane, asked_error);
	FIELD(seg_lane, asked_len);
	FIELD(seg_lane, pad5);
	FIELD(seg_lane, asked_response);
	END(seg_lane);
}

static void print_chunk(void)
{
	BEGIN(seg_chunk);
	FIELD(seg_chunk, word);
	FIELD(seg_chunk, run);
	FIELD(seg_chunk, tags);
	END(seg_chunk);
}

static void print_slab(void)
{
	BEGIN(seg_slab);
	FIELD(seg_slab, class_index);
	FIELD(seg_slab, n_blocks);
	FIELD(seg_slab, pad);
	FIELD(seg_slab, free_bits);
	FIELD(seg_slab, limbo_bits);
	FIELD(seg_slab, limbo_epoch);
	END(seg_slab);
}

static void print_block(void)
{
	BEGIN(seg_block);
	FIELD(seg_block, word);
	FIELD(seg_block, next);
	FIELD(seg_block, len);
	END(seg_block);
}

static void print_event(void)
{
	BEGIN(seg_event);
	FIELD(seg_event, seq);
	FIELD(seg_event, waiting);
	END(seg_event);
}

static void print_object(void)
{
	BEGIN(seg_object);
	FIELD(seg_object, word);
	FIELD(seg_object, kind);
	FIELD(seg_object, flags);
	FIELD(seg_object, name);
	FIELD(seg_object, body);
	FIELD(seg_object, owner);
	FIELD(seg_object, create_time_ns);
	FIELD(seg_object, retire_epoch);
	FIELD(seg_object, damaged);
	FIELD(seg_object, part_of);
	FIELD(seg_object, lock);
	FIELD(seg_object, expire_ns);
	FIELD(seg_object, changes);
	FIELD(seg_object, held);
	FIELD(seg_object, holders);
	FIELD(seg_object, refs);
	FIELD(seg_object, seen);
	FIELD(seg_object, pad1);
	FIELD(seg_object, event);
	FIELD(seg_object, pad2);
	END(seg_object);
	BEGIN(seg_holds);
	FIELD(seg_holds, block);
	FIELD(seg_holds, hold);
	END(seg_holds);
}

static void print_changes(void)
{
	BEGIN(seg_changes);
	FIELD(seg_changes, block);
	FIELD(seg_changes, lock);
	FIELD(seg_changes, head);
	FIELD(seg_changes, first);
	FIELD(seg_changes, asked_ns);
	FIELD(seg_changes, ready);
	FIELD(seg_changes, pad0);
	FIELD(seg_changes, pad1);
	END(seg_changes);
	BEGIN(seg_change);
	FIELD(seg_change, stamp);
	FIELD(seg_change, first);
	FIELD(seg_change, count);
	FIELD(seg_change, what);
	FIELD(seg_change, key_len);
	FIELD(seg_change, key);
	END(seg_change);
}

static void print_item(void)
{
	BEGIN(seg_item);
	FIELD(seg_item, block);
	FIELD(seg_item, ordinal);
	FIELD(seg_item, last);
	END(seg_item);
}

static void print_slots(void)
{
	BEGIN(seg_slots);
	FIELD(seg_slots, block);
	FIELD(seg_slots, base);
	FIELD(seg_slots, n_slots);
	FIELD(seg_slots, pad0);
	FIELD(seg_slots, pad1);
	FLEXIBLE(seg_slots, slot);
	END(seg_slots);
}

static void print_queue(void)
{
	BEGIN(seg_queue);
	FIELD(seg_queue, block);
	FIELD(seg_queue, max_items);
	FIELD(seg_queue, max_item_bytes);
	FIELD(seg_queue, pad0);
	FIELD(seg_queue, tail);
	FIELD(seg_queue, put_limit);
	FIELD(seg_queue, pad1);
	FIELD(seg_queue, head);
	FIELD(seg_queue, pad2);
	FIELD(seg_queue, returned);
	FIELD(seg_queue, n_returned);
	FIELD(seg_queue, held);
	FIELD(seg_queue, held_last);
	FIELD(seg_queue, n_held);
	FIELD(seg_queue, pad3);
	FIELD(seg_queue, pad4);
	END(seg_queue);
}

static void print_value(void)
{
	BEGIN(seg_value);
	FIELD(seg_value, block);
	FIELD(seg_value, type_code);
	FIELD(seg_value, pad0);
	FIELD(seg_value, lock);
	FIELD(seg_value, pad1);
	FIELD(seg_value, bits);
	FIELD(seg_value, pad2);
	END(seg_value);
}

static void print_array(void)
{
	BEGIN(seg_array);
	FIELD(seg_array, block);
	FIELD(seg_array, type_code);
	FIELD(seg_array, width);
	FIELD(seg_array, length);
	FIELD(seg_array, lock);
	FIELD(seg_array, pad0);
	END(seg_array);
}

static void print_timed(void)
{
	BEGIN(seg_timed);
	FIELD(seg_timed, version);
	FIELD(seg_timed, end);
	END(seg_timed);
}

static void print_dict(void)
{
	BEGIN(seg_dict);
	FIELD(seg_dict, block);
	FIELD(seg_dict, committed);
	FIELD(seg_dict, tables);
	FIELD(seg_dict, count);
	FIELD(seg_dict, floor);
	FIELD(seg_dict, order);
	FIELD(seg_dict, next_order);
	FIELD(seg_dict, n_used);
	FIELD(seg_dict, bytes);
	FIELD(seg_dict, pending);
	FIELD(seg_dict, gone);
	FIELD(seg_dict, move_cursor);
	FIELD(seg_dict, clearing);
	FIELD(seg_dict, trim);
	FIELD(seg_dict, trash_order);
	FIELD(seg_dict, trash_tables);
	FIELD(seg_dict, alarm);
	FIELD(seg_dict, next_timed);
	FIELD(seg_dict, timed);
	FIELD(seg_dict, pad0);
	END(seg_dict);
}

static void print_table(void)
{
	BEGIN(seg_table);
	FIELD(seg_table, block);
	FIELD(seg_table, log2_cells);
	FIELD(seg_table, pad0);
	FLEXIBLE(seg_table, part);
	END(seg_table);
}

static void print_cells(void)
{
	BEGIN(seg_cells);
	FIELD(seg_cells, block);
	FIELD(seg_cells, pad0);
	FLEXIBLE(seg_cells, cell);
	END(seg_cells);
}

static void print_order(void)
{
	BEGIN(seg_order);
	FIELD(seg_order, block);
	FIELD(seg_order, base);
	FIELD(seg_order, used);
	FIELD(seg_order, level);
	FIELD(seg_order, pad0);
	FIELD(seg_order, pad1);
	FIELD(seg_order, slot);
	END(seg_order);
}

static void print_node(void)
{
	BEGIN(seg_node);
	FIELD(seg_node, block);
	FIELD(seg_node, order);
	FIELD(seg_node, gone);
	END(seg_node);
}

static void print_version(void)
{
	BEGIN(seg_version);
	FIELD(seg_version, block);
	FIELD(seg_version, seq);
	FIELD(seg_version, node);
	FIELD(seg_version, pending_next);
	END(seg_version);
}

static void print_pipe(void)
{
	BEGIN(seg_pipe);
	FIELD(seg_pipe, block);
	FIELD(seg_pipe, max_items);
	FIELD(seg_pipe, max_item_bytes);
	FIELD(seg_pipe, queue);
	FIELD(seg_pipe, holders);
	FIELD(seg_pipe, flags);
	FIELD(seg_pipe, opened);
	FIELD(seg_pipe, closed);
	FIELD(seg_pipe, told);
	END(seg_pipe);
	BEGIN(seg_holders);
	FIELD(seg_holders, block);
	FIELD(seg_holders, owner);
	END(seg_holders);
}

static void print_memory(void)
{
	BEGIN(seg_memory);
	FIELD(seg_memory, block);
	FIELD(seg_memory, size);
	FIELD(seg_memory, pad0);
	END(seg_memory);
}

static void print_signal(void)
{
	BEGIN(seg_signal);
	FIELD(seg_signal, block);
	FIELD(seg_signal, pad0);
	FIELD(seg_signal, state);
	FIELD(seg_signal, pad1);
	END(seg_signal);
}

static void print_list(void)
{
	BEGIN(seg_list);
	FIELD(seg_list, block);
	FIELD(seg_list, top);
	FIELD(seg_list, pad0);
	FIELD(seg_list, writing);
	FIELD(seg_list, fresh);
	FIELD(seg_list, stale);
	FIELD(seg_list, pad1);
	FIELD(seg_list, bytes);
	FIELD(seg_list, pad2);
	END(seg_list);
}

static void print_list_node(void)
{
	BEGIN(seg_list_node);
	FIELD(seg_list_node, block);
	FIELD(seg_list_node, level);
	FIELD(seg_list_node, n);
	FIELD(seg_list_node, total);
	FIELD(seg_list_node, entry);
	END(seg_list_node);
}

static void print_list_item(void)
{
	BEGIN(seg_list_item);
	FIELD(seg_list_item, block);
	END(seg_list_item);
}

static void print_shared_list(void)
{
	BEGIN(seg_shared_list);
	FIELD(seg_shared_list, block);
	FIELD(seg_shared_list, length);
	FIELD(seg_shared_list, pad0);
	END(seg_shared_list);
}

static void print_shared_slot(void)
{
	BEGIN(seg_shared_slot);
	FIELD(seg_shared_slot, word);
	FIELD(seg_shared_slot, room_off);
	FIELD(seg_shared_slot, room);
	END(seg_shared_slot);
}

static void print_mutex(void)
{
	BEGIN(seg_mutex);
	FIELD(seg_mutex, block);
	FIELD(seg_mutex, flags);
	FIELD(seg_mutex, abandoned);
	FIELD(seg_mutex, owner);
	FIELD(seg_mutex, thread);
	FIELD(seg_mutex, depth);
	FIELD(seg_mutex, token);
	FIELD(seg_mutex, turns);
	END(seg_mutex);
}

static void print_turns(void)
{
	BEGIN(seg_turns);
	FIELD(seg_turns, waiting);
	FIELD(seg_turns, first);
	FIELD(seg_turns, last);
	FIELD(seg_turns, n);
	FIELD(seg_turns, n_waiting);
	FIELD(seg_turns, ticket);
	END(seg_turns);
	BEGIN(seg_turn);
	FIELD(seg_turn, block);
	FIELD(seg_turn, owner);
	FIELD(seg_turn, thread);
	FIELD(seg_turn, number);
	FIELD(seg_turn, link);
	FIELD(seg_turn, prev);
	FIELD(seg_turn, ticket);
	FIELD(seg_turn, state);
	FIELD(seg_turn, mark);
	END(seg_turn);
	BEGIN(seg_condition);
	FIELD(seg_condition, block);
	FIELD(seg_condition, lock);
	FIELD(seg_condition, own);
	FIELD(seg_condition, owed);
	FIELD(seg_condition, owed_before);
	FIELD(seg_condition, turns);
	END(seg_condition);
	BEGIN(seg_barrier);
	FIELD(seg_barrier, block);
	FIELD(seg_barrier, parties);
	FIELD(seg_barrier, broken);
	FIELD(seg_barrier, ending);
	FIELD(seg_barrier, pad0);
	FIELD(seg_barrier, cycle);
	FIELD(seg_barrier, turns);
	END(seg_barrier);
}

static void print_semaphore(void)
{
	BEGIN(seg_semaphore);
	FIELD(seg_semaphore, block);
	FIELD(seg_semaphore, flags);
	FIELD(seg_semaphore, units);
	FIELD(seg_semaphore, initial);
	FIELD(seg_semaphore, value);
	FIELD(seg_semaphore, turns);
	END(seg_semaphore);
	BEGIN(seg_units);
	FIELD(seg_units, block);
	FIELD(seg_units, owner);
	FIELD(seg_units, n);
	FIELD(seg_units, pad0);
	END(seg_units);
}

static void print_tasks(void)
{
	BEGIN(seg_skip);
	FIELD(seg_skip, key);
	FIELD(seg_skip, ordinal);
	FIELD(seg_skip, next);
	END(seg_skip);
	BEGIN(seg_task);
	FIELD(seg_task, block);
	FIELD(seg_task, order);
	FIELD(seg_task, time);
	FIELD(seg_task, expires);
	FIELD(seg_task, lease);
	FIELD(seg_task, holder);
	FIELD(seg_task, origin);
	FIELD(seg_task, priority);
	FIELD(seg_task, state);
	FIELD(seg_task, attempts);
	FIELD(seg_task, timed);
	FIELD(seg_task, pad0);
	END(seg_task);
	BEGIN(seg_task_id);
	FIELD(seg_task_id, block);
	FIELD(seg_task_id, hash);
	FIELD(seg_task_id, until);
	FIELD(seg_task_id, pad0);
	END(seg_task_id);
	BEGIN(seg_task_touch);
	FIELD(seg_task_touch, ordinal);
	FIELD(seg_task_touch, ref);
	FIELD(seg_task_touch, pad0);
	END(seg_task_touch);
	BEGIN(seg_task_log);
	FIELD(seg_task_log, block);
	FIELD(seg_task_log, number);
	FIELD(seg_task_log, n_touched);
	END(seg_task_log);
	BEGIN(seg_task_queue);
	FIELD(seg_task_queue, block);
	FIELD(seg_task_queue, max_items);
	FIELD(seg_task_queue, max_item_bytes);
	FIELD(seg_task_queue, dedup_window_ns);
	FIELD(seg_task_queue, ttl_ns);
	FIELD(seg_task_queue, discipline);
	FIELD(seg_task_queue, joinable);
	FIELD(seg_task_queue, max_attempts);
	FIELD(seg_task_queue, pad0);
	FIELD(seg_task_queue, next_ordinal);
	FIELD(seg_task_queue, next_lease);
	FIELD(seg_task_queue, unfinished);
	FIELD(seg_task_queue, alarm);
	FIELD(seg_task_queue, n_ready);
	FIELD(seg_task_queue, n_delayed);
	FIELD(seg_task_queue, n_leased);
	FIELD(seg_task_queue, n_dead);
	FIELD(seg_task_queue, bytes);
	FIELD(seg_task_queue, n_ids);
	FIELD(seg_task_queue, closed);
	FIELD(seg_task_queue, paused);
	FIELD(seg_task_queue, id_first);
	FIELD(seg_task_queue, id_last);
	FIELD(seg_task_queue, token_key);
	FIELD(seg_task_queue, log);
	FIELD(seg_task_queue, pad1);
	FIELD(seg_task_queue, pad2);
	FIELD(seg_task_queue, ready);
	FIELD(seg_task_queue, dead);
	FIELD(seg_task_queue, time);
	FIELD(seg_task_queue, ids);
	END(seg_task_queue);
}

int main(void)
{
	print_constants();
	print_states();
	print_header();
	print_owner();
	print_cache();
	print_undo();
	print_lane();
	print_chunk();
	print_slab();
	print_block();
	print_event();
	print_object();
	print_changes();
	print_item();
	print_slots();
	print_queue();
	print_value();
	print_array();
	print_dict();
	print_timed();
	print_table();
	print_cells();
	print_order();
	print_node();
	print_version();
	print_list();
	print_list_node();
	print_list_item();
	print_shared_list();
	print_shared_slot();
	print_pipe();
	print_memory();
	print_signal();
	print_mutex();
	print_semaphore();
	print_turns();
	print_tasks();
	return wrong;
}
