package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// lines are the lines to which a measurement is limited, by file; nil for all.
type lines map[string][]span

// span is a range of lines, both ends included.
type span struct{ from, to int }

func (l lines) has(m mutant) bool {
	if l == nil {
		return true
	}
	for _, s := range l[m.file] {
		if m.line >= s.from && m.line <= s.to {
			return true
		}
	}
	return false
}

// changedSince returns the lines that differ from a revision in the working tree.
func changedSince(ctx context.Context, revision string) (lines, error) {
	diff, err := command(ctx, "git", "diff", "--unified=0", "--no-color", "--relative", revision, "--", "*.go")
	if err != nil {
		return nil, err
	}
	return parseDiff(diff), nil
}

var hunk = regexp.MustCompile(`^@@ -\S+ \+(\d+)(?:,(\d+))? @@`)

// parseDiff returns the lines that a unified diff without context adds or changes.
func parseDiff(diff []byte) lines {
	found, file := make(lines), ""
	scanner := bufio.NewScanner(bytes.NewReader(diff))
	scanner.Buffer(nil, 1<<24)
	for scanner.Scan() {
		if name, ok := strings.CutPrefix(scanner.Text(), "+++ b/"); ok {
			file = name
			continue
		}
		match := hunk.FindStringSubmatch(scanner.Text())
		if match == nil {
			continue
		}
		from, _ := strconv.Atoi(match[1])
		count := 1
		if match[2] != "" {
			count, _ = strconv.Atoi(match[2])
		}
		if count > 0 {
			found[file] = append(found[file], span{from, from + count - 1})
		}
	}
	return found
}

// parseLines parses a list such as "api/pace.go:45 api/pace.go:20-22".
func parseLines(list string) (lines, error) {
	found := make(lines)
	for _, text := range strings.Fields(list) {
		file, numbers, _ := strings.Cut(text, ":")
		first, last, several := strings.Cut(numbers, "-")
		if !several {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, toErr := strconv.Atoi(last)
		if err != nil || toErr != nil || file == "" {
			return nil, fmt.Errorf("-at: must be places such as api/pace.go:45 or api/pace.go:20-22, got %q", text)
		}
		found[file] = append(found[file], span{from, to})
	}
	return found, nil
}
