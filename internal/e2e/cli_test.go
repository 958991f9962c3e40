package e2e

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/cli"
)

// ended is the result of a command.
type ended struct {
	code           int
	stdout, stderr string
}

// command runs the binary, through a shell if shell is not empty.
func command(t *testing.T, stdin io.Reader, environ []string, args ...string) ended {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = stdin, &stdout, &stderr, append(os.Environ(), environ...)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func TestCommandLineMistakesAreExplained(t *testing.T) {
	t.Parallel()
	usage := "Run \"grym-synth --help\" for the usage.\n"
	for _, c := range []struct {
		args []string
		want ended
	}{
		{[]string{"sing"}, ended{cli.ExitMisuse, "", "grym-synth: unknown command \"sing\"; available: " +
			"analyze, batch, completion, config, draw, edit, healthcheck, help, import, keys, " +
			"models, pull, run, serve, store, transcribe, version\n" + usage}},
		{[]string{"--port", "1"}, ended{cli.ExitMisuse, "", "grym-synth: unknown flag \"--port\"\n" + usage}},
		{[]string{"transcribe", "nowhere.wav"}, ended{cli.ExitFailure, "", "grym-synth: nowhere.wav: no such file or directory\n"}},
		{[]string{"--config", "nowhere.yaml"}, ended{cli.ExitFailure, "",
			"grym-synth: --config: stat nowhere.yaml: no such file or directory\n"}},
		{[]string{"config", "--listen", "nonsense"}, ended{cli.ExitFailure, "",
			"grym-synth: api.listen: must be host:port, got \"nonsense\"\n"}},
	} {
		got := command(t, nil, nil, append([]string{program}, c.args...)...)
		require.Equal(t, c.want, got, c.args)
	}
}

// TestTranscribingAFolderByTheEmbeddedModel has one broken file, and checks the umask.
func TestTranscribingAFolderByTheEmbeddedModel(t *testing.T) {
	t.Parallel()
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "words")
	for name, data := range map[string][]byte{
		"sub/nine.wav": clip(t, "clip09.wav"), "one.wav": clip(t, "clip01.wav"),
		"text.wav": []byte("no sound at all"), "README.md": []byte("# read"),
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(in, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(in, name), data, 0o644))
	}
	args := []string{"sh", "-c", `umask "$0"; exec "$@"`, "0026", program, "transcribe", "--data-dir", t.TempDir(), in, "--output", out}
	got := command(t, nil, nil, args...)
	require.Equal(t, cli.ExitFailure, got.code)
	require.Empty(t, got.stdout)
	lines := strings.Split(got.stderr, "\n")
	require.Len(t, lines, 4, got.stderr)
	require.Equal(t, "grym-synth: "+in+": skipped, not an audio file name: README.md", lines[0])
	require.True(t, strings.HasPrefix(lines[1], "grym-synth: "+in+"/text.wav: file is text"), lines[1])
	require.Equal(t, "grym-synth: 1 of 3 recordings failed, 2 transcribed", lines[2])
	for name, words := range map[string]string{"one.txt": "ONE FIVE NINE TWO\n", "sub/nine.txt": "MUTE TRACK ONE\n"} {
		data, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		require.Equal(t, words, string(data))
		info, err := os.Stat(filepath.Join(out, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o640), info.Mode().Perm(), name)
		info, err = os.Stat(filepath.Dir(filepath.Join(out, name)))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o751), info.Mode().Perm(), name)
	}
	again := command(t, nil, nil, args...)
	require.Equal(t, cli.ExitFailure, again.code)
	require.Contains(t, again.stderr, "would overwrite "+out+"/one.txt, "+out+"/sub/nine.txt; use --force to overwrite\n")
	args[3] = "0077"
	forced := command(t, nil, nil, append(args, "--force")...)
	require.Equal(t, got.stderr, forced.stderr)
	info, err := os.Stat(filepath.Join(out, "one.txt"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestTranscribingTheStandardInput(t *testing.T) {
	t.Parallel()
	got := command(t, bytes.NewReader(clip(t, "clip09.wav")), nil, program, "transcribe", "--data-dir", t.TempDir(), "-")
	require.Equal(t, ended{cli.ExitOK, "MUTE TRACK ONE\n", ""}, got)
	broken := command(t, strings.NewReader(""), nil, program, "transcribe", "--data-dir", t.TempDir(), "-")
	require.Equal(t, cli.ExitFailure, broken.code)
	require.Contains(t, broken.stderr, "grym-synth: -: ")
}

// TestTranscribingByAServer compares with a local transcription in every format, on a
// server that requires keys.
func TestTranscribingByAServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, "--config", writeSettings(t, "auth: {mode: keys}\n"), "--data-dir", dir)
	file := filepath.Join(t.TempDir(), "key")
	key := command(t, nil, nil, program, "keys", "create", "--scopes", "use", "--data-dir", dir)
	require.Equal(t, cli.ExitOK, key.code, key.stderr)
	require.NoError(t, os.WriteFile(file, []byte(key.stdout), 0o600))
	environ := []string{"GRYM_API_KEY=" + strings.TrimSpace(key.stdout)}
	for _, format := range []string{"json", "text", "srt", "vtt", "verbose_json"} {
		local := command(t, nil, nil, program, "transcribe", "--format", format, clips+"clip09.wav")
		require.Equal(t, cli.ExitOK, local.code, local.stderr)
		remote := command(t, nil, environ, program, "transcribe", "--format", format, "--server", s.url, clips+"clip09.wav")
		require.Equal(t, local, remote, format)
	}
	fromFile := []string{"GRYM_API_KEY_FILE=" + file}
	piped := command(t, bytes.NewReader(clip(t, "clip01.wav")), fromFile, program, "transcribe", "--server", s.url, "-")
	require.Equal(t, ended{cli.ExitOK, "ONE FIVE NINE TWO\n", ""}, piped)
	require.Equal(t, ended{}, command(t, nil, environ, program, "healthcheck", "--server", s.url))

	refused := command(t, nil, nil, program, "transcribe", "--server", s.url, clips+"clip09.wav")
	require.Equal(t, cli.ExitFailure, refused.code)
	require.Contains(t, refused.stderr, "clip09.wav: the server answered 401: an API key is needed")
	unread := command(t, strings.NewReader("text"), environ, program, "transcribe", "--server", s.url, "-")
	require.Contains(t, unread.stderr, "grym-synth: -: the server answered 415: file is text; accepted: WAV")
}

func writeSettings(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestInterruptedTranscriptionLeavesNothing sends SIGINT during the transcription of 15
// minutes of audio.
func TestInterruptedTranscriptionLeavesNothing(t *testing.T) {
	t.Parallel()
	in, out := filepath.Join(t.TempDir(), "long.wav"), t.TempDir()
	require.NoError(t, os.WriteFile(in, wav(16000, 1, 900*16000), 0o600))
	cmd := exec.CommandContext(t.Context(), program, "transcribe", "--progress", "--output", out, in)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	first := make([]byte, 1) // the first line of progress: the work is under way
	_, err = io.ReadFull(stderr, first)
	require.NoError(t, err)
	sent := time.Now()
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	rest, err := io.ReadAll(stderr)
	require.NoError(t, err)
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	t.Logf("ended %s after the signal", time.Since(sent))
	require.Equal(t, cli.ExitFailure, exit.ExitCode())
	require.True(t, strings.HasSuffix(string(rest), "grym-synth: interrupted\n"), string(rest))
	entries, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// TestCompletionInTheRealShells completes a line in each installed shell, as the tab key
// does.
func TestCompletionInTheRealShells(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(program)
	environ := []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
	t.Run("bash", func(t *testing.T) {
		t.Parallel()
		// Replaces the package bash-completion if it is not installed.
		const script = `
if [ -r /usr/share/bash-completion/bash_completion ]; then . /usr/share/bash-completion/bash_completion; fi
if ! declare -F _get_comp_words_by_ref >/dev/null; then
  _get_comp_words_by_ref() { words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=${words[cword]}; prev=${words[cword-1]}; }
fi
compopt() { :; } # it works in a completion only
source <(grym-synth completion bash)
COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
__start_grym-synth
printf '%s\n' "${COMPREPLY[@]}"`
		for line, want := range map[string]string{
			"grym-synth tr": "transcribe", "grym-synth keys rev": "revoke", "grym-synth transcribe --form": "--format",
			"grym-synth transcribe --format s": "srt", "grym-synth completion f": "fish", "grym-synth help keys cr": "create",
			"grym-synth transcribe --decoding g": "greedy",
		} {
			got := command(t, nil, environ, append([]string{"bash", "-c", script, "bash"}, strings.Fields(line)...)...)
			require.Empty(t, got.stderr, line)
			require.Equal(t, want, strings.TrimSpace(got.stdout), line)
		}
	})
	t.Run("zsh", func(t *testing.T) {
		t.Parallel()
		shell(t, "zsh")
		// zsh's own functions, which work in its line editor only, are replaced: the suggestions are what _describe gets.
		const script = `
compdef() { :; }
_describe() { print -rl -- "${completions[@]}"; }
source <(grym-synth completion zsh)
words=(grym-synth keys rev); CURRENT=3; _grym-synth`
		got := command(t, nil, environ, "zsh", "-f", "-c", script)
		require.Contains(t, got.stdout, "revoke:Revoke an API key", got.stderr)
	})
	t.Run("fish", func(t *testing.T) {
		t.Parallel()
		shell(t, "fish")
		const script = `grym-synth completion fish | source; complete -C "grym-synth keys rev"`
		got := command(t, nil, append(environ, "HOME="+t.TempDir()), "fish", "-c", script)
		require.Equal(t, "revoke\tRevoke an API key\n", got.stdout, got.stderr)
	})
}

func shell(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("no %s here", name)
	}
}
