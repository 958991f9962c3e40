package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
)

// comparisons and arithmetic are the functions of switch.go.txt that replace operators.
var (
	comparisons = map[token.Token]string{
		token.LSS: "mutantLess", token.LEQ: "mutantLessEqual", token.GTR: "mutantGreater", token.GEQ: "mutantGreaterEqual",
	}
	arithmetic = map[token.Token]string{
		token.ADD: "mutantAdd", token.SUB: "mutantSubtract", token.MUL: "mutantMultiply", token.QUO: "mutantDivide", token.REM: "mutantRemainder",
	}
)

func (w *planter) binary(b *ast.BinaryExpr) {
	if w.constant(b) {
		return
	}
	switch b.Op {
	case token.LAND, token.LOR:
		w.operands(b)
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		w.comparison(b)
	case token.EQL, token.NEQ:
		if !w.conditions[b] {
			w.negate(b)
		}
	case token.ADD, token.SUB, token.MUL, token.QUO, token.REM:
		w.calculation(b)
	}
}

// operands drops each operand of && and ||. Those of a chain are visited one by one.
func (w *planter) operands(b *ast.BinaryExpr) {
	for i, operand := range []ast.Expr{b.X, b.Y} {
		inner, ok := ast.Unparen(operand).(*ast.BinaryExpr)
		if ok && inner.Op == b.Op && i == 0 || w.constant(operand) {
			continue
		}
		id := w.add(operand, kindOperand, w.source(operand)+" in "+w.source(b))
		switch {
		case id == 0:
		case b.Op == token.LAND:
			w.wrap(operand, fmt.Sprintf("(mutantOn(%d) || (", id), "))")
		default:
			w.wrap(operand, fmt.Sprintf("(!mutantOn(%d) && (", id), "))")
		}
	}
}

// comparison moves the limit by one, and negates what is not a whole condition.
func (w *planter) comparison(b *ast.BinaryExpr) {
	x, okX := w.basic(b.X)
	y, okY := w.basic(b.Y)
	if !okX || !okY || x&types.IsOrdered == 0 || y&types.IsOrdered == 0 {
		return
	}
	limit, negate := w.add(b, kindLimit, w.source(b)), 0
	if limit == 0 {
		return
	}
	if !w.conditions[b] {
		negate = w.add(b, kindNegated, w.source(b))
	}
	if negate == 0 {
		negate = none
	}
	w.call(b, fmt.Sprintf("%s(%d, %d, ", comparisons[b.Op], limit, negate))
}

// none is a number that no mutant has.
const none = -1

// calculation exchanges + and -, * and /, and % for *.
func (w *planter) calculation(b *ast.BinaryExpr) {
	info, ok := w.basic(b)
	if !ok || info&types.IsNumeric == 0 || info&(types.IsComplex|types.IsUntyped) != 0 {
		return
	}
	if id := w.add(b, kindArith, w.source(b)); id > 0 {
		w.call(b, fmt.Sprintf("%s(%d, ", arithmetic[b.Op], id))
	}
}

// call makes a function call of a binary expression.
func (w *planter) call(b *ast.BinaryExpr, begin string) {
	w.wrap(b, begin, ")")
	at := w.offset(b.OpPos)
	w.edits.replace(at, at+len(b.Op.String()), ",")
}

func (w *planter) negate(x ast.Expr) {
	if id := w.add(x, kindNegated, w.source(x)); id > 0 {
		w.wrap(x, "((", fmt.Sprintf(") != mutantOn(%d))", id))
	}
}

func (w *planter) constant(x ast.Expr) bool {
	of := w.info.Types[x]
	return of.Value != nil || of.Type == nil
}

// basic returns the properties of the basic type below the type of an expression.
func (w *planter) basic(x ast.Expr) (types.BasicInfo, bool) {
	of := w.info.Types[x].Type
	if of == nil {
		return 0, false
	}
	if _, parameter := of.(*types.TypeParam); parameter {
		return 0, false
	}
	b, ok := of.Underlying().(*types.Basic)
	if !ok {
		return 0, false
	}
	return b.Info(), true
}
