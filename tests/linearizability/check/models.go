// SPDX-License-Identifier: Apache-2.0

package main

import (
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
	// What an unknown get has taken may come back to its place: of a getter that died.
	givesBack bool
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

// of gives the model in Porcupine's form.
func (m *model) of(parameter int64) porcupine.Model {
	made := porcupine.Model{
		Init: func() interface{} { return m.init(parameter) },
		Step: func(state, in, out interface{}) (bool, interface{}) {
			i, o := in.(input), out.(output)
			ok, next := m.step(state, i, o)
			if i.unknown && !ok {
				return true, state
			}
			return ok, next
		},
		DescribeOperation: describe,
	}
	if m.part != nil {
		made.Partition = m.partition
	}
	return made
}

func (m *model) partition(ops []porcupine.Operation) [][]porcupine.Operation {
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
