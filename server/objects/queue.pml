/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model of the queue: publish, claim, hand over, and the recovery of who died in between (queue.c, queue_get.c,
 * queue_walk.c, queue_recover.c).
 *
 * Two putters put an item each, two getters get one each. One program may be killed in front of any of its steps, and
 * is recovered while the others go on. An item's word holds its state and a tag; a slot holds nothing, an item, or
 * that it is used up.
 *
 * Checked: an item is handed over once at most; when nothing moves any more, an item that was put has been handed over
 * or can be got, by somebody who looks anew; nobody who lives waits for an item that is there. `make models` runs it.
 */
#define ITEMS 2
#define SLOTS 2

/* An item's word: state in bits 0-1, lane in 2-3, tag above. */
#define PRIVATE 1
#define LIVE 2
#define TAKEN 3
#define STATE(w) ((w) & 3)
#define LANE(w) (((w) >> 2) & 3)
#define TAG(w) ((w) >> 4)
#define WORD(state, lane, tag) ((state) | (lane) << 2 | (tag) << 4)

#define DONE 9 /* slot */
#define NONE 0

byte word[ITEMS + 1]; /* items are 1 and 2 */
byte slot[SLOTS];
byte returned[ITEMS]; /* under the lock; the lower number first, which is the order here */
byte locked; /* by lane 1 or 2; 3: by the server */

bool put[ITEMS + 1];      /* the slot had it */
byte handed[ITEMS + 1];   /* how often it was handed over */

/* The getters' records, 0 and 1; the lanes are 1 and 2. */
byte candidate[2], chain[2], slot_of[2];
bit committed[2];
bool got[2];

bool killed[4]; /* 0, 1: getters; 2, 3: putters */
byte n_deaths;

#define LIVE_IN_SLOT(i) (slot[i] != NONE && slot[i] != DONE && STATE(word[slot[i]]) == LIVE)
#define SOMETHING (LIVE_IN_SLOT(0) || LIVE_IN_SLOT(1) || returned[0] || returned[1])

inline lock(by)
{
	atomic { !locked -> locked = by }
}

/* queue_detach: anybody may do it, once it happens */
inline detach(i, item)
{
	atomic {
		if
		:: slot[i] == item -> slot[i] = DONE
		:: else
		fi
	}
}

proctype putter(byte item)
{
	byte i;
	{
		word[item] = WORD(PRIVATE, 0, 0);
		word[item] = WORD(LIVE, 0, 0); /* nobody else knows it yet */
		do
		:: atomic {
			if
			:: slot[i] == NONE -> slot[i] = item; put[item] = true; break
			:: else -> i++
			fi
		   }
		od
	} unless { killed[item + 1] }
}

/* take_returned: one journaled transaction under the lock */
inline take_returned(me)
{
	lock(me + 1);
	atomic {
		i = (returned[0] -> 0 : 1);
		if
		:: returned[i] ->
			item = returned[i];
			returned[i] = NONE;
			word[item] = WORD(TAKEN, me + 1, TAG(word[item]));
			chain[me] = item
		:: else
		fi
	};
	locked = 0
}

/* queue_first and queue_claim, on one slot */
inline take_from(me)
{
	item = slot[i];
	if
	:: item == NONE || item == DONE
	:: else ->
		seen = word[item];
		/* Still there? Else the word may be that of an item which was given back. */
		if
		:: slot[i] != item
		:: slot[i] == item && STATE(seen) == TAKEN -> detach(i, item)
		:: slot[i] == item && STATE(seen) == LIVE ->
			slot_of[me] = i;
			candidate[me] = item;
			atomic {
				if
				:: word[item] == seen -> word[item] = WORD(TAKEN, me + 1, TAG(seen))
				:: else -> seen = 0
				fi
			};
			if
			:: seen -> detach(i, item); chain[me] = item
			:: else
			fi;
			candidate[me] = NONE
		:: else
		fi
	fi
}

proctype getter(byte me)
{
	byte i, item, seen;
	{
		do
		:: chain[me] -> break
		:: else ->
endwait:		SOMETHING;
			if
			:: returned[0] || returned[1] -> take_returned(me)
			:: else ->
				i = 0;
				take_from(me);
				if
				:: chain[me] == NONE -> i = 1; take_from(me)
				:: else
				fi
			fi
		od;
		/* The one publishing store of a get. */
		atomic { committed[me] = 1; handed[chain[me]]++; assert(handed[chain[me]] == 1) };
		word[chain[me]] = 0;
		chain[me] = NONE;
		committed[me] = 0;
		got[me] = true
	} unless { killed[me] }
}

/* return_item: one journaled transaction under the lock, with a new tag */
inline give_back(me, item)
{
	atomic {
		item = chain[me];
		word[item] = WORD(LIVE, 0, TAG(word[item]) + 1);
		returned[item - 1] = item;
		chain[me] = NONE
	}
}

inline recover_getter(me)
{
	if
	:: committed[me] -> word[chain[me]] = 0; chain[me] = NONE; committed[me] = 0
	:: else ->
		item = candidate[me];
		if
		:: item && word[item] % 16 == WORD(TAKEN, me + 1, 0) && chain[me] != item ->
			detach(slot_of[me], item);
			chain[me] = item
		:: else
		fi;
		candidate[me] = NONE;
		if
		:: chain[me] && locked == me + 1 -> give_back(me, item)
		:: chain[me] && locked != me + 1 -> lock(3); give_back(me, item); locked = 0
		:: else
		fi
	fi;
	/* The lock that it died with is released when its object is in order. */
	if
	:: locked == me + 1 -> locked = 0
	:: else
	fi
}

active proctype server()
{
	byte item;
end:	if
	:: killed[0] -> recover_getter(0)
	:: killed[2] -> skip /* its item is in a slot, or nobody else's and freed */
	fi
}

active proctype death()
{
end:	if
	:: atomic { n_deaths == 0 -> n_deaths++; killed[0] = true }
	:: atomic { n_deaths == 0 -> n_deaths++; killed[2] = true }
	:: skip
	fi
}

#define CAN_BE_GOT(item) \
	(returned[item - 1] == item || \
	 ((slot[0] == item || slot[1] == item) && STATE(word[item]) == LIVE))

active proctype judge()
{
	timeout;
	assert(!put[1] || handed[1] + CAN_BE_GOT(1) == 1);
	assert(!put[2] || handed[2] + CAN_BE_GOT(2) == 1);
	assert(put[1] || !handed[1]);
	assert(!SOMETHING || ((got[0] || killed[0]) && (got[1] || killed[1])));
	assert(!locked)
}

init
{
	atomic {
		run putter(1);
		run putter(2);
		run getter(0);
		run getter(1)
	}
}
