package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// hook is a receiver of webhooks that fails a number of times.
type hook struct {
	mu       sync.Mutex
	failures int
	got      []hooked
}

// hooked is a received message.
type hooked struct {
	header http.Header
	body   []byte
}

// ServeHTTP receives a message.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, hooked{r.Header, body})
	if err != nil || len(h.got) <= h.failures {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func (h *hook) messages() []hooked {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]hooked(nil), h.got...)
}

func TestWebhooksTellTheEndAndAreSigned(t *testing.T) {
	t.Parallel()
	const secret = "a secret of the test's own"
	s := start(t, configured(t, "jobs: {webhooks: {allowPrivate: true, secret: "+secret+", maxAttempts: 2}}")...)
	app := s.app(t)
	receivers := map[string]*hook{"delivered": {failures: 1}, "given_up": {failures: 9}}
	ids := make(map[string]string)
	for state, receiver := range receivers {
		address := httptest.NewServer(receiver)
		t.Cleanup(address.Close)
		ids[state] = s.accepted(t, app, transcription(clip(t, "clip09.wav"), fmt.Sprintf(`,"callback_url":%q,"labels":{"n":"1"}`,
			address.URL+"/hook"))).ID
	}
	for state, receiver := range receivers {
		j := becomesJob(t, app, ids[state], func(j job) bool { return j.ended() && j.Callback.State == state })
		require.Equal(t, "succeeded", j.Status)
		require.Len(t, j.Callback.Deliveries, 2, "the log of deliveries")
		require.Equal(t, http.StatusInternalServerError, j.Callback.Deliveries[0].Status)
		require.Contains(t, j.Callback.Deliveries[0].Error, "the receiver answered 500")
		messages := receiver.messages()
		require.Len(t, messages, 2)
		for _, m := range messages {
			timestamp := m.header.Get("Grym-Webhook-Timestamp")
			mac := hmac.New(sha256.New, []byte(secret))
			fmt.Fprintf(mac, "%s.%s", timestamp, m.body)
			require.Equal(t, "v1="+hex.EncodeToString(mac.Sum(nil)), m.header.Get("Grym-Signature"))
			require.Equal(t, messages[0].header.Get("Grym-Webhook-Id"), m.header.Get("Grym-Webhook-Id"), "the same at every try")
			require.Contains(t, m.header.Get("Grym-Webhook-Id"), j.ID)
			var event job
			require.NoError(t, json.Unmarshal(m.body, &event))
			require.Equal(t, j.ID+" succeeded", event.ID+" "+event.Status)
		}
	}
}

func TestWebhooksToThisMachineAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.app(t)
	for _, address := range []string{"http://127.0.0.1:9/hook", "http://localhost/hook", "http://[::1]/hook", "http://169.254.169.254/latest",
		"http://192.168.1.1/"} {
		got := s.hand(t, app, transcription(clip(t, "clip09.wav"), fmt.Sprintf(`,"callback_url":%q`, address)))
		require.Equal(t, http.StatusBadRequest, got.status, got.body)
		require.Contains(t, got.body, "callback_url must lead to a public address")
		require.Contains(t, got.body, "jobs.webhooks.allowPrivate", "the setting that allows it")
	}
	for _, address := range []string{"ftp://example.org/", "https://user:word@example.org/", "example.org"} {
		got := s.hand(t, app, transcription(clip(t, "clip09.wav"), fmt.Sprintf(`,"callback_url":%q`, address)))
		require.Equal(t, http.StatusBadRequest, got.status, got.body)
		require.Contains(t, got.body, "callback_url")
	}
	all, err := app.list(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, all)
}

// TestAWebhookIsOwedAcrossARestart kills the server between the end of a job and a
// successful delivery.
func TestAWebhookIsOwedAcrossARestart(t *testing.T) {
	t.Parallel()
	p := newPhoenix(t, configured(t, "jobs: {webhooks: {allowPrivate: true}}")...)
	app := p.app(t)
	receiver := &hook{failures: 1}
	address := httptest.NewServer(receiver)
	t.Cleanup(address.Close)
	j := p.accepted(t, app, transcription(clip(t, "clip09.wav"), fmt.Sprintf(`,"callback_url":%q`, address.URL)))
	becomesJob(t, app, j.ID, func(j job) bool { return j.ended() && len(j.Callback.Deliveries) == 1 })
	p.kill()
	p.rise(t)
	j = becomesJob(t, app, j.ID, func(j job) bool { return j.Callback.State == "delivered" })
	require.Len(t, j.Callback.Deliveries, 2)
	require.Len(t, receiver.messages(), 2)
}
