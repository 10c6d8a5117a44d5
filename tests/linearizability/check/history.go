// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/anishathalye/porcupine"
)

// none stands for "no value" where a dict has or expects none.
const none = math.MinInt64

// input is a call as record.c has noted it. A call whose outcome is unknown is taken to have happened at some time
// after it began, perhaps when everybody has gone home: models accept it in every state, and do nothing where it can do
// nothing.
type input struct {
	op      string
	args    []int64
	client  int
	process int
	unknown bool
	id      int // its number among the unknown ones, from 1 on
	bulk    int // its number among all
	more    bool
	place   int // among the calls that it is made of
	at      int // its number in the search
	got     *gets
}

// span is the time of a call.
type span struct{ call, ret int64 }

// gets tells when each item of a queue was got, which rules out most orders early: see queueState.strays.
type gets struct {
	clears []span
	takes  []span // of unknown outcome: each may have taken an item
	put    map[int64]span
	got    map[int64]span
	seen   map[int64]bool  // of items that were peeked at
	rank   map[int64]int64 // their priorities
	number map[int64]int   // of each item that was got, from 0 on
	ahead  []places        // by number: those that were got before it for sure, and can't have overtaken it
}

func newGets() gets {
	return gets{put: map[int64]span{}, got: map[int64]span{}, seen: map[int64]bool{}, rank: map[int64]int64{}}
}

func (g *gets) note(op porcupine.Operation) {
	in, out, when := op.Input.(input), op.Output.(output), span{op.Call, op.Return}
	switch {
	case in.op == "put":
		g.put[in.args[0]], g.rank[in.args[0]] = when, in.args[1]
	case in.op == "put_many":
		for i := int64(0); i < in.args[1]; i++ {
			g.put[in.args[0]+i] = when
		}
	case in.op == "clear":
		g.clears = append(g.clears, when)
	case in.op == "get" && in.unknown:
		g.takes = append(g.takes, when)
	case in.op == "peek" && out.err == "OK":
		g.seen[out.res[0]] = true
	case (in.op == "get" || in.op == "get_many") && out.err == "OK":
		for _, value := range out.res {
			g.got[value] = when
		}
	}
}

// sort numbers the items that were got, and finds who is ahead of whom. One that is more urgent may have been put later.
func (g *gets) sort() {
	g.number = map[int64]int{}
	for value := range g.got {
		g.number[value] = len(g.number)
	}
	g.ahead = make([]places, len(g.number))
	for value, when := range g.got {
		for other, before := range g.got {
			if before.ret < when.call && g.rank[other] >= g.rank[value] {
				g.ahead[g.number[value]] = g.ahead[g.number[value]].with(g.number[other])
			}
		}
	}
}

// isNameless tells whether nobody ever saw the item: then it is like any other such item, and so is their order.
func (g *gets) isNameless(value int64) bool {
	_, got := g.got[value]
	return !got && !g.seen[value] && len(g.clears)+len(g.takes) > 0
}

// interval gives the time in which the item was taken out: of its get, or of the clears that can have been it. What only a
// get of unknown outcome can have taken is there for ever. Of a nameless item it is not known when it was put.
func (g *gets) interval(value int64) span {
	if when, known := g.got[value]; known {
		return when
	}
	all := span{math.MaxInt64, math.MinInt64}
	for _, when := range g.clears {
		if put, known := g.put[value]; known && put.call > when.ret {
			continue
		}
		if when.call < all.call {
			all.call = when.call
		}
		if when.ret > all.ret {
			all.ret = when.ret
		}
	}
	if all.ret == math.MinInt64 {
		all.ret = math.MaxInt64
	}
	return all
}

type output struct {
	err string // a name of errors.def, "OK", or "?"
	res []int64
}

// history is one object's operations.
type history struct {
	number    string
	kind      string
	parameter int64
	ops       []porcupine.Operation
	lines     []string
	nUnknown  int
	got       gets
}

func newHistory(number, kind string, parameter int64) *history {
	return &history{number: number, kind: kind, parameter: parameter, got: newGets()}
}

// Errors that say that nothing was done, whatever the object holds.
var nothingDone = map[string]bool{"BUSY": true, "RESOURCE_EXHAUSTED": true, "NO_MEMORY": true}

func numbers(words []string) ([]int64, error) {
	var list []int64
	for _, word := range words {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

// add takes one line: O client process call return error op [args] / [results]
func (h *history) add(line string) error {
	words := strings.Fields(line)
	slash := 7
	for slash < len(words) && words[slash] != "/" {
		slash++
	}
	if slash >= len(words) {
		return fmt.Errorf("not an operation: %q", line)
	}
	args, err := numbers(words[7:slash])
	if err != nil {
		return err
	}
	res, err := numbers(words[slash+1:])
	if err != nil {
		return err
	}
	h.lines = append(h.lines, line)
	if nothingDone[words[5]] {
		return nil
	}
	unknown := words[4] == "-"
	if unknown {
		words[4] = strconv.FormatInt(math.MaxInt64, 10)
	}
	head, err := numbers(words[1:5])
	if err != nil {
		return err
	}
	in := input{op: words[6], args: args, client: int(head[0]), process: int(head[1]), unknown: unknown}
	h.append(in, output{words[5], res}, head[2], head[3])
	return nil
}

// append adds an operation. What of a take nobody learnt may come back: with a get of unknown outcome comes an operation
// that does that. Of many items any may have been taken: as if each were got by a call of its own.
func (h *history) append(in input, out output, call, ret int64) {
	takes := models[h.kind].takes
	if !in.unknown || (in.op != takes && in.op != takes+"_many") {
		h.note(in, out, call, ret)
		return
	}
	n := int64(1)
	if in.op != takes {
		n = in.args[0]
	}
	for ; n > 0; n-- {
		in.op = takes
		h.note(in, out, call, ret)
		in.op = "give_back"
		h.note(in, out, call, ret)
	}
}

func (h *history) note(in input, out output, call, ret int64) {
	lane := in.client
	if in.unknown {
		h.nUnknown += int(truth(in.op != "give_back"))
		in.id = h.nUnknown
		lane = 100 + len(h.ops) // its client may go on: in a picture they would overlap
	}
	in.got, in.bulk = &h.got, len(h.ops)+1
	op := porcupine.Operation{ClientId: lane, Input: in, Call: call, Output: out, Return: ret}
	h.got.note(op)
	h.ops = append(h.ops, op)
}

// readHistories calls found for each history of the stream.
func readHistories(from io.Reader, found func(*history) error) error {
	var h *history
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		words := strings.Fields(line)
		var err error
		switch {
		case len(words) == 4 && words[0] == "H":
			h = newHistory(words[1], words[2], 0)
			h.parameter, err = strconv.ParseInt(words[3], 10, 64)
			if err == nil && models[h.kind] == nil {
				err = fmt.Errorf("no model of kind %q", h.kind)
			}
		case h != nil && line == "E":
			err = found(h)
			h = nil
		case h != nil && len(words) > 6 && words[0] == "O":
			err = h.add(line)
		case len(words) > 0 && words[0] != "#":
			err = fmt.Errorf("not a line of a history: %q", line)
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}

func describe(in, out interface{}) string {
	i, o := in.(input), out.(output)
	text := fmt.Sprintf("%s(%s)", i.op, join(i.args))
	if o.err != "OK" {
		return text + " → " + o.err
	}
	return text + " → " + join(o.res)
}

func join(list []int64) string {
	var words []string
	for _, n := range list {
		if n == none {
			words = append(words, "none")
		} else {
			words = append(words, strconv.FormatInt(n, 10))
		}
	}
	return strings.Join(words, " ")
}
