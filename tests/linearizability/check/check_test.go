// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// A story of few calls: each is "client call return error op args / results", with times that everybody can follow.
type story struct {
	name  string
	kind  string
	param int64
	right bool
	calls []string
}

var stories = []story{
	{"first in, first out", "queue", 0, true, []string{
		"0 10 20 OK put 1 0 /", "0 30 40 OK put 2 0 /", "1 50 60 OK get / 1", "1 70 80 OK get / 2", "1 90 99 EMPTY get /"}},
	{"concurrent puts come in any order", "queue", 0, true, []string{
		"0 10 40 OK put 1 0 /", "1 20 30 OK put 2 0 /", "2 50 60 OK get / 2", "2 70 80 OK get / 1"}},
	{"the second is got first", "queue", 0, false, []string{
		"0 10 20 OK put 1 0 /", "0 30 40 OK put 2 0 /", "1 50 60 OK get / 2", "1 70 80 OK get / 1"}},
	{"an item is got twice", "queue", 0, false, []string{
		"0 10 20 OK put 1 0 /", "1 30 40 OK get / 1", "2 35 45 OK get / 1"}},
	{"an accepted item is lost", "queue", 0, false, []string{
		"0 10 20 OK put 1 0 /", "1 30 40 EMPTY get /"}},
	{"a put without an answer was done", "queue", 0, true, []string{
		"0 10 - ? put 1 0 /", "1 30 40 EMPTY get /", "1 50 60 OK get / 1"}},
	{"a put without an answer was not done", "queue", 0, true, []string{
		"0 10 - ? put 1 0 /", "1 30 40 EMPTY get /"}},
	{"a getter that was killed had the item", "queue", 0, true, []string{
		"0 10 20 OK put 1 0 /", "2 25 - ? get /", "1 30 40 EMPTY get /"}},
	{"what it had comes back to its place", "queue", 0, true, []string{
		"0 10 20 OK put 1 0 /", "0 21 22 OK put 2 0 /", "0 23 24 OK put 3 0 /", "2 25 - ? get /",
		"1 30 40 OK get / 2", "1 50 60 OK get / 1", "1 70 80 OK get / 3"}},
	{"it comes back out of its turn", "queue", 0, false, []string{
		"0 10 20 OK put 1 0 /", "0 21 22 OK put 2 0 /", "0 23 24 OK put 3 0 /", "2 25 - ? get /",
		"1 30 40 OK get / 2", "1 50 60 OK get / 3", "1 70 80 OK get / 1", "1 90 95 OK put 4 0 /", "1 96 99 EMPTY get /"}},
	{"many that came back, each to its place", "queue", 0, true, []string{
		"0 10 20 OK put_many 1 3 / 3", "2 25 - ? get_many 2 /",
		"1 30 40 OK get / 3", "1 50 60 OK get / 1", "1 70 80 OK get / 2"}},
	{"two are lost with one getter", "queue", 0, false, []string{
		"0 10 20 OK put 1 0 /", "0 21 22 OK put 2 0 /", "2 25 - ? get /", "1 30 40 EMPTY get /"}},
	{"a bounded queue takes one too many", "queue", 1, false, []string{"0 10 20 OK put 1 0 /", "0 30 40 OK put 2 0 /"}},
	{"many are taken one by one", "queue", 0, true, []string{
		"0 10 20 OK put_many 1 2 / 2", "1 30 60 OK get_many 3 / 1 2", "2 40 50 OK peek / 2", "2 70 80 EMPTY get /"}},
	{"but of a task queue in one step", "task_queue", 0, false, []string{
		"0 10 20 OK put_many 1 2 / 2", "1 30 60 OK get_many 3 / 1 2", "2 40 50 OK peek / 2", "2 70 80 EMPTY get /"}},
	{"a getter among the many of another", "queue", 0, false, []string{
		"0 10 20 OK put_many 1 3 / 3", "1 30 60 OK get_many 3 / 1 3", "2 40 50 OK get / 2"}},
	{"a clear takes what there is, item by item", "queue", 0, true, []string{
		"0 10 20 OK put_many 1 3 / 3", "1 30 60 OK clear / 2", "2 40 50 OK get / 2", "2 70 80 EMPTY get /"}},
	{"an item survives a clear", "queue", 0, false, []string{
		"0 10 20 OK put_many 1 3 / 3", "1 30 60 OK clear / 2", "2 70 80 OK get / 3"}},
	{"the most urgent first", "priority", 0, true, []string{
		"0 10 20 OK put 1 2 /", "0 30 40 OK put 2 0 /", "1 50 60 OK get / 2", "1 70 80 OK get / 1"}},
	{"the less urgent first", "priority", 0, false, []string{
		"0 10 20 OK put 1 2 /", "0 30 40 OK put 2 0 /", "1 50 60 OK get / 1", "1 70 80 OK get / 2"}},
	{"a stale read", "value", 'q', false, []string{"0 10 20 OK set 0 5 /", "0 30 40 OK set 0 6 /", "1 50 60 OK get 0 / 5"}},
	{"a lost update", "value", 'q', false, []string{
		"0 10 30 OK add 0 1 / 1", "1 20 40 OK add 0 1 / 1"}},
	{"two exchange the same", "value", 'q', false, []string{"0 10 30 OK cas 0 0 5 / 1 0", "1 20 40 OK cas 0 0 6 / 1 0"}},
	{"a slice is read element by element", "array", 'q', true, []string{
		"0 10 60 OK get_slice / 0 0 7", "1 20 30 OK set 0 5 /", "1 40 50 OK set 2 7 /"}},
	{"an element goes back", "array", 'q', false, []string{
		"0 10 20 OK set 1 5 /", "1 30 40 OK get 1 / 5", "1 50 60 OK get_slice / 0 0 0"}},
	{"a key is set twice for the first time", "dict", 0, false, []string{
		"0 10 30 OK setdefault 1 5 / 5 1", "1 20 40 OK setdefault 1 6 / 6 1"}},
	{"half an update", "whole_dict", 0, false, []string{
		"0 10 40 OK update 1 5 2 6 / 2", "1 20 30 OK get 1 / 5", "1 31 35 KEY_NOT_FOUND get 2 /"}},
	{"a dict out of order", "whole_dict", 0, false, []string{
		"0 10 20 OK set 1 5 / 1", "0 30 40 OK set 2 6 / 1", "1 50 60 OK popitem / 1 5"}},
	{"two have the lock", "lock", 0, false, []string{"0 10 30 OK acquire / 1 1 0", "2 20 40 OK acquire / 2 1 0"}},
	{"the holder dies, and the next is told", "lock", 0, true, []string{
		"0 10 20 OK acquire / 1 1 0", "9 30 - ? die 0 /", "2 40 50 OK acquire / 2 1 1"}},
	{"who died before he knew that he had it", "lock", 0, true, []string{
		"0 10 - ? acquire /", "9 30 - ? die 0 /", "2 40 50 OK acquire / 2 1 0"}},
	{"who died before anybody learnt that he knew", "lock", 0, true, []string{
		"0 10 - ? acquire /", "9 30 - ? die 0 /", "2 40 50 OK acquire / 2 1 1"}},
	{"the holder dies, and the next is not told", "lock", 0, false, []string{
		"0 10 20 OK acquire / 1 1 0", "9 30 - ? die 0 /", "2 40 50 OK acquire / 2 1 0"}},
	{"it was a dead one's turn", "lock", 1, true, []string{
		"0 10 20 OK acquire / 1 1 0", "4 12 - ? acquire /", "5 14 - ? acquire /", "9 30 - ? die 2 /", "0 40 50 OK release /",
		"2 60 70 OK status / 1 0 0 1 2", "2 80 90 OK acquire / 4 1 1"}},
	{"who could not be told does not hold it", "lock", 0, true, []string{
		"2 10 - ? acquire /", "0 20 30 OK status / 1 0 0 1 1", "0 40 50 OK acquire / 2 1 0"}},
	{"but somebody did", "lock", 0, false, []string{
		"2 10 20 OK acquire / 1 1 0", "0 30 40 OK acquire / 2 1 0"}},
	{"an rlock belongs to a thread", "rlock", 0, false, []string{
		"0 10 20 OK acquire / 1 1 0", "1 30 40 OK acquire / 1 2 0"}},
	{"three of two", "semaphore", 2, false, []string{
		"0 10 20 OK acquire /", "2 30 40 OK acquire /", "4 50 60 OK acquire /"}},
	{"a unit comes back from who could not be told", "semaphore", 1, true, []string{
		"2 10 - ? acquire /", "0 20 30 WOULD_BLOCK acquire /", "0 40 50 OK acquire /", "0 60 70 OK status / 0"}},
	{"but only once", "semaphore", 1, false, []string{
		"2 10 - ? acquire /", "0 20 30 WOULD_BLOCK acquire /", "0 40 50 OK acquire /", "0 60 70 OK acquire /"}},
	{"what a dead one held comes back", "owned_semaphore", 1, true, []string{
		"0 10 20 OK acquire /", "9 30 - ? die 0 /", "2 40 50 OK acquire /"}},
	{"a wait ends without a set", "event", 0, false, []string{"0 10 20 OK set /", "0 30 40 OK clear /", "2 50 60 OK wait /"}},
}

func (s story) history(t *testing.T) *history {
	text := fmt.Sprintf("H 1 %s %d\n", s.kind, s.param)
	for _, call := range s.calls {
		words := strings.SplitN(call, " ", 2)
		process := int(words[0][0]-'0') / 2
		text += fmt.Sprintf("O %s %d %s\n", words[0], process, words[1])
	}
	var found *history
	err := readHistories(strings.NewReader(text+"E\n"), func(h *history) error {
		found = h
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestStories(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			result := check(s.history(t), time.Minute).result
			wanted := porcupine.CheckResult(porcupine.Illegal)
			if s.right {
				wanted = porcupine.Ok
			}
			if result != wanted {
				t.Errorf("is %v, not %v", result, wanted)
			}
		})
	}
}

func TestLinesThatAreNone(t *testing.T) {
	for _, text := range []string{
		"O 0 0 1 2 OK get /\n", "H 1 submarine 0\nE\n", "H 1 queue 0\nO 0 0 1 2 OK get\nE\n", "rubbish\n",
	} {
		if readHistories(strings.NewReader(text), func(*history) error { return nil }) == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
