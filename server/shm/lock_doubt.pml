/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model of names_nobody in lock.c: whether a lane that a lock's word names has the lock at all.
 *
 * One lane takes the lock and releases it a few times, each time in an operation: it pins an epoch, takes the lock, releases it,
 * unpins. It may be killed in front of any of its steps, and is recovered then: the lock is released, and last its epoch unpinned.
 * Two others doubt that it has the lock, a few times each: who finds no doubt in the word puts a number into it that was in none
 * before, asks whether an epoch is pinned, and looks whether the same doubt is in the word yet.
 *
 * Checked: who has the lock is never declared not to have it. `make models` runs it.
 */
#define N_TURNS 3
#define N_LOOKS 3

/* The word: 0 if both are. */
bit named;
byte doubt;

bit pinned;
bit killed;
byte n_doubts;

proctype lane()
{
	byte turn;
	{
		do
		:: turn == N_TURNS -> break
		:: turn < N_TURNS ->
			turn++;
			pinned = 1;
			named = 1;
			atomic { named = 0; doubt = 0 };
			pinned = 0
		od
	} unless { killed };
	if
	:: killed ->
		atomic { named = 0; doubt = 0 };
		pinned = 0
	:: else
	fi
}

proctype doubter()
{
	byte seen, look;
	bit asked;
	do
	:: look == N_LOOKS -> break
	:: look < N_LOOKS ->
		look++;
		atomic {
			seen = 0;
			if
			:: named && !doubt -> n_doubts++; doubt = n_doubts; seen = doubt
			:: named && doubt -> seen = doubt
			:: else
			fi
		};
		asked = pinned;
		assert(!seen || asked || doubt != seen)
	od
}

active proctype death()
{
end:	if
	:: killed = 1
	:: skip
	fi
}

init
{
	atomic {
		run lane();
		run doubter();
		run doubter()
	}
}
