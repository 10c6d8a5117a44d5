/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model of the lock in lock.c: one word with its holder and two flags, a futex, the server's doorbell, and deaths.
 *
 * Two local lanes and the server's lane, which does not sleep but asks to be told, each take the lock and release it.
 * One local lane (they are alike) may be killed in front of any of its steps; the server then releases what it held
 * and wakes everybody.
 *
 * Checked: never two in it; when nothing moves any more, everybody who lives has had it. `make models` runs it.
 */
#define HOLDER 3 /* the lane: 1, 2 or, the server, 3 */
#define SLEEPERS 4
#define RINGS 8
#define N 4

byte word;
bool asleep[N];
bool killed[N];
bool recovered[N];
bool done[N];
bit rung;
byte n_deaths;
byte inside; /* who is between acquire and release; the dead are taken out by their recovery */

inline wake_one()
{
	atomic {
		if
		:: asleep[1] -> asleep[1] = false
		:: asleep[2] -> asleep[2] = false
		:: else
		fi
	}
}

/* lock_release; what is behind the exchange may be left out by a death */
inline release(was)
{
	atomic { was = word; word = 0; inside-- };
	if
	:: was & SLEEPERS -> wake_one()
	:: else
	fi;
	if
	:: was & RINGS -> rung = 1
	:: else
	fi
}

proctype lane(byte me)
{
	byte seen, was;
	bool slow;
	{
		do
		:: seen = word;
		   if
		   :: seen == 0 ->
			atomic {
				if
				:: word == 0 && !slow -> word = me; inside++; break
				:: word == 0 && slow -> word = me | SLEEPERS; inside++; break
				:: else
				fi
			}
		   :: else ->
			slow = true;
			if
			:: seen & SLEEPERS
			:: else ->
				atomic {
					if
					:: word == seen -> word = seen | SLEEPERS; seen = seen | SLEEPERS
					:: else -> seen = 255
					fi
				}
			fi;
			if
			:: seen == 255
			:: else ->
				/* FUTEX_WAIT compares and goes to sleep in one step. */
				atomic { asleep[me] = (word == seen) };
endsleep:			!asleep[me]
			fi
		   fi
		od;
		assert(inside == 1);
		release(was);
		done[me] = true
	} unless { killed[me] }
}

/* release_lock of recover.c */
inline recover(i)
{
	atomic {
		if
		:: (word & HOLDER) == i -> word = 0; inside--
		:: else
		fi
	};
	d_step { asleep[1] = false; asleep[2] = false };
	rung = 1;
	recovered[i] = true
}

active proctype server()
{
	byte seen, was, i;
	bool asks = true; /* it looks: at the beginning, and when the bell has rung */
end:	do
	:: asks && !done[3] ->
		seen = word;
		if
		:: seen == 0 ->
			atomic {
				if
				:: word == 0 -> word = 3; inside++; asks = false
				:: else
				fi
			};
			if
			:: !asks -> assert(inside == 1); release(was); done[3] = true
			:: else
			fi
		:: seen != 0 && (seen & RINGS) -> asks = false
		:: else ->
			atomic {
				if
				:: word == seen -> word = seen | RINGS; asks = false
				:: else
				fi
			}
		fi
	:: rung -> rung = 0; asks = true
	:: atomic { killed[1] && !recovered[1] -> i = 1 }; recover(i)
	od
}

active proctype death()
{
end:	if
	:: atomic { n_deaths == 0 -> n_deaths++; killed[1] = true; asleep[1] = false }
	:: skip
	fi
}

active proctype judge()
{
	timeout;
	assert((done[1] || killed[1]) && (done[2] || killed[2]) && done[3] && word == 0)
}

init
{
	atomic {
		run lane(1);
		run lane(2)
	}
}
