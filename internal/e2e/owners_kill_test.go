package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// holding is what one owner knows of its copies of some clips: whether it has each, or that
// the answer to the last change was lost.
type holding struct {
	key    string
	random *rand.Rand
	has    []bool
	unsure []bool
}

// ask sends a request about a clip. The status is 0 if there was no answer.
func (h *holding) ask(ctx context.Context, url, method, path string, body []byte) (status int, answer string) {
	request, err := http.NewRequestWithContext(ctx, method, url+path, strings.NewReader(string(body)))
	if err != nil {
		return 0, err.Error()
	}
	request.Header.Set("Authorization", "Bearer "+h.key)
	request.Header.Set("Content-Type", "audio/wav")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}

// change stores or deletes one of the clips, and reports whether it was answered.
func (h *holding) change(t *testing.T, url string, clips [][]byte, ids []string) bool {
	at := h.random.IntN(len(clips))
	store := h.random.IntN(2) == 0
	var status int
	var answer string
	if store {
		status, answer = h.ask(t.Context(), url, http.MethodPost, "/v1/audio", clips[at])
	} else {
		status, answer = h.ask(t.Context(), url, http.MethodDelete, "/v1/audio/"+ids[at], nil)
	}
	want := map[[2]bool]int{{true, false}: 201, {true, true}: 200, {false, true}: 204, {false, false}: 404}[[2]bool{store, h.has[at]}]
	switch {
	case status == 0 || status == http.StatusServiceUnavailable:
		h.unsure[at] = true
		return status != 0
	case !h.unsure[at] && status != want:
		t.Errorf("%s of clip %d, of which the owner has a copy: %t: %d %s, not %d", map[bool]string{true: "POST", false: "DELETE"}[store], at,
			h.has[at], status, answer, want)
	}
	h.has[at], h.unsure[at] = store, false
	return true
}

// check compares what the owner has with what it knows.
func (h *holding) check(t *testing.T, url string, clips [][]byte, ids []string) {
	t.Helper()
	for at, id := range ids {
		status, body := h.ask(t.Context(), url, http.MethodGet, "/v1/audio/"+id, nil)
		if h.unsure[at] {
			require.Contains(t, []int{http.StatusOK, http.StatusNotFound}, status, body)
			h.has[at], h.unsure[at] = status == http.StatusOK, false
		}
		if !h.has[at] {
			require.Equal(t, http.StatusNotFound, status, "clip %d is back", at)
			continue
		}
		require.Equal(t, http.StatusOK, status, "clip %d is lost: %s", at, body)
		require.True(t, string(clips[at]) == body)
	}
}

// TestOwnersSurviveKills has three owners store and delete the same clips, and kills the
// server meanwhile: afterwards each owner has exactly what was acknowledged.
func TestOwnersSurviveKills(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clips := [][]byte{clip(t, "clip01.wav"), clip(t, "clip02.wav"), longSpeech(t, 20)}
	ids := make([]string, len(clips))
	var owners []*holding
	for i := range uint64(3) {
		out, err := exec.CommandContext(t.Context(), program, "keys", "create", "--scopes", "use", "--data-dir", dir).CombinedOutput()
		require.NoError(t, err, string(out))
		owners = append(owners, &holding{
			key: strings.TrimSpace(string(out)), random: rand.New(rand.NewPCG(i, 7)),
			has: make([]bool, len(clips)), unsure: make([]bool, len(clips)),
		})
	}
	for at, content := range clips {
		sum := sha256.Sum256(content)
		ids[at] = hex.EncodeToString(sum[:])
	}
	for round := range 6 {
		s := start(t, "--listen", "0.0.0.0:0", "--data-dir", dir)
		url := "http://localhost" + s.url[strings.LastIndex(s.url, ":"):]
		require.Eventually(t, func() bool {
			status, _ := owners[0].ask(t.Context(), url, http.MethodGet, "/v1/audio", nil)
			return status == http.StatusOK
		}, 20*time.Second, 10*time.Millisecond)
		for _, owner := range owners {
			owner.check(t, url, clips, ids)
		}
		var changes atomic.Int64
		enough := make(chan struct{})
		var working sync.WaitGroup
		for _, owner := range owners {
			working.Go(func() {
				for owner.change(t, url, clips, ids) {
					if changes.Add(1) == int64(40+7*round) {
						close(enough)
					}
				}
			})
		}
		<-enough
		s.kill()
		working.Wait()
	}
	s := start(t, "--listen", "0.0.0.0:0", "--data-dir", dir)
	url := "http://localhost" + s.url[strings.LastIndex(s.url, ":"):]
	for _, owner := range owners {
		owner.check(t, url, clips, ids)
	}
}
