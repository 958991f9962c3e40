package e2e

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// go test ./internal/e2e -run AgainstAnotherVersion -rival OLD_BINARY -rival-out DIR, and
// then benchstat DIR/old.txt DIR/new.txt
var (
	rival     = flag.String("rival", "", "another version of the binary, to be compared with this one")
	rivalRuns = flag.Int("rival-runs", 20, "how often each version is measured, in turns")
	rivalOut  = flag.String("rival-out", ".", "folder for old.txt and new.txt")
)

// rivalWork is one kind of work that is measured.
type rivalWork struct {
	name   string
	rounds int
	do     func(t *testing.T, s *server)
}

// rivalWorks returns the kinds of work, which every version knows.
func rivalWorks(t *testing.T) []rivalWork {
	t.Helper()
	speech := clip(t, "clip03.wav")
	body, contentType, err := transcription(speech, "").body()
	require.NoError(t, err)
	return []rivalWork{
		{"Transcription", 300, func(t *testing.T, s *server) {
			t.Helper()
			status, text := s.transcribe(t, speech)
			require.Equal(t, http.StatusOK, status, text)
		}},
		{"Job", 100, func(t *testing.T, s *server) {
			t.Helper()
			got, err := s.app(t).send(t.Context(), http.MethodPost, s.url+"/v1/jobs", body, "Content-Type", contentType, "Prefer", "wait=60")
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, got.status, got.body)
		}},
		{"Generation", 10, func(t *testing.T, s *server) {
			t.Helper()
			status, answer := s.sendJSON(t, http.MethodPost, "/v1/audio/generations", `{"prompt":"a dog barks","seed":1,"num_inference_steps":5}`)
			require.Equal(t, http.StatusOK, status, answer)
		}},
	}
}

// TestAgainstAnotherVersion measures two versions in turns on the same work, and writes
// the figures in the form of Go's benchmarks. It asserts no time.
func TestAgainstAnotherVersion(t *testing.T) {
	if *rival == "" {
		t.Skip("compares two versions; -rival names the other binary")
	}
	versions := []struct{ binary, file string }{{*rival, "old.txt"}, {program, "new.txt"}}
	files := make([]*os.File, len(versions))
	for i, v := range versions {
		file, err := os.Create(filepath.Join(*rivalOut, v.file))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, file.Close()) })
		files[i] = file
	}
	works := rivalWorks(t)
	for run := range *rivalRuns {
		for turn := range versions {
			i := (run + turn) % len(versions)
			s := startBinary(t, versions[i].binary, t.TempDir(), "")
			for _, w := range works {
				w.do(t, s) // loads the model
				began := time.Now()
				for range w.rounds {
					w.do(t, s)
				}
				_, err := fmt.Fprintf(files[i], "Benchmark%s %d %d ns/op\n", w.name, w.rounds, time.Since(began).Nanoseconds()/int64(w.rounds))
				require.NoError(t, err)
			}
			require.NoError(t, s.stop(t), s.log)
		}
	}
}
