package audiofile

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// reported is the expectation of a case from a public bug report. The counts are those
// of ffmpeg.
type reported struct {
	Status  []int                `json:"status"`
	Warning services.WarningCode `json:"warning"`
	Samples *struct {
		Rate      int `json:"rate"`
		Count     int `json:"count"`
		Tolerance int `json:"tolerance"`
	} `json:"samples"`
}

// reportedCases returns the folder of each case with a recording. It skips the test if
// there are none.
func reportedCases(t *testing.T) []string {
	t.Helper()
	root := os.Getenv("GRYM_TESTDATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	inputs, err := filepath.Glob(filepath.Join(root, "cases", "*", "in.*"))
	require.NoError(t, err)
	if len(inputs) == 0 {
		t.Skip("no cases; set GRYM_TESTDATA to the folder that holds cases")
	}
	return inputs
}

// TestReportedFiles decodes files like those of public bug reports: to as many samples
// as ffmpeg, or to a refusal where that is allowed.
func TestReportedFiles(t *testing.T) {
	t.Parallel()
	limits := withFFmpeg(t)
	limits.Strict = false
	for i, path := range reportedCases(t) {
		if raceEnabled && i%12 > 0 { // the decoders have one thread
			continue
		}
		folder := filepath.Dir(path)
		raw, err := os.ReadFile(filepath.Join(folder, "check.json"))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		var want reported
		require.NoError(t, json.Unmarshal(raw, &want))
		if len(want.Status) == 0 {
			continue
		}
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			file, err := os.ReadFile(path)
			require.NoError(t, err)
			frames, reader, err := countFrames(file, limits)
			if err != nil {
				requireSendersFault(t, err)
				require.True(t, slices.ContainsFunc(want.Status, func(s int) bool { return s != http.StatusOK }), "%v", err)
				return
			}
			require.Contains(t, want.Status, http.StatusOK)
			if want.Warning != "" {
				require.Contains(t, codes(reader), want.Warning)
			}
			if strict := limits; slices.Contains(codes(reader), services.WarnTruncated) {
				strict.Strict = true
				_, _, err := countFrames(file, strict)
				requireFault(t, err, services.KindInvalid, "is cut short: ", "; upload the whole file")
			}
			t.Logf("%+v %v", reader.Format(), reader.Warnings())
			if want.Samples != nil {
				got := frames * int64(want.Samples.Rate) / int64(reader.Format().SampleRateHz)
				require.InDelta(t, want.Samples.Count, got, float64(want.Samples.Tolerance))
			}
		})
	}
}

// countFrames reads a file to its end.
func countFrames(file []byte, limits Limits) (int64, *Reader, error) {
	reader, err := openUnder(limits, file)
	if err != nil {
		return 0, nil, err
	}
	var frames int64
	for block := make([]float32, 1013*reader.Format().Channels); ; {
		n, err := reader.ReadFrames(block)
		frames += int64(n)
		if errors.Is(err, io.EOF) {
			return frames, reader, reader.Close()
		}
		if err != nil {
			return frames, reader, errors.Join(err, reader.Close())
		}
	}
}

// TestReportedFilesThatAreCut truncates and joins files of every format.
func TestReportedFilesThatAreCut(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("the decoders have one thread")
	}
	limits := withFFmpeg(t)
	limits.Strict = false
	for _, path := range reportedCases(t) {
		name := filepath.Base(filepath.Dir(path))
		if !slices.Contains([]string{
			"aac-id3-hls", "aiff", "au-mulaw", "caf", "flac-24", "flac-32", "mp2", "mp3-8k-mpeg25", "mp4-fragmented", "ogg-flac",
			"ogg-opus-51", "ogg-speex", "ogg-vorbis", "w64", "wav-g711-alaw", "wav-g726", "wav-ima-adpcm", "wav-rf64", "webm-live", "webm-pcm",
			"webm-video", "webm-vorbis", "wma",
		}, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole, err := os.ReadFile(path)
			require.NoError(t, err)
			frames, reader, err := countFrames(whole, limits)
			require.NoError(t, err)
			require.Empty(t, reader.Warnings())

			got, reader, err := countFrames(whole[:len(whole)*2/3-1], limits)
			require.NoError(t, err)
			require.Positive(t, got)
			require.Less(t, got, frames)
			require.Equal(t, []services.WarningCode{services.WarnTruncated}, codes(reader))

			got, reader, err = countFrames(cat(whole, whole), limits)
			if err != nil {
				requireFault(t, err, services.KindInvalid, "as separate files")
				return
			}
			if !slices.Contains(codes(reader), services.WarnTrailingData) {
				require.InDelta(t, 2*frames, got, 3*1152) // an encoder's padding remains between them
			}
		})
	}
}
