package arch

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

const (
	maxColumns       = 140 // a tab counts as one
	maxFileLines     = 400
	maxFunctionLines = 60

	// maxVague is the number of vague verbs that comments may contain; it may only be lowered.
	maxVague = 19
)

// vague are verbs for which there is a precise one: returns, reports, prints, sets.
var vague = regexp.MustCompile(`(?i)\b(tells?|told|gives?|gave)\b`)

// banned are names without a technical meaning; there is a precise one for each.
var banned = []string{"calm", "care", "heard", "holt", "kept", "patient", "road", "subject", "talk", "told"}

// source is a Go file of ours, tests included.
type source struct {
	name string // below the root of the module
	text []byte
	set  *token.FileSet
	file *ast.File
}

// isTest reports whether the file is compiled for tests only.
func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// line returns the line of a position.
func (s source) line(pos token.Pos) int { return s.set.Position(pos).Line }

// sources parses every Go file of the module that is not generated.
func sources(t *testing.T) (list []source) {
	t.Helper()
	root := filepath.Join("..", "..")
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			hidden := strings.HasPrefix(entry.Name(), ".") && name != "."
			if hidden || slices.Contains([]string{"bin", "data", "node_modules", "shared", "testdata"}, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		s := source{name: filepath.ToSlash(name), set: token.NewFileSet()}
		if s.text, err = os.ReadFile(path); err != nil {
			return err
		}
		s.file, err = parser.ParseFile(s.set, path, s.text, parser.ParseComments)
		if err == nil && !ast.IsGenerated(s.file) {
			list = append(list, s)
		}
		return err
	}))
	require.NotEmpty(t, list)
	return list
}

// TestLinesAreShort excepts what is inside a string of several lines.
func TestLinesAreShort(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		raw := make(map[int]bool)
		ast.Inspect(s.file, func(node ast.Node) bool {
			if literal, ok := node.(*ast.BasicLit); ok && s.line(literal.Pos()) < s.line(literal.End()) {
				for line := s.line(literal.Pos()); line <= s.line(literal.End()); line++ {
					raw[line] = true
				}
			}
			return true
		})
		for i, line := range bytes.Split(s.text, []byte("\n")) {
			if n := utf8.RuneCount(line); n > maxColumns && !raw[i+1] {
				t.Errorf("%s:%d has %d columns, more than %d", s.name, i+1, n, maxColumns)
			}
		}
	}
}

func TestFilesAndFunctionsAreSmall(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if lines := bytes.Count(s.text, []byte("\n")); lines > maxFileLines {
			t.Errorf("%s has %d lines, more than %d", s.name, lines, maxFileLines)
		}
		for _, decl := range s.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				if lines := s.line(f.End()) - s.line(f.Pos()) + 1; lines > maxFunctionLines {
					t.Errorf("%s:%d: %s has %d lines, more than %d", s.name, s.line(f.Pos()), f.Name.Name, lines, maxFunctionLines)
				}
			}
		}
	}
}

// TestDocCommentsHaveTheStandardForm checks that the comment of an exported identifier
// begins with its name.
func TestDocCommentsHaveTheStandardForm(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		check := func(name *ast.Ident, doc *ast.CommentGroup) {
			if name.IsExported() && doc != nil && !standardForm(name.Name, doc.Text()) {
				t.Errorf("%s:%d: the comment of %s does not begin with its name", s.name, s.line(name.Pos()), name.Name)
			}
		}
		for _, decl := range s.file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				check(d.Name, d.Doc)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					doc := d.Doc
					if d.Lparen.IsValid() { // the comment of a group is about all of it
						doc = nil
					}
					switch one := spec.(type) {
					case *ast.TypeSpec:
						check(one.Name, first(one.Doc, doc))
						checkInterface(one, check)
					case *ast.ValueSpec:
						check(one.Names[0], first(one.Doc, doc))
					}
				}
			}
		}
	}
}

// checkInterface checks the methods of an interface.
func checkInterface(spec *ast.TypeSpec, check func(*ast.Ident, *ast.CommentGroup)) {
	if of, ok := spec.Type.(*ast.InterfaceType); ok {
		for _, method := range of.Methods.List {
			if len(method.Names) == 1 {
				check(method.Names[0], method.Doc)
			}
		}
	}
}

func first(a, b *ast.CommentGroup) *ast.CommentGroup {
	if a != nil {
		return a
	}
	return b
}

// standardForm reports whether a comment begins with a name, perhaps after an article.
func standardForm(name, text string) bool {
	for _, article := range []string{"A ", "An ", "The "} {
		text = strings.TrimPrefix(text, article)
	}
	rest, ok := strings.CutPrefix(text, name)
	return ok && (rest == "" || strings.ContainsRune(" \n,.:;'(", rune(rest[0])))
}

func TestNamesAreNotBanned(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		check := func(names ...*ast.Ident) {
			for _, name := range names {
				if slices.Contains(banned, strings.ToLower(name.Name)) {
					t.Errorf("%s:%d: %s is a banned name", s.name, s.line(name.Pos()), name.Name)
				}
			}
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.FuncDecl:
				check(n.Name)
			case *ast.TypeSpec:
				check(n.Name)
			case *ast.ValueSpec:
				check(n.Names...)
			case *ast.Field:
				check(n.Names...)
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					if name, ok := left.(*ast.Ident); ok && n.Tok == token.DEFINE {
						check(name)
					}
				}
			case *ast.RangeStmt:
				for _, variable := range []ast.Expr{n.Key, n.Value} {
					if name, ok := variable.(*ast.Ident); ok && n.Tok == token.DEFINE {
						check(name)
					}
				}
			}
			return true
		})
	}
}

func TestCommentsAreNotVague(t *testing.T) {
	t.Parallel()
	var found []string
	for _, s := range sources(t) {
		for _, group := range s.file.Comments {
			for range vague.FindAllString(group.Text(), -1) {
				found = append(found, s.name)
			}
		}
	}
	if len(found) > maxVague {
		slices.Sort(found)
		t.Errorf("%d comments tell or give, more than %d: %s", len(found), maxVague, strings.Join(slices.Compact(found), " "))
	}
}

func TestStandardForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"Open opens a file.": true, "An Open is a state.": true, "Open: opens.": true, "Open": true,
		"Opens a file.": false, "It opens a file.": false, "OpenIn opens a file.": false, "": false,
	} {
		require.Equal(t, want, standardForm("Open", text), text)
	}
}
