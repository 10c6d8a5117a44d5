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
	got     *gets
}

// gets tells when each item of a queue was got, which rules out most orders early: of two items that are in the queue
// at the same time, the one behind is not got first. Where items can come back it tells nothing.
type gets struct {
	blind bool
	lossy bool // items can go without a get
	call  map[int64]int64
	ret   map[int64]int64
	seen  map[int64]bool // of items that were peeked at
}

func (g *gets) note(in input, out output, call, ret int64) {
	g.lossy = g.lossy || in.op == "clear"
	g.blind = g.blind || (in.unknown && (in.op == "get" || in.op == "get_many"))
	if out.err == "OK" && in.op == "peek" {
		g.seen[out.res[0]] = true
	}
	if out.err == "OK" && (in.op == "get" || in.op == "get_many") {
		for _, value := range out.res {
			g.call[value], g.ret[value] = call, ret
		}
	}
}

// isNameless tells whether nobody ever saw the item: then it is like any other such item, and so is their order.
func (g *gets) isNameless(value int64) bool {
	_, got := g.ret[value]
	return !got && !g.seen[value] && (g.lossy || g.blind)
}

// before tells whether the one was got before the other for sure.
func (g *gets) before(one, other int64) bool {
	if g == nil || g.blind {
		return false
	}
	ret, known := g.ret[one]
	call, got := g.call[other]
	return known && ((!got && !g.lossy) || (got && ret < call))
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
	got := gets{call: map[int64]int64{}, ret: map[int64]int64{}, seen: map[int64]bool{}}
	return &history{number: number, kind: kind, parameter: parameter, got: got}
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

// append adds an operation, and with an unknown get that what it took may come back.
func (h *history) append(in input, out output, call, ret int64) {
	lane := in.client
	if in.unknown {
		h.nUnknown++
		in.id = h.nUnknown
		lane = 100 + in.id // its client may go on: in a picture they would overlap
	}
	h.got.note(in, out, call, ret)
	in.got, in.bulk = &h.got, len(h.ops)+1
	h.ops = append(h.ops, porcupine.Operation{ClientId: lane, Input: in, Call: call, Output: out, Return: ret})
	if in.unknown && in.op == "get" && models[h.kind].givesBack {
		in.op = "give_back"
		h.ops = append(h.ops, porcupine.Operation{ClientId: lane + 100, Input: in, Call: call, Output: out, Return: ret})
	}
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
