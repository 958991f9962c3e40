package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// The kinds of mutants.
const (
	kindTrue     = "condition true"
	kindFalse    = "condition false"
	kindNegated  = "negated"
	kindOperand  = "operand dropped"
	kindLimit    = "limit moved"
	kindArith    = "arithmetic"
	kindCall     = "call dropped"
	kindAssign   = "assignment dropped"
	kindDefer    = "defer dropped"
	kindGo       = "go dropped"
	kindSend     = "send dropped"
	kindZero     = "zero returned"
	kindNilError = "nil error"
	kindCheck    = "error unchecked"
)

// mutant is one fault. Its number is its index among all of a package, from 1.
type mutant struct {
	id             int
	file           string
	line           int
	function, kind string
	// text is the code that is changed.
	text string
}

// String returns the mutant as it is named in the list of equivalents, with its line.
func (m mutant) String() string {
	return fmt.Sprintf("%s:%d | %s | %s | %s", m.file, m.line, m.function, m.kind, m.text)
}

// planter inserts the mutants of a package.
type planter struct {
	*program
	mutants []mutant
	// skipped reports whether a mutant must not be inserted.
	skipped func(mutant) bool

	// of the file in work:
	*file
	edits    edits
	function string
	// conditions are those of if statements, which have mutants of their own.
	conditions map[ast.Expr]bool
}

// plant returns the text of each file that has mutants, by path.
func plant(p *program, skipped func(mutant) bool) (map[string]string, []mutant) {
	w := &planter{program: p, skipped: skipped}
	texts := make(map[string]string)
	for _, f := range p.files {
		if ast.IsGenerated(f.tree) {
			continue
		}
		w.file, w.edits, w.function, w.conditions = f, edits{}, "", make(map[ast.Expr]bool)
		ast.Inspect(f.tree, w.visit)
		if len(w.edits.list) > 0 {
			texts[f.path] = w.edits.apply(f.text)
		}
	}
	return texts, w.mutants
}

// add returns the number of a new mutant, and 0 if it must not be inserted.
func (w *planter) add(at ast.Node, kind, text string) int {
	m := mutant{id: len(w.mutants) + 1, file: w.file.name, line: w.set.Position(at.Pos()).Line, function: w.function, kind: kind, text: text}
	if w.skipped(m) {
		return 0
	}
	w.mutants = append(w.mutants, m)
	return m.id
}

func (w *planter) visit(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.GenDecl:
		return n.Tok == token.VAR
	case *ast.FuncDecl:
		w.body(n)
	case *ast.BlockStmt:
		w.statements(n.List)
	case *ast.CaseClause:
		w.statements(n.Body)
	case *ast.CommClause:
		w.statements(n.Body)
	case *ast.ExprStmt:
		return !w.logs(n.X)
	case *ast.IfStmt:
		w.conditions[n.Cond] = true
		w.condition(n.Cond)
	case *ast.BinaryExpr:
		w.binary(n)
	case *ast.ReturnStmt:
		w.returned(n)
	}
	return true
}

// body lets a function return zero values at once.
func (w *planter) body(f *ast.FuncDecl) {
	w.function = f.Name.Name
	if f.Recv != nil && len(f.Recv.List) > 0 {
		w.function = strings.TrimLeft(w.source(f.Recv.List[0].Type), "*") + "." + f.Name.Name
	}
	if f.Body == nil || len(f.Body.List) == 0 {
		return
	}
	result := "return"
	if results := f.Type.Results; results != nil && len(results.List) > 0 && len(results.List[0].Names) == 0 {
		var zeros []string
		for _, one := range results.List {
			zeros = append(zeros, "*new("+w.source(one.Type)+")")
		}
		result += " " + strings.Join(zeros, ", ")
	}
	if id := w.add(f.Name, kindZero, w.function); id > 0 {
		w.edits.insert(w.offset(f.Body.Lbrace)+1, fmt.Sprintf(" if mutantOn(%d) { %s }; ", id, result))
	}
}

// statements drops each statement that can be dropped.
func (w *planter) statements(list []ast.Stmt) {
	for _, statement := range list {
		kind := ""
		switch s := statement.(type) {
		case *ast.ExprStmt:
			if call, ok := s.X.(*ast.CallExpr); ok && !w.logs(call) && w.source(call.Fun) != "panic" {
				kind = kindCall
			}
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE && !blank(s) {
				kind = kindAssign
			}
		case *ast.IncDecStmt:
			kind = kindAssign
		case *ast.SendStmt:
			kind = kindSend
		case *ast.DeferStmt:
			kind = kindDefer
		case *ast.GoStmt:
			kind = kindGo
		}
		if kind == "" {
			continue
		}
		if id := w.add(statement, kind, w.source(statement)); id > 0 {
			w.wrap(statement, fmt.Sprintf("if !mutantOn(%d) { ", id), " }")
		}
	}
}

// blank reports whether a value is thrown away that no call produced.
func blank(s *ast.AssignStmt) bool {
	for _, left := range s.Lhs {
		if name, ok := left.(*ast.Ident); !ok || name.Name != "_" {
			return false
		}
	}
	_, call := s.Rhs[0].(*ast.CallExpr)
	return !call
}

// logs reports whether an expression writes to the log, which tests need not read.
func (w *planter) logs(x ast.Expr) bool {
	call, ok := x.(*ast.CallExpr)
	if !ok {
		return false
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	of := w.info.Types[selector.X].Type
	return of != nil && of.String() == "*log/slog.Logger" || w.source(selector.X) == "slog"
}

// condition sets the condition of an if statement to true and to false.
func (w *planter) condition(c ast.Expr) {
	if w.constant(c) {
		return
	}
	text := w.source(c)
	if w.checksError(c) {
		if id := w.add(c, kindCheck, text); id > 0 {
			w.wrap(c, fmt.Sprintf("(!mutantOn(%d) && (", id), "))")
		}
		return
	}
	if id := w.add(c, kindTrue, text); id > 0 {
		w.wrap(c, fmt.Sprintf("(mutantOn(%d) || (", id), "))")
	}
	if id := w.add(c, kindFalse, text); id > 0 {
		w.wrap(c, fmt.Sprintf("(!mutantOn(%d) && (", id), "))")
	}
}

// checksError reports whether a condition is err != nil.
func (w *planter) checksError(c ast.Expr) bool {
	b, ok := c.(*ast.BinaryExpr)
	if !ok || b.Op != token.NEQ {
		return false
	}
	right, ok := b.Y.(*ast.Ident)
	return ok && right.Name == "nil" && isError(w.info.Types[b.X].Type)
}

// returned replaces the error, or negates the bool, that is returned last.
func (w *planter) returned(r *ast.ReturnStmt) {
	if len(r.Results) == 0 {
		return
	}
	last := r.Results[len(r.Results)-1]
	if name, ok := last.(*ast.Ident); ok && name.Name == "nil" {
		return
	}
	if isError(w.info.Types[last].Type) {
		if id := w.add(last, kindNilError, w.source(r)); id > 0 {
			w.wrap(last, fmt.Sprintf("mutantError(%d, ", id), ")")
		}
		return
	}
	_, comparison := last.(*ast.BinaryExpr) // has mutants of its own
	if info, ok := w.basic(last); ok && info&types.IsBoolean != 0 && !w.constant(last) && !comparison {
		w.negate(last)
	}
}

func isError(t types.Type) bool {
	return t != nil && types.Identical(t, types.Universe.Lookup("error").Type())
}
