package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// studio answers tasks of sounds, and fails for names with "bad".
type studio struct {
	tasks []services.Task
	dir   string
	more  bool
}

func (s *studio) Execute(_ context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	s.tasks = append(s.tasks, task)
	sink.Progress(0.5, "work")
	if strings.HasPrefix(task.ID, "bad") {
		return services.TaskResult{}, errors.New("it is noise")
	}
	switch task.Name {
	case tasks.Draw:
		return services.TaskResult{Value: &tasks.Picture{Kind: "waveform", Data: []byte("drawn")}}, nil
	case tasks.ComputePeaks:
		return services.TaskResult{Value: &tasks.Peaks{Version: 1, Bits: 8, Length: 1, Data: []int16{-1, 1}}}, nil
	case tasks.Analyze:
		return services.TaskResult{Value: map[string]any{
			"levels": map[string]any{"peak_dbfs": -1.23456789, "rms_dbfs": nil}, "onsets": make([]int, 21),
			"segments": []any{map[string]any{"start": 1, "end": 2}}, "loud": true, "name": "x",
		}}, nil
	}
	file, err := os.CreateTemp(s.dir, "sound-*")
	if err != nil {
		return services.TaskResult{}, err
	}
	_, err = file.WriteString("edited")
	sound := &services.Artifact{Path: file.Name(), Bytes: 6}
	if s.more {
		sound.More = []*services.Artifact{{Path: file.Name()}}
	}
	return services.TaskResult{Audio: sound}, errors.Join(err, file.Close())
}

// in runs a command line with a studio.
func in(t *testing.T, s *studio, args ...string) result {
	t.Helper()
	var c called
	program := c.program(t.TempDir())
	s.dir = t.TempDir()
	program.OpenExecutor = func(Settings) (Executor, func(context.Context) error, error) {
		return s, func(context.Context) error { return nil }, nil
	}
	got := runWith(t.Context(), &c, strings.NewReader("sound"), program, args...)
	left, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Empty(t, left, "no result stays in the folder of results")
	return got
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// done is the result of a command that prints nothing.
var done = result{ExitOK, "", ""}

func TestDrawSetsTheParametersOfItsFlags(t *testing.T) {
	t.Parallel()
	dir := folder(t, "a.wav")
	for line, want := range map[string][2]string{
		"":             {"draw", `{"kind":"waveform"}`},
		"--format svg": {"draw", `{"kind":"waveform","format":"svg"}`},
		"--kind spectrogram --theme dark --width 300 --height=200": {"draw", `{"kind":"spectrogram","theme":"dark","width":300,"height":200}`},
		"--frequency-scale log --min-frequency 20.5 --kind spectrogram --window 512 --reduce max --colors gray": {"draw",
			`{"kind":"spectrogram","frequency_scale":"log","min_frequency":20.5,"window":512,"reduce":"max","colors":"gray"}`},
		"--kind loudness --axes=false --floor-db -40 --start 1 --end 2.5": {"draw",
			`{"kind":"loudness","axes":false,"floor_db":-40,"start":1,"end":2.5}`},
		"--kind peaks --pixels 9 --bits 8 --channels mix": {"peaks", `{"pixels":9,"bits":8,"channels":"mix"}`},
	} {
		var s studio
		args := append([]string{"draw", "-o", filepath.Join(t.TempDir(), "out"), dir + "/a.wav"}, strings.Fields(line)...)
		require.Equal(t, done, in(t, &s, args...), line)
		require.Equal(t, want[0], s.tasks[0].Name)
		require.JSONEq(t, want[1], string(s.tasks[0].Params))
	}
}

func TestResultsGoToFilesByTheirNames(t *testing.T) {
	t.Parallel()
	dir, out := folder(t, "a.wav", "b/c.flac", "d.wav"), t.TempDir()
	var s studio
	require.Equal(t, done, in(t, &s, "draw", "-o", out+"/one.svg", dir+"/a.wav"))
	require.Equal(t, "drawn", read(t, out+"/one.svg"))
	require.JSONEq(t, `{"kind":"waveform","format":"svg"}`, string(s.tasks[0].Params))
	require.Equal(t, done, in(t, &s, "draw", "--output", out+"/all", dir))
	require.Equal(t, "drawn", read(t, out+"/all/b/c.png"))
	require.Equal(t, done, in(t, &s, "draw", "--kind", "peaks", "-o", out+"/p.dat", dir+"/a.wav"))
	require.Equal(t, "\x01\x00\x00\x00", read(t, out+"/p.dat")[:4])
	require.Equal(t, result{ExitOK, "drawn", ""}, in(t, &s, "draw", "-o", "-", "-"))
	require.Equal(t, done, in(t, &s, "draw", "-o", out+"/d.json", dir+"/a.wav"))
	require.Contains(t, read(t, out+"/d.json"), `"data":"ZHJhd24="`)

	require.Equal(t, done, in(t, &s, "edit", "--ops", `{"op":"reverse"}`, "-o", out+"/e.flac", dir+"/a.wav"))
	require.Equal(t, "edited", read(t, out+"/e.flac"))
	require.JSONEq(t, `{"operations":[{"op":"reverse"}],"container":"flac"}`, string(s.tasks[len(s.tasks)-1].Params))
	ops := out + "/ops.json"
	require.NoError(t, os.WriteFile(ops, []byte(` [{"op":"gain","gain_db":1}] `), 0o600))
	require.Equal(t, done, in(t, &s, "edit", "--ops", ops, "--bit-depth", "24", "--sample-rate", "8000", "-o", out+"/cut", dir+"/a.wav"))
	require.Equal(t, "edited", read(t, out+"/cut/a.wav"))
	require.JSONEq(t, `{"operations":[{"op":"gain","gain_db":1}],"container":"wav","bit_depth":"24","sample_rate":8000}`,
		string(s.tasks[len(s.tasks)-1].Params))

	const exists = "; use --force to overwrite\n"
	require.Equal(t, result{ExitFailure, "", "grym-synth: would overwrite " + out + "/one.svg" + exists},
		in(t, &s, "draw", "-o", out+"/one.svg", dir+"/a.wav"))
	require.Equal(t, done, in(t, &s, "draw", "--force", "-o", out+"/one.svg", dir+"/a.wav"))
	got := in(t, &s, "edit", "--ops", "[{}]", "--force", "-o", dir+"/a.wav", dir+"/a.wav")
	require.Contains(t, got.err, "would overwrite the recording")
	require.Equal(t, "a.wav", read(t, dir+"/a.wav"))
}

func TestAnalyzePrints(t *testing.T) {
	t.Parallel()
	dir := folder(t, "a.wav", "bad.wav")
	var s studio
	got := in(t, &s, "analyze", "--features", "levels,key", "--series", "pitch", dir+"/a.wav")
	require.Equal(t, result{ExitOK, "levels.peak_dbfs  -1.23457\nlevels.rms_dbfs   -\nloud              true\nname              x\n" +
		"onsets            21 values\nsegments          (end=2 start=1)\n", ""}, got)
	require.JSONEq(t, `{"features":["levels","key"],"series":["pitch"]}`, string(s.tasks[0].Params))
	got = in(t, &s, "analyze", "--format", "json", dir+"/a.wav", dir+"/bad.wav", dir+"/a.wav")
	require.Equal(t, ExitFailure, got.code)
	require.Equal(t, "grym-synth: "+dir+"/bad.wav: it is noise\ngrym-synth: 1 of 3 recordings failed, 2 analyzed\n", got.err)
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	require.Len(t, lines, 2)
	var line struct {
		File   string
		Levels map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &line))
	require.Equal(t, dir+"/a.wav", line.File)
	require.NotEmpty(t, line.Levels)
	out := t.TempDir()
	require.Equal(t, done, in(t, &s, "analyze", "-o", out, dir+"/a.wav"))
	require.True(t, strings.HasPrefix(read(t, out+"/a.json"), `{"levels"`))
}

func TestMisuseOfSounds(t *testing.T) {
	t.Parallel()
	dir := folder(t, "a.wav", "b.wav", "empty.json", "odd.json")
	require.NoError(t, os.WriteFile(dir+"/empty.json", []byte("[]"), 0o600))
	for line, want := range map[string]string{
		"draw":                                "draw needs a file, a folder, or - for the standard input",
		"draw a.wav":                          "draw needs --output FILE, DIR, or - for the standard output",
		"draw -o x --kind wave a.wav":         `unknown kind "wave"; did you mean "waveform"?`,
		"draw -o x --width wide a.wav":        `--width must be a whole number, got "wide"`,
		"draw -o x --start soon a.wav":        `--start must be a number, got "soon"`,
		"draw -o x --bits 8 a.wav":            `--bits is not a flag of --kind waveform`,
		"draw -o x --kind peaks --window 1 a": `--window is not a flag of --kind peaks`,
		"draw -o x --kind peaks --axes a":     `--axes is not a flag of --kind peaks`,
		"draw -o x --format dat a.wav":        `--format must be one of png, svg, json, got "dat"`,
		"draw -o x.dat a.wav":                 `--output x.dat does not fit the formats of waveform: png, svg, json`,
		"draw -o x.png --format svg a.wav":    `--output x.png does not fit the formats of waveform: png, svg, json`,
		"draw -o x.png @/a.wav @/b.wav":       `--output x.png is the name of one file; several recordings need a folder`,
		"draw -o - @/a.wav @/b.wav":           `several files need an output folder: --output DIR`,
		"edit -o x a.wav":                     `edit needs operations: --ops '[{"op":"trim","end":10}]', or a file with them`,
		"edit --ops {} a.wav":                 `edit needs --output FILE, DIR, or - for the standard output`,
		"edit --ops nofile -o x a.wav":        `--ops must be JSON or a file with it: open nofile: no such file or directory`,
		"edit --ops [ -o x a.wav":             `--ops is not a JSON list of operations: unexpected end of JSON input`,
		"edit --ops @/odd.json -o x a.wav": `@/odd.json is not a JSON list of operations: invalid character 'o' looking for` +
			` beginning of value`,
		"edit --ops @/empty.json -o x a.wav":        `@/empty.json has no operations`,
		"edit --ops {} --container wav -o x.flac a": `--container wav does not fit --output x.flac`,
		"analyze --format xml a.wav":                `--format must be one of text, json, got "xml"`,
		"analyze --force a.wav":                     `--force needs --output`,
		"analyze --api-key k a.wav":                 `--api-key needs --server`,
	} {
		var s studio
		got := in(t, &s, strings.Fields(strings.ReplaceAll(line, "@", dir))...)
		require.Equal(t, ExitMisuse, got.code, line)
		require.Contains(t, got.err, "grym-synth: "+strings.ReplaceAll(want, "@", dir)+"\n", line)
		require.Empty(t, s.tasks)
	}
	got := in(t, &studio{more: true}, "edit", "--ops", "{}", "-o", "-", dir+"/a.wav")
	require.Equal(t, ExitFailure, got.code)
	require.Contains(t, got.err, "the result has 2 sounds, which only the API returns")
}

// TestAServerDrawsAndEdits looks at the requests that a server gets.
func TestAServerDrawsAndEdits(t *testing.T) {
	t.Parallel()
	type sent struct {
		path, accept, file string
		fields             map[string][]string
	}
	var all []sent
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1 << 20); err != nil {
			t.Error(err)
			return
		}
		file, part, err := r.FormFile("file")
		if err != nil {
			t.Error(err)
			return
		}
		data, _ := io.ReadAll(file)
		all = append(all, sent{r.URL.Path, r.Header.Get("Accept"), part.Filename + " " + string(data), r.MultipartForm.Value})
		if part.Filename == "bad.wav" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"detail":"file is noise","request_id":"7"}`)
			return
		}
		_, _ = io.WriteString(w, `{"made":1}`)
	}))
	t.Cleanup(server.Close)
	dir, out := folder(t, "a.wav", "bad.wav"), t.TempDir()
	var s studio
	require.Equal(t, done, in(t, &s, "draw", "--server", server.URL, "--width", "300", "--axes=false", "-o", out+"/a.svg", dir+"/a.wav"))
	require.Equal(t, `{"made":1}`, read(t, out+"/a.svg"))
	require.Equal(t, done, in(t, &s, "edit", "--server", server.URL, "--ops", `[{"op":"reverse"}]`, "-o", out+"/a.flac", dir+"/a.wav"))
	require.Equal(t, done, in(t, &s, "draw", "--server", server.URL, "--kind", "peaks", "-o", out+"/a.dat", dir+"/a.wav"))
	require.Equal(t, result{ExitOK, "made  1\n", ""}, in(t, &s, "analyze", "--server", server.URL, "--features", "levels", dir+"/a.wav"))
	require.Equal(t, result{ExitFailure, "", "grym-synth: " + dir + "/bad.wav: the server answered 400: file is noise (request 7)\n"},
		in(t, &s, "analyze", "--server", server.URL, dir+"/bad.wav"))
	require.Empty(t, s.tasks, "nothing is done in this process")
	require.Equal(t, []sent{
		{"/v1/audio/pictures", "image/svg+xml", "a.wav a.wav",
			map[string][]string{"kind": {"waveform"}, "format": {"svg"}, "width": {"300"}, "axes": {"false"}}},
		{"/v1/audio/edits", "audio/*", "a.wav a.wav", map[string][]string{"operations": {`[{"op":"reverse"}]`}, "container": {"flac"}}},
		{"/v1/audio/peaks", "application/octet-stream", "a.wav a.wav", map[string][]string{}},
		{"/v1/audio/analyses", "application/json", "a.wav a.wav", map[string][]string{"features": {`["levels"]`}}},
		{"/v1/audio/analyses", "application/json", "bad.wav bad.wav", map[string][]string{}},
	}, all)
}
