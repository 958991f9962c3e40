package patterns

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// second and tick are how long other processes have to follow.
const second, tick = time.Second, 5 * time.Millisecond

func (b *bench) export(names ...string) []byte {
	b.t.Helper()
	write, err := b.ExportPatterns(b.t.Context(), caller, names)
	require.NoError(b.t, err)
	var out bytes.Buffer
	require.NoError(b.t, write(&out))
	return out.Bytes()
}

// TestAnExportIsImportedElsewhere moves patterns with corrections to another server.
func TestAnExportIsImportedElsewhere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.teach(11, "siren", siren)
	recording, sirens, others := street(12, 5)
	id := b.shelf.add(recording)
	list := append(feedbackOn(id, sirens, tasks.VerdictRight), feedbackOn(id, others, tasks.VerdictWrong)...)
	runAs[tasks.Correction](b, tasks.Correct, tasks.CorrectParams{PatternID: p.ID, Feedback: list}, nil)
	b.teach(1, "bell", doorbell)
	text := b.export()
	require.Equal(t, 2+10+10, bytes.Count(text, []byte("\n")))
	require.Equal(t, 1+5+10, bytes.Count(b.export("siren"), []byte("\n")))
	elsewhere := newBench(t)
	dry := runAs[tasks.Imported](elsewhere, tasks.ImportPatterns, tasks.ImportParams{DryRun: true}, fileOf(text))
	require.Equal(t, 20, dry.Recordings)
	require.Empty(t, elsewhere.patterns.Select(9, func(pattern) bool { return true }))
	done := runAs[tasks.Imported](elsewhere, tasks.ImportPatterns, tasks.ImportParams{}, fileOf(text))
	require.Len(t, done.Patterns, 2)
	for _, name := range []string{"siren", "bell"} {
		was, err := b.Pattern(t.Context(), caller, name)
		require.NoError(t, err)
		is, err := elsewhere.Pattern(t.Context(), caller, name)
		require.NoError(t, err)
		require.InDelta(t, was.Threshold.Value, is.Threshold.Value, 0.02, "FLAC has 16 bits")
		require.Equal(t, was.Corrections, is.Corrections)
		require.Equal(t, was.Head, is.Head)
	}
	_, err := elsewhere.run(tasks.ImportPatterns, tasks.ImportParams{}, fileOf(text))
	require.ErrorContains(t, err, "line 1: name is that of your pattern")
	fault := new(services.Fault)
	require.ErrorAs(t, err, &fault)
	require.Equal(t, "file", fault.Fields[0].Field)
}

func TestLinesThatAreWrongAreNamed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const head = `{"schema":1,"type":"pattern","name":"x"}` + "\n"
	for text, want := range map[string]string{
		head + `{"type":"example","end":0.5,"audio":"!"}`:          "line 2: is no line of an export: illegal base64",
		head + `{"type":"example","end":0.5}`:                      "line 2: audio is missing",
		head + `{"type":"example","end":0.01,"audio":"AAAA"}`:      "line 2: the span must be 0.05 to 10 s long, got 0.010 s",
		head + `{"type":"feedback","verdict":"so","audio":"AAAA"}`: `line 2: verdict must be right, wrong or moved, got "so"`,
		head + head:                          `line 2: the pattern "x" has no examples`,
		head:                                 `line 2: the pattern "x" has no examples`,
		head + `{"type":"sound"}`:            "line 2: type must be pattern, example or feedback",
		head + `{"type":"example","size":1}`: `line 2: is no line of an export: json: unknown field "size"`,
		`{"type":"example","audio":"AAAA"}`:  "line 1: type example must follow a pattern",
		`{"schema":2,"type":"pattern"}`:      "line 1: schema must be 1, got 2",
		`{"schema":1,"type":"pattern"}`:      "line 1: name must have 1 to 128 bytes, got 0",
		head + `{"type":"example","end":1,"audio":"` + strings.Repeat("A", mostLine) + `"}`: "line 2: has more than 16777216 bytes",
		head + `{"type":"example","end":1,"audio":"AAAA"}`:                                  `pattern "x" of line 1: file is`,
	} {
		_, err := b.run(tasks.ImportPatterns, tasks.ImportParams{DryRun: true}, fileOf(text))
		require.ErrorContains(t, err, want)
		require.Contains(t, []services.Kind{services.KindInvalid, services.KindUnsupported}, services.KindOf(err), want)
	}
}

// FuzzImportLines reads anything. Each line is accepted or named.
func FuzzImportLines(f *testing.F) {
	f.Add([]byte(`{"schema":1,"type":"pattern","name":"x"}` + "\n" + `{"type":"example","end":1,"audio":"AAAA"}` + "\n"))
	f.Add([]byte(`{"type":"feedback","verdict":"moved","new_start":1e308,"new_end":-1e308}`))
	f.Add([]byte("{}\n\n{}{}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		in := newLines(bytes.NewReader(text))
		for {
			one, err := in.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				fault := new(services.Fault)
				require.ErrorAs(t, err, &fault)
				require.Contains(t, fault.Fields[0].Problem, "line ")
				return
			}
			_, err = json.Marshal(one)
			require.NoError(t, err)
		}
	})
}

func TestRelationsAreCounted(t *testing.T) {
	t.Parallel()
	b, r := newBench(t), seeded(31)
	bell, knocks := b.teach(1, "bell", doorbell), b.teach(2, "knock", knock)
	b.teach(3, "whistle", whistle)
	recording, _ := scene(r, doorbell, knock, siren, doorbell, knock, doorbell, siren, siren)
	params := tasks.DetectParams{Recordings: []string{b.shelf.add(recording)}}
	runAs[tasks.Detections](b, tasks.Detect, params, nil)
	result := runAs[tasks.Detections](b, tasks.Detect, params, nil)
	require.Len(t, result.Detections, 5, "%v", result.Detections)
	require.Equal(t, params.Recordings[0], result.Detections[0].AudioID)
	relations, err := b.PatternRelations(t.Context(), caller, "bell")
	require.NoError(t, err)
	require.Equal(t, []int{1, 3}, []int{relations.Recordings, relations.Detections}, "a recording counts once")
	require.Equal(t, knocks.ID, relations.Relations[0].ID)
	require.Equal(t, 2, relations.Relations[0].FollowedBy)
	require.Equal(t, 1, relations.Relations[0].Follows)
	require.Zero(t, relations.Relations[0].Overlaps)
	require.NotNil(t, relations.Relations[0].Similar)
	require.Len(t, relations.Relations, 2)
	back, err := b.PatternRelations(t.Context(), caller, knocks.ID)
	require.NoError(t, err)
	require.Equal(t, bell.ID, back.Relations[0].ID)
	require.Equal(t, 2, back.Relations[0].Follows)
}
