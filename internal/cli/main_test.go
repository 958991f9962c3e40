package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// scripted answers every task with one word, and fails for names with "bad".
type scripted struct {
	tasks    []services.Task
	received [][]byte
	during   func() // called while a task runs
}

func (s *scripted) Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	s.tasks = append(s.tasks, task)
	file, err := task.Audio.Open()
	if err != nil {
		return services.TaskResult{}, err
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		return services.TaskResult{}, err
	}
	s.received = append(s.received, data)
	for _, fraction := range []float64{0, 0.5, 0.501, 1} {
		sink.Progress(fraction, "infer")
	}
	if s.during != nil {
		s.during()
	}
	if ctx.Err() != nil {
		return services.TaskResult{}, ctx.Err()
	}
	if strings.HasPrefix(task.ID, "bad") {
		return services.TaskResult{}, errors.New("it is noise")
	}
	return services.TaskResult{Value: &tasks.Transcription{Text: "ONE", Words: []tasks.Word{{Text: "ONE", Start: 1, End: 2}}}}, nil
}

// called records the calls of the program's functions.
type called struct {
	serve, opened, closed int
	origins               bool
	settings              Settings
	executor              scripted
	tools                 toolbox
}

func (c *called) program(dataDir string) Program {
	return Program{
		Version: "grym-synth 1.2.3 (abc, os/cpu)",
		Serve:   func(_ context.Context, _ func(), s Settings) error { c.serve++; c.settings = s; return nil },
		WriteConfig: func(s Settings, origins bool, out io.Writer) error {
			c.settings, c.origins = s, origins
			_, err := io.WriteString(out, "settings\n")
			return err
		},
		Listen: func(s Settings) (string, error) { c.settings = s; return "nonsense", nil },
		Keys:   func(s Settings) (*access.Store, error) { c.settings = s; return access.Open(dataDir), nil },
		Store:  func(s Settings) (StoreTools, error) { c.settings = s; return &c.tools, nil },
		OpenExecutor: func(s Settings) (Executor, func(context.Context) error, error) {
			c.opened++
			c.settings = s
			return &c.executor, func(ctx context.Context) error { c.closed++; return ctx.Err() }, nil
		},
	}
}

// result of a command line.
type result struct {
	code     int
	out, err string
}

func run(t *testing.T, c *called, args ...string) result {
	t.Helper()
	return runWith(t.Context(), c, strings.NewReader("sound of stdin"), c.program(t.TempDir()), args...)
}

func runWith(ctx context.Context, _ *called, stdin io.Reader, program Program, args ...string) result {
	var out, err bytes.Buffer
	code := Main(ctx, func() {}, args, Streams{In: stdin, Out: &out, Err: &err}, program)
	return result{code, out.String(), err.String()}
}

// folder creates files whose content is their name.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(name), 0o600))
	}
	return dir
}

const usageOf = "Run \"grym-synth%s --help\" for the usage.\n"

func TestMisuse(t *testing.T) {
	t.Parallel()
	root := strings.Replace(usageOf, "%s", "", 1)
	of := func(command string) string { return strings.Replace(usageOf, "%s", " "+command, 1) }
	const all = "available: analyze, batch, completion, config, draw, edit, healthcheck, help, import, keys, " +
		"models, pull, run, serve, store, transcribe, version\n"
	for line, want := range map[string]string{
		"trancribe":                      `unknown command "trancribe"; did you mean "transcribe"?` + "\n" + root,
		"trancribe --format srt a.wav":   `unknown command "trancribe"; did you mean "transcribe"?` + "\n" + root,
		"trans a.wav":                    `unknown command "trans"; did you mean "transcribe"?` + "\n" + root,
		"foo":                            `unknown command "foo"; ` + all + root,
		"--data-dir d foo":               `unknown command "foo"; ` + all + root,
		"help foo":                       `unknown command "foo"; ` + all + of("help"),
		"help keys revok":                `unknown command "revok"; did you mean "revoke"?` + "\n" + of("help"),
		"--port 1":                       `unknown flag "--port"` + "\n" + root,
		"--liste x":                      `unknown flag "--liste"; did you mean "--listen"?` + "\n" + root,
		"transcribe --fromat srt a.wav":  `unknown flag "--fromat"; did you mean "--format"?` + "\n" + of("transcribe"),
		"transcribe -fromat srt a.wav":   `unknown flag "-fromat"; did you mean "--format"?` + "\n" + of("transcribe"),
		"transcribe -q a.wav":            `unknown flag "-q"` + "\n" + of("transcribe"),
		"transcribe a.wav --format":      `--format needs a value` + "\n" + of("transcribe"),
		"transcribe":                     `transcribe needs a file, a folder, or - for the standard input` + "\n" + of("transcribe"),
		"transcribe --format xml a.wav":  `--format must be one of json, text, srt, vtt, verbose_json, got "xml"` + "\n" + of("transcribe"),
		"transcribe --decoding x a.wav":  `--decoding must be greedy or beam, got "x"` + "\n" + of("transcribe"),
		"transcribe --window 31 a.wav":   `--window must be 0 or from 1 to 30 seconds, got "31"` + "\n" + of("transcribe"),
		"transcribe --window NaN a.wav":  `--window must be 0 or from 1 to 30 seconds, got "NaN"` + "\n" + of("transcribe"),
		"transcribe --window -5 a.wav":   `--window must be 0 or from 1 to 30 seconds, got "-5"` + "\n" + of("transcribe"),
		"transcribe --force a.wav":       `--force needs --output` + "\n" + of("transcribe"),
		"transcribe --progress=x a.wav":  `--progress must be true or false, got "x"` + "\n" + of("transcribe"),
		"transcribe - -":                 `the standard input can be read only once; "-" is repeated` + "\n" + of("transcribe"),
		"transcribe --format srt a b":    `several files in the format srt need an output folder: --output DIR` + "\n" + of("transcribe"),
		"transcribe --api-key k a.wav":   `--api-key needs --server` + "\n" + of("transcribe"),
		"healthcheck --api-key-file k":   `--api-key-file needs --server` + "\n" + of("healthcheck"),
		"healthcheck --server host:80":   `--server must be a URL such as http://127.0.0.1:8080, got "host:80"` + "\n" + of("healthcheck"),
		"healthcheck --server ftp://h":   `--server must be a URL such as http://127.0.0.1:8080, got "ftp://h"` + "\n" + of("healthcheck"),
		"config extra":                   `config takes no argument, got "extra"` + "\n" + of("config"),
		"config --origins=x":             `--origins must be true or false, got "x"` + "\n" + of("config"),
		"serve extra":                    `serve takes no argument, got "extra"` + "\n" + of("serve"),
		"version extra":                  `version takes no argument, got "extra"` + "\n" + of("version"),
		"keys":                           `keys needs a command; available: create, list, revoke` + "\n" + of("keys"),
		"keys crate":                     `unknown command "crate"; did you mean "create"?` + "\n" + of("keys"),
		"keys create --scopes use,root":  `--scopes must be a list of use, read, admin, got "use,root"` + "\n" + of("keys create"),
		"keys create --expires -1h":      `--expires must be a non-negative duration such as 720h, got "-1h"` + "\n" + of("keys create"),
		"keys create --expires tomorrow": `--expires must be a non-negative duration such as 720h, got "tomorrow"` + "\n" + of("keys create"),
		"keys revoke":                    `keys revoke needs one key id, got 0; keys list prints the ids` + "\n" + of("keys revoke"),
		"keys list --server http://h":    `--server: ` + noKeyRoute + "\n" + of("keys list"),
		"completion":                     `completion needs one shell; available: bash, zsh, fish` + "\n" + of("completion"),
		"completion tcsh":                `unknown shell "tcsh"; available: bash, zsh, fish` + "\n" + of("completion"),
		"completion fis":                 `unknown shell "fis"; did you mean "fish"?` + "\n" + of("completion"),
	} {
		var c called
		got := run(t, &c, strings.Fields(line)...)
		require.Equal(t, result{ExitMisuse, "", "grym-synth: " + want}, got, line)
		require.Zero(t, c.serve+c.opened, line)
	}
}

func TestAPromptIsLimited(t *testing.T) {
	t.Parallel()
	got := run(t, &called{}, "transcribe", "--prompt", strings.Repeat("a", 4097), "a.wav")
	require.Equal(t, ExitMisuse, got.code)
	require.Contains(t, got.err, "grym-synth: --prompt must be at most 4096 bytes, got 4097\n")
}

func TestWhatEachCommandDoes(t *testing.T) {
	t.Parallel()
	version := "grym-synth 1.2.3 (abc, os/cpu)\n"
	for line, want := range map[string]struct {
		out      string
		serve    int
		origins  bool
		settings Settings
	}{
		"":                               {serve: 1},
		"serve":                          {serve: 1},
		"--listen :1 --data-dir d":       {serve: 1, settings: Settings{Values: map[string]string{"api.listen": ":1", "dataDir": "d"}}},
		"-listen=:1 serve -config c.yml": {serve: 1, settings: Settings{File: "c.yml", Values: map[string]string{"api.listen": ":1"}}},
		"serve --config -listen":         {serve: 1, settings: Settings{File: "-listen"}},
		"version":                        {out: version},
		"--version":                      {out: version},
		"-version":                       {out: version},
		"config":                         {out: "settings\n"},
		"config --origins --data-dir=d":  {out: "settings\n", origins: true, settings: Settings{Values: map[string]string{"dataDir": "d"}}},
		"keys list":                      {out: "ID  SCOPES  CREATED  EXPIRES  NAME\n"},
	} {
		var c called
		require.Equal(t, result{ExitOK, want.out, ""}, run(t, &c, strings.Fields(line)...), line)
		require.Equal(t, want.serve, c.serve, line)
		require.Equal(t, want.origins, c.origins, line)
		require.Equal(t, want.settings.File, c.settings.File, line)
		require.True(t, maps.Equal(want.settings.Values, c.settings.Values), "%s: %v", line, c.settings)
	}
}

// TestEveryCommandHasHelp checks that help has an example, ends with success and
// does nothing else.
func TestEveryCommandHasHelp(t *testing.T) {
	t.Parallel()
	for _, command := range []string{
		"", "serve", "transcribe", "analyze", "edit", "draw",
		"config", "keys", "keys create", "keys list", "keys revoke", "healthcheck", "version", "completion", "help",
		"store", "store check", "store backup", "store restore",
	} {
		var c called
		words := strings.Fields(command)
		byFlag := run(t, &c, append(words, "--help")...)
		require.Equal(t, ExitOK, byFlag.code, command)
		require.Empty(t, byFlag.err, command)
		require.Contains(t, byFlag.out, "\nExamples:\n  ", command)
		require.Contains(t, byFlag.out, "grym-synth "+command, command)
		require.Equal(t, byFlag, run(t, &c, append(words, "-h")...), command)
		require.Equal(t, byFlag, run(t, &c, append([]string{"help"}, words...)...), command)
		require.Zero(t, c.serve, command)
	}
}

func TestKeysAreCreatedListedAndRevoked(t *testing.T) {
	t.Parallel()
	var c called
	program := c.program(t.TempDir())
	keys := func(args ...string) result {
		return runWith(t.Context(), &c, nil, program, append([]string{"keys"}, args...)...)
	}
	created := keys("create", "--scopes", "read,admin", "--expires", "1h", "--name", "a colleague")
	require.Equal(t, ExitOK, created.code)
	require.Regexp(t, `^grym_[0-9a-f]{12}_[0-9a-f]{64}\n$`, created.out)
	id := strings.Split(created.out, "_")[1]
	listed := keys("list")
	require.Regexp(t, id+`  read admin  20\S+Z  20\S+Z  a colleague\n$`, listed.out)
	require.Equal(t, result{ExitFailure, "", "grym-synth: no key has the id \"nobody\"; keys list prints the ids\n"}, keys("revoke", "nobody"))
	require.Equal(t, result{ExitOK, "", ""}, keys("revoke", id))
	require.Equal(t, "ID  SCOPES  CREATED  EXPIRES  NAME\n", keys("list").out)
	require.Regexp(t, `_\S+\n$`, keys("create").out)
	require.Regexp(t, `  use     20\S+Z  never    -\n$`, keys("list").out)
}
