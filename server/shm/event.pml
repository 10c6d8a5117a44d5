/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model of event.c: the eventcount with the server's doorbell, and the death of whoever uses it.
 *
 * Two putters put an item each and notify one; a local getter and the server, for a parked call, each want one. One of
 * the programs may be killed in front of any of its steps; the server then recovers it as recover.c does, by telling
 * everybody.
 *
 * Checked: when nothing moves any more, nobody who lives waits for an item that is there. `make models` runs it; with
 * -DTWO_GETTERS there is another local getter, and the search takes minutes.
 */
#define LOCAL 1
#define SERVER 2

#define N 4 /* 0, 1: putters; 2, 3: local getters */

byte items;
byte seq;          /* seg_event.seq; few enough notifications that it does not come round */
byte waiting;      /* seg_event.waiting */
bit doorbell;      /* seg_header.doorbell */
bit ready;         /* the object's bit in the ready set */
bit rung;          /* the eventfd */
bool asleep[N];    /* in the futex */
bool killed[N];
bool recovered[N];
bool done[N];
bool parked = true; /* a call waits in the server */
byte n_deaths;

/* FUTEX_WAKE of one: of several sleepers any. */
inline wake_one()
{
	atomic {
		if
		:: asleep[2] -> asleep[2] = false
		:: asleep[3] -> asleep[3] = false
		:: else
		fi
	}
}

inline wake_all()
{
	d_step { asleep[2] = false; asleep[3] = false }
}

/* bell_ring; the exchange of the doorbell is one step, what it leads to another. */
inline ring(was)
{
	ready = 1;
	atomic { was = doorbell; doorbell = 1 };
	if
	:: was == 0 -> rung = 1
	:: else
	fi
}

/* event_notify of one */
inline notify(who, was)
{
	if
	:: waiting != 0 ->
		atomic { who = waiting; waiting = 0 };
		if
		:: who & LOCAL -> seq++; wake_one()
		:: else
		fi;
		if
		:: who & SERVER -> ring(was)
		:: else
		fi
	:: else
	fi
}

proctype putter(byte me)
{
	byte who, was;
	{
		items++;
		notify(who, was);
		done[me] = true
	} unless { killed[me] }
}

/* wait.c: local_wait */
proctype getter(byte me)
{
	byte key, who, was;
	bool got, woken;
	{
		do
		:: key = seq;
		   if
		   :: !(waiting & LOCAL) -> waiting = waiting | LOCAL
		   :: else
		   fi;
		   atomic {
			   if
			   :: items > 0 -> items--; got = true; done[me] = true
			   :: else
			   fi
		   };
		   if
		   :: got -> break
		   :: else
		   fi;
		   /* FUTEX_WAIT compares and goes to sleep in one step. */
		   atomic { asleep[me] = (seq == key) };
endsleep:	   !asleep[me];
		   woken = true
		od;
		if
		:: woken && items > 0 -> notify(who, was)
		:: else
		fi
	} unless { killed[me] }
}

/* event_notify_all, with which a recovery ends */
inline recover(i, who, was)
{
	doorbell = 0;
	waiting = waiting | LOCAL | SERVER;
	atomic { who = waiting; waiting = 0 };
	seq++;
	wake_all();
	ring(was);
	recovered[i] = true
}

/* The main loop: the doorbell, the park, and the proof of a death. */
active proctype server()
{
	byte who, was, i;
	/* park_add: armed, then run once more */
	waiting = waiting | SERVER;
	atomic {
		if
		:: items > 0 -> items--; parked = false
		:: else
		fi
	};
end:	do
	:: rung ->
		rung = 0;
		doorbell = 0;
		if
		:: ready ->
			ready = 0;
			if
			:: parked ->
				if
				:: !(waiting & SERVER) -> waiting = waiting | SERVER
				:: else
				fi;
				atomic {
					if
					:: items > 0 -> items--; parked = false
					:: else
					fi
				}
			:: else
			fi
		:: else
		fi
	:: atomic { killed[0] && !recovered[0] -> i = 0 }; recover(i, who, was)
	:: atomic { killed[2] && !recovered[2] -> i = 2 }; recover(i, who, was)
	od
}

/* At any moment, or never. */
active proctype death()
{
end:	if
	:: atomic { n_deaths == 0 -> n_deaths++; killed[0] = true; asleep[0] = false }
	:: atomic { n_deaths == 0 -> n_deaths++; killed[2] = true; asleep[2] = false }
	:: skip
	fi
}

/* Runs when nothing else can. */
active proctype judge()
{
	timeout;
	assert(items == 0 || (!parked && (done[2] || killed[2])
#ifdef TWO_GETTERS
			      && (done[3] || killed[3])
#endif
			      ))
}

init
{
	atomic {
		run putter(0);
		run putter(1);
		run getter(2)
#ifdef TWO_GETTERS
		;
		run getter(3)
#endif
	}
}
