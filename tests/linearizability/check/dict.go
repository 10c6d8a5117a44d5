// SPDX-License-Identifier: Apache-2.0

package main

// pair is an entry of a dict.
type pair struct {
	key, value int64
}

const maxPairs = 4

// dictState has the entries in the order of their insertion.
type dictState struct {
	n     int
	pairs [maxPairs]pair
}

func (s dictState) find(key int64) int {
	for i := 0; i < s.n; i++ {
		if s.pairs[i].key == key {
			return i
		}
	}
	return -1
}

func (s dictState) get(key int64) int64 {
	if i := s.find(key); i >= 0 {
		return s.pairs[i].value
	}
	return none
}

func (s dictState) set(key, value int64) dictState {
	if i := s.find(key); i >= 0 {
		s.pairs[i].value = value
		return s
	}
	s.pairs[s.n] = pair{key, value}
	s.n++
	return s
}

func (s dictState) without(key int64) dictState {
	i := s.find(key)
	if i < 0 {
		return s
	}
	copy(s.pairs[i:], s.pairs[i+1:s.n])
	s.n--
	s.pairs[s.n] = pair{}
	return s
}

func (s dictState) stepCas(in input, out output) (bool, interface{}) {
	found := s.get(in.args[0])
	exchanged := found == in.args[1]
	next := s
	if exchanged && in.args[2] == none {
		next = s.without(in.args[0])
	} else if exchanged {
		next = s.set(in.args[0], in.args[2])
	}
	return answers(in, out, "OK", truth(exchanged), found), next
}

// Operations on one key.
func stepDict(state interface{}, in input, out output) (bool, interface{}) {
	s := state.(dictState)
	key := in.args[0]
	value := s.get(key)
	missing := value == none
	switch in.op {
	case "set":
		return answers(in, out, "OK", truth(missing)), s.set(key, in.args[1])
	case "setdefault":
		if missing {
			return answers(in, out, "OK", in.args[1], 1), s.set(key, in.args[1])
		}
		return answers(in, out, "OK", value, 0), s
	case "contains":
		return answers(in, out, "OK", truth(!missing)), s
	case "increment":
		if missing {
			value = 0
		}
		value += in.args[1]
		return answers(in, out, "OK", value), s.set(key, value)
	case "cas":
		return s.stepCas(in, out)
	}
	if missing {
		return answers(in, out, "KEY_NOT_FOUND"), s
	}
	switch in.op {
	case "get":
		return answers(in, out, "OK", value), s
	case "pop":
		return answers(in, out, "OK", value), s.without(key)
	case "delete":
		return answers(in, out, "OK"), s.without(key)
	}
	return false, s
}

var dictModel = &model{
	init: func(int64) interface{} { return dictState{} },
	step: stepDict,
	part: func(in input) int64 { return in.args[0] },
}

func (s dictState) stepPopItem(in input, out output) (bool, interface{}) {
	if s.n == 0 {
		return answers(in, out, "EMPTY"), s
	}
	item := s.pairs[0]
	if in.op == "popitem" {
		item = s.pairs[s.n-1]
	}
	return answers(in, out, "OK", item.key, item.value), s.without(item.key)
}

func stepWholeDict(state interface{}, in input, out output) (bool, interface{}) {
	s := state.(dictState)
	switch in.op {
	case "update":
		next := s.set(in.args[0], in.args[1]).set(in.args[2], in.args[3])
		return answers(in, out, "OK", int64(next.n-s.n)), next
	case "popitem", "popfirst":
		return s.stepPopItem(in, out)
	case "len":
		return answers(in, out, "OK", int64(s.n)), s
	case "clear":
		return answers(in, out, "OK", int64(s.n)), dictState{}
	case "snapshot":
		var all []int64
		for _, item := range s.pairs[:s.n] {
			all = append(all, item.key, item.value)
		}
		return answers(in, out, "OK", all...), s
	}
	return stepDict(state, in, out)
}

var wholeDictModel = &model{init: dictModel.init, step: stepWholeDict}
