/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: which are allowed, and the directory, a dict (object 0) that leads from a name to a handle.
 *
 * The directory may for a moment have a name for an object that is not LIVE, or is no more: whoever asks for the name
 * finds that it is free, and whoever takes it removes what is there first: so it stands behind all others. A name is taken and dropped in one step of
 * dict_modify, and only if it is still what it was thought to be, so an old object's end never costs a new one its name.
 */
#include "server/objects/object_names.h"

#include <string.h>

#include "server/objects/dict.h"

#define DIRECTORY ((uint64_t)1 << 32)

/* ---------------------------------------------------------------- which are allowed */

static bool plain_segment(const uint8_t *s, size_t len)
{
	if (len == 0)
		return false;
	if (s[0] == '.' && (len == 1 || (len == 2 && s[1] == '.')))
		return false;
	return true;
}

/* Length of the UTF-8 character at s, 0 if it is malformed, overlong, a surrogate or a control character. */
static size_t utf8_length(const uint8_t *s, size_t left)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
	if (n == 0 || n > left)
		return 0;
	uint32_t c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
	bool bad = c < least[n] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff;
	return control || bad ? 0 : n;
}

enum sabir_error object_name_check(struct span name)
{
	size_t segment = 0;
	if (name.len == 0 || name.len > 255)
		return SABIR_INVALID_NAME;
	for (size_t i = 0; i < name.len;) {
		size_t n = utf8_length(name.data + i, name.len - i);
		if (n == 0)
			return SABIR_INVALID_NAME;
		if (name.data[i] == '/') {
			if (!plain_segment(name.data + segment, i - segment))
				return SABIR_INVALID_NAME;
			segment = i + 1;
		}
		i += n;
	}
	return plain_segment(name.data + segment, name.len - segment) ? SABIR_OK : SABIR_INVALID_NAME;
}

/* ---------------------------------------------------------------- the directory */

bool names_is_live(const struct segment *seg, uint64_t handle)
{
	uint32_t index = object_index(handle);
	return index && index < seg->n_objects &&
	       load64_seq(&seg->objects[index].word) == ((handle & 0xffffffff00000000ull) | SEG_OBJECT_LIVE);
}

struct naming {
	const struct segment *seg;
	uint64_t handle;
	uint64_t found; /* the live object that has the name already */
	uint64_t dead;  /* one that is not, and has it yet */
	bool overwrites;
};

/* dict_modify: the name becomes ours unless another has it. */
static enum sabir_error take_name(void *context, struct span now, struct span *next, bool *write)
{
	struct naming *naming = context;
	uint64_t found = names_handle_in(now);
	*write = false;
	if (found && names_is_live(naming->seg, found)) {
		naming->found = found;
		return SABIR_ALREADY_EXISTS;
	}
	naming->dead = found;
	if (found && !naming->overwrites)
		return SABIR_OK;
	*next = (struct span){ (const uint8_t *)&naming->handle, sizeof(naming->handle) };
	*write = true;
	return SABIR_OK;
}

/* dict_modify: the name goes away if it is ours. */
static enum sabir_error drop_name(void *context, struct span now, struct span *next, bool *write)
{
	struct naming *naming = context;
	*write = names_handle_in(now) == naming->handle;
	*next = (struct span){ NULL, 0 };
	return SABIR_OK;
}

static enum sabir_error directory_modify(struct lane *lane, struct span name, dict_modify_fn *modify,
					 struct naming *naming)
{
	lane->directory = true;
	enum sabir_error error = dict_modify(lane, DIRECTORY, name, modify, naming);
	lane->directory = false;
	return error;
}

enum sabir_error names_take(struct lane *lane, struct span name, uint64_t handle, uint64_t *found)
{
	struct naming naming = { .seg = lane->seg, .handle = handle };
	enum sabir_error error = directory_modify(lane, name, take_name, &naming);
	if (!error && naming.dead) {
		error = names_drop(lane, name, naming.dead);
		/* Another may have got and lost it meanwhile; with him no more time is spent. */
		naming.overwrites = true;
		if (!error)
			error = directory_modify(lane, name, take_name, &naming);
	}
	if (error == SABIR_ALREADY_EXISTS)
		*found = naming.found;
	return error;
}

enum sabir_error names_drop(struct lane *lane, struct span name, uint64_t handle)
{
	struct naming naming = { .seg = lane->seg, .handle = handle };
	return directory_modify(lane, name, drop_name, &naming);
}

enum sabir_error names_page(struct lane *lane, uint32_t n, uint64_t *cursor, struct bytes *out)
{
	lane->directory = true;
	enum sabir_error error = dict_page(lane, DIRECTORY, DICT_ITEMS, n, cursor, out);
	lane->directory = false;
	return error;
}

bool names_of(const struct segment *seg, const struct seg_object *o, uint8_t copy[OBJECT_NAME_MAX], struct span *name)
{
	const struct seg_block *block = segment_at(seg, load32_acquire(&o->name), sizeof(*block) + 255);
	if (!block)
		return false;
	uint32_t len = load32_relaxed(&block->len);
	if (len == 0 || len > 255)
		return false;
	memcpy(copy, block + 1, len);
	*name = (struct span){ copy, len };
	return true;
}

enum sabir_error names_find(struct lane *lane, struct span name, uint64_t *handle)
{
	struct bytes out;
	uint8_t fixed[64];
	bytes_init(&out, fixed, sizeof(fixed));
	lane->directory = true;
	enum sabir_error error = dict_get(lane, DIRECTORY, name, &out);
	lane->directory = false;
	if (!error)
		*handle = names_handle_in(bytes_item(&out, 0));
	bytes_fini(&out);
	return error;
}

enum sabir_error object_open(struct lane *lane, struct span name, uint64_t *handle)
{
	uint64_t found = 0;
	enum sabir_error error = object_name_check(name);
	if (error)
		return error;
	error = names_find(lane, name, &found);
	if (error == SABIR_KEY_NOT_FOUND || (!error && !names_is_live(lane->seg, found)))
		return SABIR_NOT_FOUND;
	if (error)
		return error;
	*handle = found;
	return SABIR_OK;
}

enum sabir_error object_name(struct lane *lane, uint64_t handle, uint8_t to[OBJECT_NAME_MAX], struct span *name)
{
	struct seg_object *o;
	struct seg_block *body;
	enum sabir_error error = object_enter(lane, SEG_OP_READ, handle, 0, sizeof(*body), &o, &body);
	if (error)
		return error;
	if (!names_of(lane->seg, o, to, name))
		error = SABIR_NOT_FOUND;
	object_leave(lane);
	return error;
}
