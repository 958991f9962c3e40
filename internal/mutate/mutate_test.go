package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// code is a package of which some parts are tested and others not. Its tests are in tests.
const code = `package sample

import (
	"errors"
	"log/slog"
	"sync"
)

// Between has tests for all of its mutants.
func Between(x int) bool { return x >= 3 && x < 5 }

// Careless has none for its limit.
func Careless(x int) bool { return x > 100 }

// Untested is reached by no test.
func Untested(x int) int { return x * 2 }

// Checked has an error that the tests never see.
func Checked(f func() error) error {
	if err := f(); err != nil {
		slog.Info("failed", "by", 1+len(err.Error()))
		return errors.Join(errors.New("checked"), err)
	}
	return nil
}

var mu sync.Mutex

// Forever does not end without its last statement.
func Forever(n int) (sum int) {
	mu.Lock()
	defer mu.Unlock()
	for i := 0; i < n; {
		sum += i
		i++
	}
	return sum
}
`

const tests = `package sample

import "testing"

func TestBetween(t *testing.T) {
	for x, want := range map[int]bool{2: false, 3: true, 4: true, 5: false, 9: false} {
		if Between(x) != want {
			t.Fatal(x)
		}
	}
}

func TestCareless(t *testing.T) {
	if Careless(1) || !Careless(1000) {
		t.Fatal()
	}
}

func TestChecked(t *testing.T) {
	if Checked(func() error { return nil }) != nil {
		t.Fatal()
	}
}

func TestForever(t *testing.T) {
	if Forever(4) != 6 || Forever(4) != 6 {
		t.Fatal()
	}
}

func TestBroken(t *testing.T) { t.Fatal("it fails without a mutant") }
`

// prepare writes the package into a module, and makes it the working directory.
func prepare(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sample"), 0o755))
	for name, text := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26\n", "sample/sample.go": code, "sample/sample_test.go": tests,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	t.Chdir(dir)
}

func TestFaultsAreDetectedOrNot(t *testing.T) {
	prepare(t)
	p, err := load(t.Context(), "sample")
	require.NoError(t, err)
	known := equivalents{"sample/sample.go | Careless | zero returned | Careless": true}
	b, err := build(t.Context(), filepath.Join(t.TempDir(), "work"), p, []string{"sample"}, known)
	require.NoError(t, err)
	s, err := b.suite(t.Context(), 20*time.Second)
	require.NoError(t, err)
	require.Len(t, s.left, 1)
	require.Contains(t, s.left[0], "TestBroken fails without a mutant")
	got := s.sample(t.Context(), "sample", b.mutants, options{budget: time.Minute, workers: 2})

	lived := texts(got.lived)
	require.ElementsMatch(t, []string{
		"Careless | limit moved | x > 100",
		"Checked | error unchecked | err != nil",
		"Checked | zero returned | Checked",
	}, lived)
	require.ElementsMatch(t, []string{
		"Untested | zero returned | Untested",
		"Untested | arithmetic | x * 2",
		`Checked | nil error | return errors.Join(errors.New("checked"), err)`,
	}, texts(got.unreached))
	require.ElementsMatch(t, []string{
		"Between | zero returned | Between",
		"Between | operand dropped | x >= 3 in x >= 3 && x < 5",
		"Between | operand dropped | x < 5 in x >= 3 && x < 5",
		"Between | limit moved | x >= 3", "Between | negated | x >= 3",
		"Between | limit moved | x < 5", "Between | negated | x < 5",
		"Careless | limit moved | x > 100", "Careless | negated | x > 100",
		"Checked | zero returned | Checked", "Checked | error unchecked | err != nil",
		"Forever | zero returned | Forever", "Forever | call dropped | mu.Lock()", "Forever | defer dropped | defer mu.Unlock()",
		"Forever | limit moved | i < n", "Forever | negated | i < n",
		"Forever | assignment dropped | sum += i", "Forever | assignment dropped | i++",
	}, texts(got.ran))
	require.Equal(t, "| sample | 21 | 86 % | 18 | 3 | 83 % | **71 %** | 0 of 1 |", got.row())
	require.Contains(t, kinds([]score{got}), "| limit moved | 4 | 75 % |\n")
}

func texts(list []mutant) (names []string) {
	for _, m := range list {
		names = append(names, strings.TrimPrefix(m.key(), "sample/sample.go | "))
	}
	return names
}

func TestSameSeedSameSample(t *testing.T) {
	all := make([]mutant, 100)
	reached := make(map[int]bool)
	for i := range all {
		all[i].id = i + 1
		reached[i+1] = true
	}
	pick := func(seed uint64) (names []mutant) {
		// The binary does not exist, so every mutant is detected at once.
		s := suite{tests: []test{{binary: binary{path: filepath.Join(t.TempDir(), "none")}, reached: reached}}}
		got := s.sample(t.Context(), "x", all, options{seed: seed, budget: time.Minute, limit: 10, workers: 1})
		require.Empty(t, got.lived)
		return got.ran
	}
	first := pick(1)
	require.Len(t, first, 10)
	require.Equal(t, first, pick(1))
	require.NotEqual(t, first, pick(2))
}

func TestWhatDoesNotCompileIsLeftOut(t *testing.T) {
	prepare(t)
	// Inside the function, string is the parameter, so that no zero value of it can be written.
	extra := "package sample\n\nfunc Shadow(string int) string { return text(string + 1) }\n\nfunc text(n int) string { return \"x\"[:n-n] }\n"
	require.NoError(t, os.WriteFile(filepath.Join("sample", "mixed.go"), []byte(extra), 0o644))
	p, err := load(t.Context(), "sample")
	require.NoError(t, err)
	b, err := build(t.Context(), filepath.Join(t.TempDir(), "work"), p, []string{"sample"}, nil)
	require.NoError(t, err)
	require.Contains(t, texts(b.mutants), "sample/mixed.go | text | zero returned | text")
	require.NotContains(t, texts(b.mutants), "sample/mixed.go | Shadow | zero returned | Shadow")
	entries, err := os.ReadDir("sample")
	require.NoError(t, err)
	require.Len(t, entries, 3, "the overlay left files in the package")
}

func TestLinesOfADiff(t *testing.T) {
	t.Parallel()
	got := parseDiff([]byte(`diff --git a/x/a.go b/x/a.go
--- a/x/a.go
+++ b/x/a.go
@@ -3 +3 @@ func A() {
-old
+new
@@ -10,0 +11,3 @@
+a
+b
+c
@@ -20,2 +23,0 @@
-gone
-gone
--- /dev/null
+++ b/y.go
@@ -0,0 +1,2 @@
+1
+2
`))
	require.Equal(t, lines{"x/a.go": {{3, 3}, {11, 13}}, "y.go": {{1, 2}}}, got)
	for line, want := range map[int]bool{2: false, 3: true, 4: false, 10: false, 11: true, 13: true, 14: false, 23: false} {
		require.Equal(t, want, got.has(mutant{file: "x/a.go", line: line}), line)
	}
	require.True(t, lines(nil).has(mutant{file: "x/a.go"}))
	listed, err := parseLines("x/a.go:3 x/a.go:11-13 y.go:1-2")
	require.NoError(t, err)
	require.Equal(t, got, listed)
	for _, bad := range []string{"x", "x.go:", "x.go:a", "x.go:1-b", ":3"} {
		_, err = parseLines(bad)
		require.ErrorContains(t, err, "must be places such as", bad)
	}
}

func TestBrokenLines(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{place("api/web/a.go", 12), place("a.go", 7)},
		brokenLines("go build: exit status 1: # x/api\napi/web/a.go:12:3: invalid operation\n./a.go:7:1: no"))
}

func TestEquivalentsAreRead(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "list")
	write := func(text string) { require.NoError(t, os.WriteFile(name, []byte(text), 0o644)) }
	write("# rounding\n\na/b.go | T.F | limit moved | a < b || c\n")
	known, err := readEquivalents(name)
	require.NoError(t, err)
	require.True(t, known.has(mutant{id: 3, line: 9, file: "a/b.go", function: "T.F", kind: kindLimit, text: "a < b || c"}))
	require.False(t, known.has(mutant{file: "a/b.go", function: "T.F", kind: kindNegated, text: "a < b || c"}))
	write("# one\na/b.go | T.F\n")
	_, err = readEquivalents(name)
	require.ErrorContains(t, err, fmt.Sprintf("%s:2", name))
	known, err = readEquivalents(name + ".none")
	require.NoError(t, err)
	require.Empty(t, known)
}

func TestMeasureNeedsPackages(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, measure(context.Background(), options{}), "no packages")
}
