package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// score is the result of one package.
type score struct {
	name             string
	mutants, reached int
	// ran are the mutants of the sample; lived those that no test detected.
	ran, lived []mutant
	unreached  []mutant
}

// sample runs reached mutants in the order of the seed until the time or the limit is over.
func (s *suite) sample(ctx context.Context, name string, mutants []mutant, o options) score {
	result := score{name: name, mutants: len(mutants)}
	var reached []mutant
	for _, m := range mutants {
		if len(s.reaching(m.id)) > 0 {
			reached = append(reached, m)
		} else {
			result.unreached = append(result.unreached, m)
		}
	}
	result.reached = len(reached)
	random := rand.New(rand.NewPCG(o.seed, 0))
	random.Shuffle(len(reached), func(i, j int) { reached[i], reached[j] = reached[j], reached[i] })
	if o.limit > 0 && len(reached) > o.limit {
		reached = reached[:o.limit]
	}
	queue := make(chan mutant)
	var workers sync.WaitGroup
	var mu sync.Mutex
	for range max(1, o.workers) {
		workers.Go(func() {
			for m := range queue {
				detected := s.detects(ctx, m.id)
				if ctx.Err() != nil {
					continue
				}
				mu.Lock()
				result.ran = append(result.ran, m)
				if !detected {
					result.lived = append(result.lived, m)
				}
				mu.Unlock()
			}
		})
	}
	end := time.Now().Add(o.budget)
	for _, m := range reached {
		if ctx.Err() != nil || time.Now().After(end) {
			break
		}
		queue <- m
	}
	close(queue)
	workers.Wait()
	return result
}

const header = `| package | mutants | reached | run | undetected | detected | effective | unchecked errors detected |
|---|---|---|---|---|---|---|---|`

// row returns the score as a row of the table. Effective is the reached share times the
// detected share.
func (s score) row() string {
	checks, detected := 0, 0
	for _, m := range s.ran {
		if m.kind == kindCheck {
			checks++
			if !slices.Contains(s.lived, m) {
				detected++
			}
		}
	}
	return fmt.Sprintf("| %s | %d | %s | %d | %d | %s | **%s** | %d of %d |", s.name, s.mutants, percent(s.reached,
		s.mutants), len(s.ran), len(s.lived),
		percent(len(s.ran)-len(s.lived), len(s.ran)), percent(s.reached*(len(s.ran)-len(s.lived)), s.mutants*len(s.ran)), detected, checks)
}

func percent(part, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(part)/float64(of))
}

// list writes the mutants that lived and those that no test reaches.
func (s score) list(w io.Writer) {
	byPlace := func(a, b mutant) int { return a.id - b.id }
	slices.SortFunc(s.lived, byPlace)
	for _, m := range s.lived {
		fmt.Fprintln(w, "undetected", m)
	}
	for _, m := range s.unreached {
		fmt.Fprintln(w, "unreached", m)
	}
}

// kinds returns a table of how many mutants of each kind were detected.
func kinds(all []score) string {
	ran, lived := make(map[string]int), make(map[string]int)
	for _, s := range all {
		for _, m := range s.ran {
			ran[m.kind]++
		}
		for _, m := range s.lived {
			lived[m.kind]++
		}
	}
	var names []string
	for name := range ran {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteString("| kind | run | detected |\n|---|---|---|\n")
	for _, name := range names {
		fmt.Fprintf(&b, "| %s | %d | %s |\n", name, ran[name], percent(ran[name]-lived[name], ran[name]))
	}
	return b.String()
}

// equivalents are mutants that change nothing a test could see, by their text without the line.
type equivalents map[string]bool

func (e equivalents) has(m mutant) bool { return e[m.key()] }

// key names a mutant without its line, which moves with the code.
func (m mutant) key() string {
	return strings.Join([]string{m.file, m.function, m.kind, m.text}, " | ")
}

// readEquivalents reads lines of the form "file | function | kind | text"; a reason stands
// above as a comment with #.
func readEquivalents(name string) (equivalents, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	known := make(equivalents)
	lines := bufio.NewScanner(f)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.Count(line, " | ") < 3 {
			return nil, fmt.Errorf("%s:%d: %q has not the form file | function | kind | text", name, number, line)
		}
		known[line] = true
	}
	return known, lines.Err()
}
