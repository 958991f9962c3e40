package audiofile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a program in place of ffmpeg.
func script(t *testing.T, lines string) Limits {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	path := filepath.Join(t.TempDir(), "ffmpeg")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+lines), 0o700))
	limits := DefaultLimits()
	limits.FFmpeg, limits.FFmpegTimeout = path, time.Minute
	return limits
}

// unknownSound is not recognised and may be sound.
var unknownSound = cat([]byte("\x00\x01\x02\x03unknown\xff\xfe"), make([]byte, 200))

func openUnder(limits Limits, file []byte) (*Reader, error) {
	return Open(bytes.NewReader(file), int64(len(file)), limits)
}

func TestWhatFFmpegCannotDecodeIsReportedWithItsReason(t *testing.T) {
	t.Parallel()
	_, err := openUnder(withFFmpeg(t), unknownSound)
	requireFault(t, err, services.KindUnsupported, "is not in an audio format that is known here, and ffmpeg cannot decode it either: ",
		"accepted: WAV")

	_, err = openUnder(script(t, "echo '[x @ 0x1] first' >&2; echo '[in @ 0xbeef] the reason' >&2; exit 1"), unknownSound)
	requireFault(t, err, services.KindUnsupported, "cannot decode it either: the reason")
	require.NotContains(t, err.Error(), "0xbeef")
}

// Files that are not sound must not reach the program, because a playlist could refer
// to other files.
func TestFFmpegSeesOnlyWhatMayBeSound(t *testing.T) {
	t.Parallel()
	mark := filepath.Join(t.TempDir(), "ran")
	limits := script(t, "touch "+mark+"; exit 1")
	for _, file := range []string{
		"#EXTM3U\n#EXT-X-VERSION:3\nfile:///etc/passwd\n", "ffconcat version 1.0\nfile /etc/passwd\n", "%PDF-1.7",
		"\x89PNG\r\n\x1a\n1234",
	} {
		_, err := openUnder(limits, []byte(file))
		requireFault(t, err, services.KindUnsupported)
	}
	_, err := openUnder(limits, clip(t, "speech.mp3"))
	require.NoError(t, err, "decoded here")
	require.NoFileExists(t, mark)
}

func TestFFmpegIsStoppedInTime(t *testing.T) {
	t.Parallel()
	limits := script(t, "exec sleep 1000")
	limits.FFmpegTimeout = 50 * time.Millisecond
	_, err := openUnder(limits, unknownSound)
	requireFault(t, err, services.KindTooLarge, "took ffmpeg more than 50ms to decode, which is the limit")
}

// endless is a program whose output never ends.
func endless(t *testing.T, head []byte) Limits {
	t.Helper()
	path := filepath.Join(t.TempDir(), "head")
	require.NoError(t, os.WriteFile(path, head, 0o600))
	return script(t, fmt.Sprintf("cat %s; exec cat /dev/zero", path))
}

func TestFFmpegThatNeverEnds(t *testing.T) {
	t.Parallel()
	head := Output{Container: WAV, Depth: DepthFloat, SampleRateHz: 16000, Channels: 2}.wavHeader(0, 0)
	limits := endless(t, head)
	limits.MaxDuration = 3 * time.Second
	reader, err := openUnder(limits, unknownSound)
	require.NoError(t, err)
	require.True(t, reader.Format().Guessed)
	require.Positive(t, reader.Format().Frames)
	for err == nil {
		_, err = reader.ReadFrames(make([]float32, 8192))
	}
	requireFault(t, err, services.KindTooLarge, "lasts more than the limit of 3s")
	require.NoError(t, reader.Close())
	require.NoError(t, reader.Close(), "twice")
	_, err = reader.ReadFrames(make([]float32, 8192))
	require.Error(t, err)

	// Closed early, and a program whose output is not sound.
	reader, err = openUnder(endless(t, head), unknownSound)
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	_, err = openUnder(endless(t, []byte("no header")), unknownSound)
	requireFault(t, err, services.KindUnsupported, "no WAV header")
}

// The file is larger than the pipe's buffer, and the program exits without reading it.
func TestFFmpegThatDoesNotReadItsInput(t *testing.T) {
	t.Parallel()
	_, err := openUnder(script(t, "echo enough >&2; exit 1"), cat(unknownSound, make([]byte, 1<<20)))
	requireFault(t, err, services.KindUnsupported, "either: enough")
}

func TestConfig(t *testing.T) {
	t.Parallel()
	require.Empty(t, DefaultConfig().Validate())
	off := DefaultConfig()
	off.FFmpeg = "off"
	want := DefaultLimits()
	want.FFmpegTimeout = 5 * time.Minute
	require.Equal(t, want, off.Limits())
	bad := Config{MaxChannels: 9, MinSampleRate: 1, MaxSampleRate: 200000, FFmpeg: "/nowhere/ffmpeg"}
	var texts []string
	for _, err := range bad.Validate() {
		texts = append(texts, err.Error())
	}
	require.Len(t, texts, 7, "%v", texts)
	require.Contains(t, texts, "maxChannels: must be 1 to 8, got 9")
}
