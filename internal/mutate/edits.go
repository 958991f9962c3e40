package main

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// edits are changes of a text. None adds a line, so that the compiler's messages have the
// lines of the original.
type edits struct{ list []edit }

// edit replaces what is from begin to end by a text.
type edit struct {
	begin, end int
	// closes is set for the end of a pair; at one place ends stand before beginnings.
	closes bool
	text   string
}

func (e *edits) insert(at int, text string) {
	e.list = append(e.list, edit{begin: at, end: at, text: text})
}

func (e *edits) replace(begin, end int, text string) {
	e.list = append(e.list, edit{begin: begin, end: end, text: text})
}

// pair surrounds what is from begin to end. A later pair is inside an earlier one.
func (e *edits) pair(begin, end int, open, closing string) {
	e.list = append(e.list, edit{begin: begin, end: begin, text: open}, edit{begin: end, end: end, closes: true, text: closing})
}

// apply returns the changed text.
func (e *edits) apply(text []byte) string {
	order := make([]int, len(e.list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := e.list[i], e.list[j]
		switch {
		case a.begin != b.begin:
			return a.begin - b.begin
		case a.closes && b.closes:
			return j - i // the inner pair ends first
		case a.closes:
			return -1
		case b.closes:
			return 1
		}
		return i - j
	})
	var b strings.Builder
	at := 0
	for _, i := range order {
		one := e.list[i]
		b.Write(text[at:one.begin])
		b.WriteString(one.text)
		at = one.end
	}
	b.Write(text[at:])
	return b.String()
}

func (w *planter) wrap(node ast.Node, open, closing string) {
	w.edits.pair(w.offset(node.Pos()), w.offset(node.End()), open, closing)
}

func (w *planter) offset(at token.Pos) int { return w.set.Position(at).Offset }

// source returns the text of a node on one line.
func (w *planter) source(node ast.Node) string {
	return strings.Join(strings.Fields(string(w.text[w.offset(node.Pos()):w.offset(node.End())])), " ")
}
