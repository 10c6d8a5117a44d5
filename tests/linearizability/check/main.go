// SPDX-License-Identifier: Apache-2.0

// Checks recorded histories for linearizability: whether there is an order of the calls, each at one moment between its
// beginning and its answer, in which an object that does one thing after the other would have given the same answers.
//
//	record ... | check [-limit TIME] FOLDER
//
// Of each history that has no such order it prints where it breaks, and leaves the history and a picture of it (HTML) in
// FOLDER. The search may take very long, though hardly one of ten thousand histories takes a second: one that
// is not decided within the limit is a failure too, for nobody knows what it hides.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

type tally struct {
	histories, ops, unknown, failed, undecided int
	slowest                                    time.Duration // search for an order
}

// finding is what a search came to: if there is no order, the calls on the part that has none.
type finding struct {
	result porcupine.CheckResult
	model  porcupine.Model
	ops    []porcupine.Operation
}

// check searches for an order, on each of the object's parts for as long as the limit.
func check(h *history, limit time.Duration) finding {
	m := models[h.kind]
	ops := m.operations(h)
	if m.wrong != nil {
		if text := m.wrong(h); text != "" {
			fmt.Printf("history %s: %s\n", h.number, text)
			made, ops := m.of(h.parameter, ops)
			return finding{porcupine.Illegal, made, ops}
		}
	}
	all := finding{result: porcupine.Ok}
	for _, part := range m.split(ops) {
		var found finding
		found.model, found.ops = m.of(h.parameter, part)
		found.result = porcupine.CheckOperationsTimeout(found.model, found.ops, limit)
		if found.result == porcupine.Illegal {
			return found
		}
		if found.result == porcupine.Unknown {
			all = found
		}
	}
	return all
}

// save leaves the history in the folder, and gives the name of its file without the ending.
func save(h *history, folder string) string {
	name := filepath.Join(folder, fmt.Sprintf("%s-%s", h.kind, h.number))
	text := fmt.Sprintf("H %s %s %d\n%s\nE\n", h.number, h.kind, h.parameter, strings.Join(h.lines, "\n"))
	_ = os.WriteFile(name+".txt", []byte(text), 0o644)
	return name
}

// explain tells how far an order was found, and which calls are left that no order can go on with.
func explain(h *history, found finding, folder string) {
	name := save(h, folder)
	fmt.Printf("FAILED: history %s of a %s (%d) is not linearizable: %s.txt and .html\n", h.number, h.kind, h.parameter, name)
	result, info := porcupine.CheckOperationsVerbose(found.model, found.ops, 20*time.Second)
	if result == porcupine.Illegal {
		_ = porcupine.VisualizePath(found.model, info, name+".html")
		explainOrders(found, info.PartialLinearizations()[0])
	}
}

func show(op porcupine.Operation) {
	fmt.Printf("    client %-3d %d..%d %s\n", op.ClientId, op.Call, op.Return, describe(op.Input, op.Output))
}

func explainOrders(found finding, orders [][]int) {
	ops := found.ops
	const shown = 8
	var best []int
	for _, order := range orders {
		if len(order) > len(best) {
			best = order
		}
	}
	fmt.Printf("  an order of %d of %d calls was found; the last of them:\n", len(best), len(ops))
	state, placed := found.model.Init(), map[int]bool{}
	for i, at := range best {
		placed[at] = true
		_, state = found.model.Step(state, ops[at].Input, ops[at].Output)
		if i >= len(best)-shown {
			show(ops[at])
		}
	}
	fmt.Printf("  which leaves %s; what was called next, of which none can follow:\n", found.model.DescribeState(state))
	var left []porcupine.Operation
	for i, op := range ops {
		if !placed[i] {
			left = append(left, op)
		}
	}
	sort.Slice(left, func(i, j int) bool { return left[i].Call < left[j].Call })
	for i, op := range left {
		if i < shown {
			show(op)
		}
	}
}

func main() {
	limit := flag.Duration("limit", 2*time.Minute, "the longest search for an order of one history")
	every := flag.Int("plant", 0, "falsify every so manieth history too: it must be found out; 0: none")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	sums := map[string]*tally{}
	all, plants := tally{}, tally{}
	begun := time.Now()
	err := readHistories(os.Stdin, func(h *history) error {
		before := time.Now()
		found := check(h, *limit)
		took := time.Since(before)
		kind := sums[h.kind]
		if kind == nil {
			kind = &tally{}
			sums[h.kind] = kind
		}
		for _, t := range []*tally{kind, &all} {
			t.histories++
			t.ops += len(h.lines)
			t.unknown += h.nUnknown
			t.failed += int(truth(found.result == porcupine.Illegal))
			t.undecided += int(truth(found.result == porcupine.Unknown))
			if took > t.slowest {
				t.slowest = took
			}
		}
		if found.result == porcupine.Unknown {
			fmt.Printf("FAILED: undecided: history %s of a %s (%d), %d calls, %d of unknown outcome: %s.txt\n",
				h.number, h.kind, h.parameter, len(found.ops), h.nUnknown, save(h, flag.Arg(0)))
		}
		if found.result == porcupine.Illegal {
			explain(h, found, flag.Arg(0))
		}
		if found.result == porcupine.Ok && *every > 0 && all.histories%*every == 0 {
			plants.plant(h, *limit)
		}
		return nil
	})
	if *every > 0 {
		fmt.Printf("%d histories falsified: %d found out, %d undecided\n", plants.histories, plants.failed, plants.undecided)
	}
	report(sums, all, time.Since(begun))
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
	if all.failed+all.undecided > 0 || all.histories == 0 {
		os.Exit(1)
	}
	if plants.failed < plants.histories {
		fmt.Println("FAILED: the checker does not see what is wrong")
		os.Exit(1)
	}
}

func report(sums map[string]*tally, all tally, took time.Duration) {
	var names []string
	for name := range sums {
		names = append(names, name)
	}
	sort.Strings(names)
	line := func(name string, t tally) {
		fmt.Printf("%-18s %7d histories %9d calls %6d of unknown outcome %5d not linearizable %4d undecided, slowest %.3f s\n",
			name, t.histories, t.ops, t.unknown, t.failed, t.undecided, t.slowest.Seconds())
	}
	for _, name := range names {
		line(name, *sums[name])
	}
	line(fmt.Sprintf("all, %.0f s", took.Seconds()), all)
}
