// Command mutate measures how well the tests of a package can fail: it plants single
// faults into the code (a condition that is always true, a limit moved by one, a dropped
// call, an unchecked error and others), runs the tests that reach each, and prints the
// share that they detect. Nothing in the working tree is changed: the faults are compiled
// from an overlay, all into one test binary for each package, and one is switched on at a
// time.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// options are the settings of a measurement.
type options struct {
	// packages has a directory below the root of the module for each package, perhaps with
	// other packages whose tests count too: "api/web:api,api/jobs".
	packages []string
	seed     uint64
	// budget is the time for running mutants of one package, building excluded.
	budget time.Duration
	// limit is the number of mutants after which a sample ends before its time.
	limit int
	// longest is the time that a single test may take; slower tests are left out.
	longest time.Duration
	// survivors is the file to which the mutants that were not detected are written.
	survivors string
	// equivalents is the file with the mutants that no test could detect.
	equivalents string
	workers     int
	// lines are those whose mutants count.
	lines lines
}

func main() {
	var o options
	packages := flag.String("packages", "", "directories of packages, separated by spaces, each perhaps with others that test it: api/web:api")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the sample")
	flag.DurationVar(&o.budget, "time", 3*time.Minute, "time for the mutants of one package")
	flag.IntVar(&o.limit, "limit", 0, "mutants of one package, 0 for as many as there is time for")
	flag.DurationVar(&o.longest, "longest", 20*time.Second, "longest test to use")
	flag.StringVar(&o.survivors, "survivors", "", "file for the list of mutants that were not detected")
	flag.StringVar(&o.equivalents, "equivalents", "internal/mutate/equivalents.txt", "file with mutants that change nothing")
	flag.IntVar(&o.workers, "workers", max(1, runtime.NumCPU()/2), "mutants under test at a time")
	since := flag.String("since", "", "revision; only mutants in lines that differ from it count")
	at := flag.String("at", "", "only mutants in these lines count, such as api/pace.go:45 api/pace.go:20-22")
	flag.Parse()
	o.packages = strings.Fields(*packages)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *since != "":
		o.lines, err = changedSince(ctx, *since)
	case *at != "":
		o.lines, err = parseLines(*at)
	}
	if err == nil {
		err = measure(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// measure prints one row for each package.
func measure(ctx context.Context, o options) error {
	if len(o.packages) == 0 {
		return fmt.Errorf("no packages: -packages \"resources internal/config\"")
	}
	known, err := readEquivalents(o.equivalents)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	list, err := survivorFile(o.survivors)
	if err != nil {
		return err
	}
	defer list.Close()
	var all []score
	for i, name := range o.packages {
		s, err := one(ctx, o, filepath.Join(dir, fmt.Sprint(i)), name, known)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, s)
		if i == 0 {
			fmt.Println(header)
		}
		fmt.Println(s.row())
		s.list(list)
	}
	fmt.Println()
	fmt.Print(kinds(all))
	return list.Close()
}

// one measures one package.
func one(ctx context.Context, o options, dir, name string, known equivalents) (score, error) {
	directory, others, _ := strings.Cut(name, ":")
	p, err := load(ctx, directory)
	if err != nil {
		return score{}, err
	}
	tested := []string{directory}
	if others != "" {
		tested = append(tested, strings.Split(others, ",")...)
	}
	b, err := build(ctx, dir, p, tested, known)
	if err != nil {
		return score{}, err
	}
	suite, err := b.suite(ctx, o.longest)
	if err != nil {
		return score{}, err
	}
	for _, t := range suite.left {
		fmt.Fprintf(os.Stderr, "%s: %s\n", directory, t)
	}
	mutants := slices.DeleteFunc(b.mutants, func(m mutant) bool { return !o.lines.has(m) })
	return suite.sample(ctx, directory, mutants, o), nil
}

// survivorFile returns the file for the undetected mutants; without a name they are dropped.
func survivorFile(name string) (*os.File, error) {
	if name == "" {
		name = os.DevNull
	} else if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	return os.Create(name)
}
