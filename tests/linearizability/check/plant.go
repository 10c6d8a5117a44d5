// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// anomaly changes one answer of a history that is linearizable, or takes a call out of it, so that it no longer is;
// false: it has nothing of the kind.
type anomaly struct {
	name  string
	plant func(h *history) bool
}

var anomalies = []anomaly{
	{"an item got twice", getTwice},
	{"an accepted item lost", losePut},
	{"a stale read", readStale},
	{"a fencing token given twice", tokenTwice},
	{"a semaphore that miscounts", miscount},
}

// find gives the last operation that was answered so.
func (h *history) find(op string, found func(in input, out output) bool) int {
	for i := len(h.ops) - 1; i >= 0; i-- {
		in, out := h.ops[i].Input.(input), h.ops[i].Output.(output)
		if in.op == op && out.err == "OK" && (found == nil || found(in, out)) {
			return i
		}
	}
	return -1
}

func (h *history) answer(at int, res ...int64) {
	out := h.ops[at].Output.(output)
	out.res = res
	h.ops[at].Output = out
}

func isQueue(h *history) bool { return models[h.kind].takes == "get" }

func getTwice(h *history) bool {
	last := h.find("get", nil)
	if !isQueue(h) || last < 0 {
		return false
	}
	value := h.ops[last].Output.(output).res[0]
	other := h.find("get", func(_ input, out output) bool { return out.res[0] != value })
	if other < 0 {
		return false
	}
	h.answer(last, h.ops[other].Output.(output).res...)
	return true
}

// The queue is empty in the end, so what was put and not got, nor cleared, is lost.
func losePut(h *history) bool {
	at := h.find("get", nil)
	if !isQueue(h) || at < 0 || h.find("clear", nil) >= 0 {
		return false
	}
	h.ops = append(h.ops[:at:at], h.ops[at+1:]...)
	return true
}

// The parent reads when everybody has done; what it then finds in a cell or under a key is not what was there before.
func readStale(h *history) bool {
	at := h.find("get", func(in input, _ output) bool { return in.client == parent })
	if isQueue(h) || at < 0 {
		return false
	}
	h.answer(at, h.ops[at].Output.(output).res[0]+1)
	return true
}

func tokenTwice(h *history) bool {
	at := h.find("acquire", func(_ input, out output) bool {
		return len(out.res) == 3 && out.res[0] > 1 && out.res[1] == 1
	})
	if at < 0 {
		return false
	}
	out := h.ops[at].Output.(output)
	h.answer(at, out.res[0]-1, out.res[1], out.res[2])
	return true
}

func miscount(h *history) bool {
	at := h.find("status", func(in input, out output) bool { return in.client == parent && len(out.res) == 1 })
	if at < 0 {
		return false
	}
	h.answer(at, h.ops[at].Output.(output).res[0]+1)
	return true
}

// parent is the client that looks at the object in the end.
const parent = 8

// remade is a copy of the history as its lines tell it.
func (h *history) remade() *history {
	again := newHistory(h.number, h.kind, h.parameter)
	for _, line := range h.lines {
		_ = again.add(line)
	}
	return again
}

// plant tries all anomalies that the history can have; where something is of unknown outcome none would be sure.
func (t *tally) plant(h *history, limit time.Duration) {
	for _, a := range anomalies {
		falsified := h.remade()
		if h.nUnknown > 0 || !a.plant(falsified) {
			continue
		}
		falsified.got = newGets() // it was noted from the true answers
		for _, op := range falsified.ops {
			falsified.got.note(op)
		}
		result := check(falsified, limit).result
		t.histories++
		t.failed += int(truth(result == porcupine.Illegal))
		t.undecided += int(truth(result == porcupine.Unknown))
		if result == porcupine.Ok {
			fmt.Printf("FAILED: history %s of a %s with %s passes\n", h.number, h.kind, a.name)
		}
	}
}
