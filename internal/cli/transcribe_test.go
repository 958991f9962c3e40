package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/tasks"
)

func TestEveryFormatIsWrittenToAFolder(t *testing.T) {
	t.Parallel()
	in := folder(t, "a.wav", "bad.mp3", "c.flac")
	for format, starts := range map[string]string{
		"text": "ONE\n", "json": `{"text":"ONE"`, "srt": "1\n00:00:01,000", "vtt": "WEBVTT\n", "verbose_json": `{"task":"transcribe"`,
	} {
		var c called
		out := filepath.Join(t.TempDir(), "deep", "out")
		got := run(t, &c, "transcribe", in+"/a.wav", "-format", format, in+"/bad.mp3", "--output="+out, in+"/c.flac", "--decoding", "greedy")
		require.Equal(t, result{ExitFailure, "", "grym-synth: " + in + "/bad.mp3: it is noise\n" +
			"grym-synth: 1 of 3 recordings failed, 2 transcribed\n"}, got)
		entries, err := os.ReadDir(out)
		require.NoError(t, err)
		require.Len(t, entries, 2, "nothing is left of the one that failed")
		data, err := os.ReadFile(filepath.Join(out, "c"+extensions[format]))
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(data), starts), string(data))
		require.True(t, strings.HasSuffix(string(data), "\n"))
		require.Equal(t, 1, c.closed)
		params := `{"decoding":"greedy"}`
		if format == tasks.FormatVerbose { // whose segments have scores
			params = `{"decoding":"greedy","response_format":"verbose_json"}`
		}
		require.JSONEq(t, params, string(c.executor.tasks[0].Params))
	}
}

func TestTheParametersReachTheTask(t *testing.T) {
	t.Parallel()
	var c called
	in := folder(t, "a.wav")
	got := run(t, &c, "transcribe", "--model", "m", "--prompt", "-format", "--language", "en",
		"--window", "2.5", "--data-dir", "d", in+"/a.wav")
	require.Equal(t, result{ExitOK, "ONE\n", ""}, got)
	task := c.executor.tasks[0]
	require.JSONEq(t, `{"prompt":"-format","language":"en","window_seconds":2.5}`, string(task.Params))
	require.Equal(t, []string{"m", "", tasks.Transcribe}, []string{task.Model, task.Service, task.Name},
		"the executor finds the service")
	require.Equal(t, "d", c.settings.Values["dataDir"])
}

func TestTheStandardInput(t *testing.T) {
	t.Parallel()
	var c called
	in, out := folder(t, "a.wav"), t.TempDir()
	require.Equal(t, result{ExitOK, "ONE\n", ""}, run(t, &c, "transcribe", "-"))
	require.Equal(t, "sound of stdin", string(c.executor.received[0]))
	require.EqualValues(t, 14, c.executor.tasks[0].Audio.Size())
	_, err := c.executor.tasks[0].Audio.Open()
	require.ErrorIs(t, err, os.ErrNotExist, "what was stored of the input is removed")
	require.Equal(t, result{ExitOK, "-: ONE\n" + in + "/a.wav: ONE\n", ""}, run(t, &c, "transcribe", "-", in+"/a.wav"))
	require.Equal(t, result{ExitOK, "", ""}, run(t, &c, "transcribe", "--output", out, "-"))
	require.FileExists(t, out+"/stdin.txt")
}

func TestAFolderStandsForItsAudioFiles(t *testing.T) {
	t.Parallel()
	var c called
	in := folder(t, "b/one.WAV", "b/deep/two.opus", "a.mp3", "notes.txt", ".hidden.wav", ".git/x.wav", "b/cover.jpg")
	require.NoError(t, os.Symlink(in+"/a.mp3", in+"/linked.flac"))
	require.NoError(t, os.Mkdir(in+"/folder.wav", 0o750))
	got := run(t, &c, "transcribe", in)
	require.Equal(t, result{ExitOK, in + "/a.mp3: ONE\n" +
		in + "/b/deep/two.opus: ONE\n" + in + "/b/one.WAV: ONE\n" + in + "/linked.flac: ONE\n",
		"grym-synth: " + in + ": skipped, not an audio file name: b/cover.jpg, notes.txt\n"}, got)

	link, out := filepath.Join(t.TempDir(), "link"), t.TempDir()
	require.NoError(t, os.Symlink(in+"/b", link))
	require.Equal(t, ExitOK, run(t, &c, "transcribe", "--output", out, link).code)
	require.FileExists(t, out+"/one.txt")
	require.FileExists(t, out+"/deep/two.txt", "folders below stay folders")

	empty := folder(t, "1.txt", "2.txt", "3.txt", "4.txt", "5.txt", "6.txt", "7.txt")
	require.Equal(t, result{ExitFailure, "",
		"grym-synth: " + empty + ": skipped, not an audio file name: 1.txt, 2.txt, 3.txt, 4.txt, 5.txt and 2 more\n" +
			"grym-synth: " + empty + ": no audio files in this folder\n"}, run(t, &c, "transcribe", empty))
}

func TestWhatCannotBeReadIsAFailureOfItsOwn(t *testing.T) {
	t.Parallel()
	in := folder(t, "a.wav")
	require.NoError(t, syscall.Mkfifo(in+"/pipe", 0o600))
	var c called
	require.Equal(t, result{ExitFailure, "", "grym-synth: nowhere.wav: no such file or directory\n"}, run(t, &c, "transcribe", "nowhere.wav"))
	require.Zero(t, c.opened, "nothing is loaded for nothing")
	require.Equal(t, result{ExitFailure, in + "/a.wav: ONE\n", "grym-synth: nowhere.wav: no such file or directory\n" +
		"grym-synth: " + in + "/pipe: is not a regular file; use - to read a stream from the standard input\n" +
		"grym-synth: 2 of 3 recordings failed, 1 transcribed\n"}, run(t, &c, "transcribe", "nowhere.wav", in+"/pipe", in+"/a.wav"))
}

// TestNothingIsOverwritten also checks that the command fails before any work is done.
func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	in := folder(t, "a.wav", "b.wav", "sub/a.mp3", "talk.txt")
	out := folder(t, "a.txt")
	hint := strings.Replace(usageOf, "%s", " transcribe", 1)
	refused := func(want result, args ...string) {
		var c called
		require.Equal(t, want, run(t, &c, append([]string{"transcribe", "--output"}, args...)...))
		require.Zero(t, c.opened)
	}
	refused(result{ExitFailure, "", "grym-synth: would overwrite " + out + "/a.txt; use --force to overwrite\n"}, out, in+"/b.wav",
		in+"/a.wav")
	refused(result{ExitMisuse, "",
		"grym-synth: " + in + "/a.wav and " + in + "/sub/a.mp3 would both be written to " + out + "/a.txt\n" + hint},
		out, "--force", in+"/a.wav", in+"/sub/a.mp3")
	refused(result{ExitMisuse, "", "grym-synth: the output of " + in + "/talk.txt would overwrite the recording " + in + "/talk.txt\n" + hint},
		in, "--force", in+"/talk.txt")
	refused(result{ExitMisuse, "", "grym-synth: --output " + in + "/a.wav is a file; it must be a folder\n" + hint}, in+"/a.wav", in+"/b.wav")
	data, err := os.ReadFile(out + "/a.txt")
	require.NoError(t, err)
	require.Equal(t, "a.txt", string(data))
	require.NoFileExists(t, out+"/b.txt")

	var c called
	require.Equal(t, result{ExitOK, "", ""}, run(t, &c, "transcribe", "--force", "--output", out, in+"/b.wav", in+"/a.wav"))
	data, err = os.ReadFile(out + "/a.txt")
	require.NoError(t, err)
	require.Equal(t, "ONE\n", string(data))
}

// TestAFileThatAppearsMeanwhileStays has another process create the file during the
// transcription.
func TestAFileThatAppearsMeanwhileStays(t *testing.T) {
	t.Parallel()
	in, out := folder(t, "a.wav"), t.TempDir()
	c := called{executor: scripted{during: func() { _ = os.WriteFile(out+"/a.txt", []byte("other"), 0o600) }}}
	require.Equal(t, result{ExitFailure, "", "grym-synth: " + in + "/a.wav: " + out + "/a.txt exists; use --force to overwrite it\n"},
		run(t, &c, "transcribe", "--output", out, in+"/a.wav"))
	data, err := os.ReadFile(out + "/a.txt")
	require.NoError(t, err)
	require.Equal(t, "other", string(data))
	entries, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestAnInterruptionLeavesNoFileAndStartsNoMore(t *testing.T) {
	t.Parallel()
	in, out := folder(t, "a.wav", "b.wav", "c.wav"), t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	var c called
	c.executor.during = func() {
		if len(c.executor.tasks) == 2 {
			interrupt()
		}
	}
	got := runWith(ctx, &c, nil, c.program(""), "transcribe", "--output", out, in)
	require.Equal(t, result{ExitFailure, "", "grym-synth: interrupted after 1 of 3 recordings\n"}, got)
	require.Len(t, c.executor.tasks, 2)
	require.Equal(t, 1, c.closed, "and what was opened is closed")
	entries, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

// TestAnInterruptionEndsAReadThatWaits reads a pipe without a writer.
func TestAnInterruptionEndsAReadThatWaits(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	defer write.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var c called
	require.Equal(t, result{ExitFailure, "", "grym-synth: interrupted\n"}, runWith(ctx, &c, read, c.program(""), "transcribe", "-"))
	require.Empty(t, c.executor.tasks)
}

func TestTheBarHasAnETAAndIsTakenAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		long := strings.Repeat("long-", 10) + ".wav"
		first, second := &recording{path: long, size: 1000}, &recording{path: "b.wav", size: 3000}
		p := newProgress(&out, true, []*recording{first, second})
		p.start(first)
		p.Progress(0, "")
		time.Sleep(10 * time.Second)
		p.Progress(0.5, "")
		p.Progress(0.501, "") // nothing new
		p.finish(nil)
		p.start(second)
		time.Sleep(3590 * time.Second)
		p.Progress(0.2, "") // 1600 of 4000 bytes in an hour
		p.finish(nil)
		name := "…ong-long-long-long-.wav"
		require.Equal(t, []string{
			"", "1/2 " + name + " [....................]   0 % \x1b[K",
			"1/2 " + name + " [##########..........]  50 % ETA 1:10\x1b[K", "\x1b[K",
			"2/2 b.wav [####................]  20 % ETA 1:30:00\x1b[K", "\x1b[K",
		}, strings.Split(out.String(), "\r"))
	})
}

func TestProgressInLines(t *testing.T) {
	t.Parallel()
	in := folder(t, "a.wav", "b.wav")
	var c called
	quiet := run(t, &c, "transcribe", in)
	require.Empty(t, quiet.err, "only a terminal gets progress unasked")
	got := run(t, &c, "transcribe", "--progress", in)
	require.Equal(t, quiet.out, got.out)
	for _, pattern := range []string{
		`^1/2 \S+/a.wav: 50 % ETA 0:00\n`, `\n1/2 \S+/a.wav: done ETA 0:00\n`, `\n2/2 \S+/b.wav: 50 % ETA 0:00\n2/2 \S+/b.wav: done\n`,
		`\ngrym-synth: 2 recordings transcribed in 0:00\n$`,
	} {
		require.Regexp(t, pattern, got.err)
	}
}
