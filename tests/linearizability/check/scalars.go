// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/anishathalye/porcupine"

// A value, or one element of an array.
type cellState struct {
	value int64
	code  int64 // the type's letter
}

func (s cellState) wrapped(value int64) int64 {
	if s.code == 'i' {
		return int64(int32(value))
	}
	return value
}

func stepCell(state interface{}, in input, out output) (bool, interface{}) {
	s := state.(cellState)
	next := s
	switch in.op {
	case "get":
		return answers(in, out, "OK", s.value), s
	case "set":
		next.value = in.args[1]
		return answers(in, out, "OK"), next
	case "add":
		next.value = s.wrapped(s.value + in.args[1])
		return answers(in, out, "OK", next.value), next
	case "exchange":
		next.value = in.args[1]
		return answers(in, out, "OK", s.value), next
	case "cas":
		if s.value == in.args[1] {
			next.value = in.args[2]
		}
		return answers(in, out, "OK", truth(s.value == in.args[1]), s.value), next
	}
	return false, s
}

var valueModel = &model{
	init: func(code int64) interface{} { return cellState{0, code} },
	step: stepCell,
}

const arrayLen = 3

// A slice is as many calls as it has elements, all of the same time.
func expandSlice(op porcupine.Operation) []porcupine.Operation {
	in, out := op.Input.(input), op.Output.(output)
	if in.op != "get_slice" && in.op != "fill" {
		return []porcupine.Operation{op}
	}
	var list []porcupine.Operation
	for i := int64(0); i < arrayLen; i++ {
		part, answer := op, output{err: out.err}
		if in.op == "get_slice" {
			part.Input = input{op: "get", args: []int64{i}, unknown: in.unknown}
			if out.err == "OK" {
				answer.res = out.res[i : i+1]
			}
		} else {
			part.Input = input{op: "set", args: []int64{i, in.args[0]}, unknown: in.unknown}
		}
		part.Output = answer
		list = append(list, part)
	}
	return list
}

var arrayModel = &model{
	init:   valueModel.init,
	step:   stepCell,
	part:   func(in input) int64 { return in.args[0] },
	expand: expandSlice,
}
