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

// progress is the state of a search: the object's, and how many calls are left whose outcome is known.
type progress struct {
	object interface{}
	left   int
}

// of gives the model in Porcupine's form, for these calls. One of unknown outcome that does nothing where it would stand
// may as well stand behind all others: only there it is taken, so that a search has one place for it, not many.
func (m *model) of(parameter int64, ops []porcupine.Operation) porcupine.Model {
	known := 0
	for _, op := range ops {
		known += int(truth(!op.Input.(input).unknown))
	}
	return porcupine.Model{
		Init: func() interface{} { return progress{m.init(parameter), known} },
		Step: func(state, in, out interface{}) (bool, interface{}) {
			now, i, o := state.(progress), in.(input), out.(output)
			if i.unknown && now.left == 0 {
				return true, now
			}
			ok, next := m.step(now.object, i, o)
			if i.unknown {
				return ok && next != now.object, progress{next, now.left}
			}
			return ok, progress{next, now.left - 1}
		},
		DescribeOperation: describe,
		DescribeState:     func(state interface{}) string { return fmt.Sprintf("%+v", state.(progress).object) },
	}
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
