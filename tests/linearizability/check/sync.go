// SPDX-License-Identifier: Apache-2.0

package main

const maxProcesses = 6

// dead has a bit for each process that is known to be gone: it can't take anything any more.
type dead uint8

func (d dead) has(process int) bool  { return d>>uint(process)&1 != 0 }
func (d dead) with(process int) dead { return d | 1<<uint(process) }

// ---------------------------------------------------------------- lock, rlock

type lockState struct {
	strict    bool
	reentrant bool
	locked    bool
	process   int
	client    int
	depth     int64
	token     int64
	abandoned int
	before    int    // abandoned, as it was when the holder got it
	unsure    bool   // the holder may not have learnt that he has it
	untold    uint64 // a bit for each acquire of unknown outcome that holds it
	dead      dead
}

// What became of a lock whose holder died. One that was handed over to somebody who died before he knew is as it was before.
const (
	notAbandoned   = iota
	abandoned      // and whoever was to release it for the dead one still may
	forgiven       // and he did
	maybeAbandoned // notAbandoned or abandoned
	maybeForgiven  // forgiven or abandoned
)

// told returns what the lock is, given what somebody was told.
func (s lockState) told(isAbandoned bool) lockState {
	if s.abandoned == maybeAbandoned {
		s.abandoned = notAbandoned
		if isAbandoned {
			s.abandoned = abandoned
		}
	}
	return s
}

// ends returns the lock behind its holder's death.
func (s lockState) ends() lockState {
	was, unsure := s.before, s.unsure
	s = s.free()
	s.abandoned = abandoned
	if unsure && was == notAbandoned {
		s.abandoned = maybeAbandoned
	} else if unsure && was == forgiven {
		s.abandoned = maybeForgiven
	}
	return s
}

func (s lockState) mine(in input) bool {
	return s.locked && s.process == in.process && (!s.reentrant || s.client == in.client)
}

func (s lockState) free() lockState {
	s.locked, s.process, s.client, s.depth, s.untold = false, 0, 0, 0, 0
	return s
}

// take is an acquire of a lock that is free.
func (s lockState) take(in input) lockState {
	s.before, s.unsure = s.abandoned, in.unknown
	s.locked, s.process, s.client, s.depth, s.abandoned = true, in.process, in.client, 1, notAbandoned
	s.token++
	return s.owe(in)
}

func (s lockState) owe(in input) lockState {
	if in.unknown {
		s.untold |= 1 << uint(in.id)
	}
	return s
}

func (s lockState) stepAcquire(in input, out output) (bool, interface{}) {
	switch {
	case s.dead.has(in.process) && in.unknown && !s.locked:
		return true, s.take(in).ends() // it was his turn before it was seen that he is dead
	case s.dead.has(in.process):
		return false, s
	case s.locked && !(s.reentrant && s.mine(in)):
		return answers(in, out, "WOULD_BLOCK"), s
	case s.locked:
		s.depth++
		return answers(in, out, "OK", s.token, s.depth, 0), s.owe(in)
	}
	if !in.unknown && len(out.res) == 3 {
		s = s.told(out.res[2] != 0)
	}
	s = s.take(in)
	return answers(in, out, "OK", s.token, s.depth, truth(s.before != notAbandoned)), s
}

// stepGiveBack is the server's: it could not tell who asked that he has it.
func (s lockState) stepGiveBack(in input) (bool, interface{}) {
	bit := uint64(1) << uint(in.id)
	if s.dead.has(in.process) || s.untold&bit == 0 {
		return false, s
	}
	s.untold &^= bit
	if s.depth > 1 {
		s.depth--
		return true, s
	}
	was := s.before
	s = s.free()
	s.abandoned = was
	if was == forgiven || was == maybeForgiven {
		s.abandoned = abandoned
	}
	return true, s
}

func (s lockState) stepRelease(in input, out output) (bool, interface{}) {
	bound := s.strict || s.reentrant
	if !s.locked && !bound && !in.unknown {
		switch {
		case s.abandoned == maybeAbandoned:
			s = s.told(out.err == "OK")
		case s.abandoned == maybeForgiven && out.err == "OK":
			s.abandoned = abandoned
		case s.abandoned == maybeForgiven:
			s.abandoned = forgiven
		}
	}
	switch {
	case s.dead.has(in.process):
		return false, s
	case !s.locked && s.abandoned == abandoned && !bound:
		s.abandoned = forgiven
		return answers(in, out, "OK"), s
	case !s.locked || (bound && !s.mine(in)):
		return answers(in, out, "NOT_HELD"), s
	case s.depth > 1:
		s.depth--
		return answers(in, out, "OK"), s
	}
	return answers(in, out, "OK"), s.free()
}

func stepLock(state interface{}, in input, out output) (bool, interface{}) {
	s := state.(lockState)
	switch in.op {
	case "acquire":
		return s.stepAcquire(in, out)
	case "release":
		return s.stepRelease(in, out)
	case "give_back":
		return s.stepGiveBack(in)
	case "status":
		if !in.unknown && len(out.res) == 5 {
			s = s.told(out.res[2] != 0)
		}
		return answers(in, out, "OK", truth(s.locked), truth(s.mine(in)), truth(s.abandoned != notAbandoned), s.depth, s.token), s
	case "die":
		process := int(in.args[0])
		if s.locked && s.process == process {
			s = s.ends()
		}
		s.dead = s.dead.with(process)
		return true, s
	}
	return false, s
}

var lockModel = &model{
	init:  func(strict int64) interface{} { return lockState{strict: strict != 0} },
	step:  stepLock,
	takes: "acquire",
}

var rlockModel = &model{
	init:  func(int64) interface{} { return lockState{reentrant: true} },
	step:  stepLock,
	takes: "acquire",
}

// ---------------------------------------------------------------- semaphore

type semaphoreState struct {
	value int64
	bound int64 // 0: none
	holds [maxProcesses]int64
	taken uint64 // a bit for each acquire of unknown outcome that has one
	dead  dead
}

func stepSemaphore(state interface{}, in input, out output) (bool, interface{}) {
	s := state.(semaphoreState)
	switch in.op {
	case "acquire":
		if s.dead.has(in.process) {
			return false, s
		}
		if s.value == 0 {
			return answers(in, out, "WOULD_BLOCK"), s
		}
		s.value--
		s.holds[in.process]++
		if in.unknown {
			s.taken |= 1 << uint(in.id)
		}
		return answers(in, out, "OK"), s
	case "give_back":
		if s.dead.has(in.process) || s.taken>>uint(in.id)&1 == 0 {
			return false, s
		}
		s.value++
		s.holds[in.process]--
		s.taken &^= 1 << uint(in.id)
		return true, s
	case "release":
		n := in.args[0]
		if s.dead.has(in.process) {
			return false, s
		}
		if s.bound > 0 && s.value+n > s.bound {
			return answers(in, out, "OUT_OF_RANGE"), s
		}
		s.value += n
		s.holds[in.process] -= n
		return answers(in, out, "OK"), s
	case "status":
		return answers(in, out, "OK", s.value), s
	case "die": // only of those whose holders are known
		process := int(in.args[0])
		s.value += s.holds[process]
		s.holds[process] = 0
		s.dead = s.dead.with(process)
		return true, s
	}
	return false, s
}

var semaphoreModel = &model{
	init:  func(value int64) interface{} { return semaphoreState{value: value} },
	step:  stepSemaphore,
	takes: "acquire",
}

var boundedSemaphoreModel = &model{
	init:  func(value int64) interface{} { return semaphoreState{value: value, bound: value} },
	step:  stepSemaphore,
	takes: "acquire",
}

// ---------------------------------------------------------------- event

func stepEvent(state interface{}, in input, out output) (bool, interface{}) {
	set := state.(bool)
	switch in.op {
	case "set", "clear":
		return answers(in, out, "OK"), in.op == "set"
	case "is_set":
		return answers(in, out, "OK", truth(set)), set
	case "wait":
		if set {
			return answers(in, out, "OK"), set
		}
		return answers(in, out, "WOULD_BLOCK"), set
	}
	return false, set
}

var eventModel = &model{
	init: func(int64) interface{} { return false },
	step: stepEvent,
}
