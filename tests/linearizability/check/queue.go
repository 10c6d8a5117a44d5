// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"math"

	"github.com/anishathalye/porcupine"
)

// A queue's items are a string of entries, in the order in which they will be got; those that an unknown get may have
// taken are kept apart, so that they can come back to their places.
type queueState struct {
	max    int64
	items  string // entries
	taken  string // the number of the get, then its entry
	puts   uint16 // so far
	known  places // the items among them that were got, by number
	closed bool
	lost   int    // items that gets of unknown outcome have taken
	open   int    // the get_many that has taken something and will take more
	clears string // those that have taken something: number and how much
}

// An entry: its priority, its number among the puts, and its value; their strings compare as they are got.
const (
	entryLen = 6
	takenLen = 1 + entryLen
)

func entry(priority int64, number uint16, value int64) string {
	return string([]byte{byte(priority), byte(number >> 8), byte(number), byte(value >> 16), byte(value >> 8), byte(value)})
}

func valueOf(entry string) int64 {
	return int64(entry[3])<<16 | int64(entry[4])<<8 | int64(entry[5])
}

func (s queueState) len() int64 { return int64(len(s.items) / entryLen) }

func (s queueState) insert(e string) queueState {
	at := len(s.items)
	for at > 0 && s.items[at-entryLen:at] > e {
		at -= entryLen
	}
	s.items = s.items[:at] + e + s.items[at:]
	return s
}

// put puts an item; false: the items could not be got in the order in which they were.
func (s queueState) put(in input, priority, value int64) (queueState, bool) {
	if in.got.number == nil {
		in.got.sort()
	}
	if n, known := in.got.number[value]; known {
		s.known = s.known.with(n)
	}
	s.puts++
	if in.got.isNameless(value) {
		value = 0
	}
	s = s.insert(entry(priority, s.puts, value))
	return s, s.isPossible(in.got)
}

// strays counts the items that must be out of the way at some time, as one that is behind them, or will be, is got first.
func (s queueState) strays(got *gets) int {
	n, first := 0, int64(math.MaxInt64)
	for at := len(s.items) - entryLen; at >= 0; at -= entryLen {
		value := valueOf(s.items[at:])
		taken := got.interval(value)
		number, known := got.number[value]
		n += int(truth(first < taken.call || (known && !s.known.covers(got.ahead[number]))))
		if taken.ret < first {
			first = taken.ret
		}
	}
	return n
}

// isPossible tells whether the gets of unknown outcome that are left can take all strays.
func (s queueState) isPossible(got *gets) bool {
	return s.strays(got) <= len(got.takes)-s.lost
}

func (s queueState) drop(n int64) queueState {
	s.items = s.items[n*entryLen:]
	return s
}

// gone is the error of a get that finds nothing.
func (s queueState) gone() string {
	if s.closed {
		return "CLOSED"
	}
	return "EMPTY"
}

func (s queueState) stepPut(in input, out output) (bool, interface{}) {
	full := s.max > 0 && s.len() >= s.max
	switch {
	case s.closed:
		return answers(in, out, "CLOSED"), s
	case full:
		return answers(in, out, "FULL"), s
	case in.op == "put":
		s, possible := s.put(in, in.args[1], in.args[0])
		return answers(in, out, "OK") && possible, s
	}
	n := in.args[1]
	if s.max > 0 && n > s.max-s.len() {
		n = s.max - s.len()
	}
	// It counted the room a moment before it put: what became free since then it need not have seen.
	if !in.unknown && out.err == "OK" && out.res[0] > 0 && out.res[0] < n {
		n = out.res[0]
	}
	for value := in.args[0]; value < in.args[0]+n; value++ {
		var possible bool
		if s, possible = s.put(in, 0, value); !possible {
			return false, s
		}
	}
	return answers(in, out, "OK", n), s
}

func (s queueState) stepGet(in input, out output) (bool, interface{}) {
	if s.len() == 0 {
		return answers(in, out, s.gone()), s
	}
	first := s.items[:entryLen]
	switch {
	case in.op == "peek":
		return answers(in, out, "OK", valueOf(first)), s
	case s.open != 0 && s.open != in.bulk:
		return false, s
	case in.op == "take":
		return s.stepTake(in)
	}
	s.open = 0
	if in.more {
		s.open = in.bulk
	}
	s, ok := s.drop(1), answers(in, out, "OK", valueOf(first))
	if in.unknown {
		s.taken += string([]byte{byte(in.id)}) + first
		s.lost++
		ok = s.isPossible(in.got)
	}
	return ok, s
}

// stepTake is one of the takes of a clear: they are all alike, so one order of them is enough.
func (s queueState) stepTake(in input) (bool, interface{}) {
	const size = 3
	number := string([]byte{byte(in.bulk >> 8), byte(in.bulk)})
	for at := 0; at < len(s.clears); at += size {
		if s.clears[at:at+size-1] != number {
			continue
		}
		if int(s.clears[at+size-1]) != in.place {
			return false, s
		}
		s.clears = s.clears[:at+size-1] + string([]byte{byte(in.place + 1)}) + s.clears[at+size:]
		return true, s.drop(1)
	}
	s.clears += number + "\x01"
	return in.place == 0, s.drop(1)
}

func (s queueState) stepGetMany(in input, out output) (bool, interface{}) {
	n := in.args[0]
	if s.len() < n {
		n = s.len()
	}
	if n == 0 {
		return answers(in, out, s.gone()), s
	}
	// It ends where another getter has taken something between two of its items.
	if got := int64(len(out.res)); got > 0 && got < n {
		n = got
	}
	var values []int64
	for i := 0; i < int(n); i++ {
		values = append(values, valueOf(s.items[i*entryLen:]))
	}
	return answers(in, out, "OK", values...), s.drop(n)
}

func (s queueState) stepGiveBack(in input) (bool, interface{}) {
	for at := 0; at < len(s.taken); at += takenLen {
		if int(s.taken[at]) != in.id {
			continue
		}
		back := s.taken[at+1 : at+takenLen]
		s.taken = s.taken[:at] + s.taken[at+takenLen:]
		s = s.insert(back)
		return s.isPossible(in.got), s
	}
	return true, s
}

func stepQueue(state interface{}, in input, out output) (bool, interface{}) {
	s := state.(queueState)
	switch in.op {
	case "put", "put_many":
		return s.stepPut(in, out)
	case "get", "peek", "take":
		return s.stepGet(in, out)
	case "get_many":
		return s.stepGetMany(in, out)
	case "give_back":
		return s.stepGiveBack(in)
	case "size":
		return answers(in, out, "OK", s.len(), truth(s.closed)), s
	case "clear":
		return answers(in, out, "OK", s.len()), s.drop(s.len())
	case "close":
		ok := answers(in, out, "OK")
		s.closed = true
		return ok, s
	}
	return false, s
}

// A task queue does everything in one step.
var taskModel = &model{
	init:  func(max int64) interface{} { return queueState{max: max} },
	step:  stepQueue,
	hash:  hashQueue,
	looks: looksAtQueue,
	takes: "get",
}

func hashQueue(state interface{}) uint64 {
	sum := fnv.New64a()
	_, _ = io.WriteString(sum, state.(queueState).items)
	return sum.Sum64()
}

func looksAtQueue(in input, out output) bool {
	return in.op == "peek" || in.op == "size" || out.err != "OK"
}

// A plain queue takes many items one after the other: no other getter comes in between, but who looks may see it half
// done. And a clear takes what was there when it began, item by item.
func expandBulk(op porcupine.Operation) []porcupine.Operation {
	in, out := op.Input.(input), op.Output.(output)
	if in.unknown || out.err != "OK" || (in.op != "get_many" && in.op != "clear") {
		return []porcupine.Operation{op}
	}
	n := len(out.res)
	if in.op == "clear" {
		n = int(out.res[0])
	}
	var list []porcupine.Operation
	for i := 0; i < n; i++ {
		part, answer := in, output{err: "OK"}
		part.op, part.place = "take", i
		if in.op == "get_many" {
			part.op, part.more = "get", i < n-1
			answer.res = out.res[i : i+1]
		}
		op.Input, op.Output = part, answer
		list = append(list, op)
	}
	return list
}

var queueModel = &model{init: taskModel.init, step: stepQueue, expand: expandBulk, wrong: survivor, hash: hashQueue, looks: looksAtQueue, takes: "get"}

// survivor tells of an item that was there before a clear began, and was got after it had ended.
func survivor(h *history) string {
	put := map[int64]int64{}
	for _, op := range h.ops {
		in, out := op.Input.(input), op.Output.(output)
		if out.err == "OK" && in.op == "put" {
			put[in.args[0]] = op.Return
		}
		if out.err == "OK" && in.op == "put_many" {
			for i := int64(0); i < out.res[0]; i++ {
				put[in.args[0]+i] = op.Return
			}
		}
	}
	for _, op := range h.ops {
		in, out := op.Input.(input), op.Output.(output)
		if in.op != "clear" || out.err != "OK" {
			continue
		}
		for value, when := range h.got.got {
			if done, known := put[value]; known && done < op.Call && when.call > op.Return {
				return fmt.Sprintf("item %d survived the clear of %d..%d", value, op.Call, op.Return)
			}
		}
	}
	return ""
}
