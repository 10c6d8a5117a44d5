// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"sort"

	"github.com/anishathalye/porcupine"
)

// model is what is known of a kind: how its objects answer one call after the other.
type model struct {
	// init gives the state of a new object; states are comparable with ==.
	init func(parameter int64) interface{}
	// step says whether the object in this state may answer so, and its next state. It is asked about the known
	// answers: what is unknown is asked about as a call that succeeded, with `out` empty.
	step func(state interface{}, in input, out output) (bool, interface{})
	// part tells independent parts of the object apart; nil: it has none.
	part func(in input) int64
	// expand replaces a call by those that it is made of; nil: it is one.
	expand func(porcupine.Operation) []porcupine.Operation
	// wrong says what is wrong with the history by a rule of its own; nil: there is none.
	wrong func(h *history) string
	// hash tells states apart where the same calls can lead to many, so that they are found quickly; nil: they can't.
	hash func(state interface{}) uint64
	// looks says whether the call did nothing but look, so that it can't have changed the object wherever it stands; nil: not known.
	looks func(in input, out output) bool
	// takes is the operation after which what it has taken may be given back, if it has no answer: the one who asked has
	// died, or was not there any more to be told.
	takes string
}

var models = map[string]*model{
	"queue":             queueModel,
	"task_queue":        taskModel,
	"priority":          taskModel,
	"value":             valueModel,
	"array":             arrayModel,
	"dict":              dictModel,
	"whole_dict":        wholeDictModel,
	"lock":              lockModel,
	"rlock":             rlockModel,
	"semaphore":         semaphoreModel,
	"owned_semaphore":   semaphoreModel,
	"bounded_semaphore": boundedSemaphoreModel,
	"event":             eventModel,
}

// progress is the state of a search: the object's, and which calls have been placed.
type progress struct {
	object interface{}
	left   int // calls whose outcome is known
	placed places
}

// A look is a call that did nothing but look. Where its answer is right it may as well stand at once, as it changes nothing:
// then a search need not try all the places where it could stand too.
type look struct {
	op    porcupine.Operation
	needs places // what has returned before it began
}

// of gives the model in Porcupine's form, for these calls, and the calls as it knows them. One of unknown outcome that does
// nothing where it would stand may as well stand behind all others: only there it is taken.
func (m *model) of(parameter int64, ops []porcupine.Operation) (porcupine.Model, []porcupine.Operation) {
	known := 0
	ops = append([]porcupine.Operation(nil), ops...)
	for i := range ops {
		in := ops[i].Input.(input)
		in.at = i
		ops[i].Input = in
		known += int(truth(!in.unknown))
	}
	looks := m.findLooks(ops)
	return porcupine.Model{
		Init: func() interface{} { return progress{object: m.init(parameter), left: known} },
		Step: func(state, in, out interface{}) (bool, interface{}) {
			now, i := state.(progress), in.(input)
			if first := m.firstLook(looks, now); first >= 0 && first != i.at {
				return false, now
			}
			return m.place(now, i, out.(output))
		},
		Hash:              func(state interface{}) uint64 { return m.hashOf(state.(progress).object) },
		DescribeOperation: describe,
		DescribeState:     func(state interface{}) string { return fmt.Sprintf("%+v", state.(progress).object) },
	}, ops
}

func (m *model) hashOf(object interface{}) uint64 {
	if m.hash == nil {
		return 0
	}
	return m.hash(object)
}

func (m *model) place(now progress, in input, out output) (bool, interface{}) {
	if in.unknown && now.left == 0 {
		return true, now
	}
	ok, next := m.step(now.object, in, out)
	if in.unknown {
		return ok && next != now.object, progress{next, now.left, now.placed.with(in.at)}
	}
	return ok, progress{next, now.left - 1, now.placed.with(in.at)}
}

// findLooks gives the looks in the order of their beginnings; none, if there are more calls than places.
func (m *model) findLooks(ops []porcupine.Operation) []look {
	var looks []look
	if m.looks == nil || len(ops) > maxPlaces {
		return nil
	}
	for _, op := range ops {
		if op.Input.(input).unknown || !m.looks(op.Input.(input), op.Output.(output)) {
			continue
		}
		found := look{op: op}
		for i, other := range ops {
			if other.Return < op.Call {
				found.needs = found.needs.with(i)
			}
		}
		looks = append(looks, found)
	}
	sort.SliceStable(looks, func(i, j int) bool { return looks[i].op.Call < looks[j].op.Call })
	return looks
}

// firstLook gives the first look that can stand here; -1: none.
func (m *model) firstLook(looks []look, now progress) int {
	for _, l := range looks {
		in := l.op.Input.(input)
		if now.placed.has(in.at) {
			continue
		}
		if !now.placed.covers(l.needs) {
			break
		}
		if ok, _ := m.step(now.object, in, l.op.Output.(output)); ok {
			return in.at
		}
	}
	return -1
}

// places is a set of calls.
type places [8]uint64

const maxPlaces = 8 * 64

func (p places) has(i int) bool {
	return i < maxPlaces && p[i/64]>>uint(i%64)&1 != 0
}

func (p places) with(i int) places {
	if i < maxPlaces {
		p[i/64] |= 1 << uint(i%64)
	}
	return p
}

func (p places) covers(other places) bool {
	for i := range p {
		if other[i]&^p[i] != 0 {
			return false
		}
	}
	return true
}

// split gives the calls on each independent part of the object.
func (m *model) split(ops []porcupine.Operation) [][]porcupine.Operation {
	if m.part == nil {
		return [][]porcupine.Operation{ops}
	}
	parts := map[int64][]porcupine.Operation{}
	for _, op := range ops {
		key := m.part(op.Input.(input))
		parts[key] = append(parts[key], op)
	}
	var keys []int64
	for key := range parts {
		keys = append(keys, key)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
	var list [][]porcupine.Operation
	for _, key := range keys {
		list = append(list, parts[key])
	}
	return list
}

// The operations in the form in which they are checked.
func (m *model) operations(h *history) []porcupine.Operation {
	if m.expand == nil {
		return h.ops
	}
	var list []porcupine.Operation
	for _, op := range h.ops {
		list = append(list, m.expand(op)...)
	}
	return list
}

// answers tells whether the call was answered exactly so, or is unknown, so that this may have been its answer.
func answers(in input, out output, err string, res ...int64) bool {
	if in.unknown {
		return err == "OK"
	}
	if out.err != err || len(out.res) != len(res) {
		return false
	}
	for i, n := range res {
		if out.res[i] != n {
			return false
		}
	}
	return true
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
