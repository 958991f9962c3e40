package webhook

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver is a server that counts what reaches it.
func receiver(t *testing.T, answer http.HandlerFunc) (url string, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

func sender(change ...func(*Config)) *Sender {
	cfg := DefaultConfig()
	cfg.Secret, cfg.AllowPrivate = "a secret of sixteen", true
	for _, f := range change {
		f(&cfg)
	}
	return New(cfg)
}

func TestAMessageIsSigned(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	url, _ := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	})
	s := sender()
	s.now = func() time.Time { return time.Unix(1700000000, 0) }
	status, err := s.Send(t.Context(), url+"/hook?a=b", "msg_1", []byte(`{"id":"job_1"}`))
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, http.MethodPost, got.Method)
	require.Equal(t, "/hook?a=b", got.URL.String())
	require.JSONEq(t, `{"id":"job_1"}`, string(body))
	require.Equal(t, "application/json", got.Header.Get("Content-Type"))
	require.Equal(t, "msg_1", got.Header.Get("Grym-Webhook-Id"))
	require.Equal(t, "1700000000", got.Header.Get("Grym-Webhook-Timestamp"))
	// printf '1700000000.{"id":"job_1"}' | openssl dgst -sha256 -hmac 'a secret of sixteen'
	require.Equal(t, "v1=a40f669b37dba34d877d11d61fbdb6dc452a5522db25240ddfce88fdd0c90c51", got.Header.Get("Grym-Signature"))
}

func TestOnly2xxIsADelivery(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 404, 410, 429, 500, 503} {
		url, _ := receiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		got, err := sender().Send(t.Context(), url, "m", nil)
		require.Equal(t, status, got)
		require.ErrorContains(t, err, "the receiver answered")
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	target, reached := receiver(t, func(http.ResponseWriter, *http.Request) {})
	for _, status := range []int{301, 302, 303, 307, 308} {
		url, _ := receiver(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target, status) })
		got, err := sender().Send(t.Context(), url, "m", nil)
		require.Equal(t, status, got)
		require.ErrorContains(t, err, "redirects are not followed")
	}
	require.Zero(t, reached.Load())
}

// TestANameThatResolvesToLoopbackIsNotDialled passes by CheckURL, as a name that
// resolves to another address at the second look would.
func TestANameThatResolvesToLoopbackIsNotDialled(t *testing.T) {
	t.Parallel()
	url, reached := receiver(t, func(http.ResponseWriter, *http.Request) {})
	s := sender(func(c *Config) { c.AllowPrivate = false })
	for _, host := range []string{"localhost", "127.0.0.1"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.Replace(url, "127.0.0.1", host, 1), nil)
		require.NoError(t, err)
		response, err := s.client.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		require.ErrorIs(t, s.explain(err), ErrNoPublicAddress)
	}
	_, err := s.Send(t.Context(), url, "m", nil)
	require.ErrorContains(t, err, "must lead to a public address")
	require.Zero(t, reached.Load())
	require.Nil(t, s.client.Transport.(*http.Transport).Proxy, "a proxy would be dialled in place of the receiver")
}

func TestAReceiverThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	url, _ := receiver(t, func(http.ResponseWriter, *http.Request) { <-hold })
	defer close(hold)
	_, err := sender(func(c *Config) { c.Timeout = 20 * time.Millisecond }).Send(t.Context(), url, "m", nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "did not answer within 20ms")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = sender().Send(ctx, url, "m", nil)
	require.ErrorIs(t, err, context.Canceled)
	_, err = sender().Send(t.Context(), "http://127.0.0.1:1/", "m", nil)
	require.ErrorContains(t, err, "the receiver was not reached")
	require.NotContains(t, err.Error(), "http://")
}

func TestAnEndlessAnswerIsCut(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	url, _ := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(gone)
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	})
	status, err := sender().Send(t.Context(), url, "m", nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	<-gone
}

func TestTheSecretIsMadeOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "webhook-secret")
	first, err := LoadSecret(path)
	require.NoError(t, err)
	require.Len(t, first, 64)
	again, err := LoadSecret(path)
	require.NoError(t, err)
	require.Equal(t, first, again)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1)

	require.NoError(t, os.WriteFile(path, []byte("short\n"), 0o600))
	_, err = LoadSecret(path)
	require.ErrorContains(t, err, "at least 16 characters")
	_, err = LoadSecret(filepath.Join(path, "x"))
	require.Error(t, err)
	_, err = LoadSecret(filepath.Join(t.TempDir(), "missing", "x"))
	require.Error(t, err)
}

func TestConfigSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	require.Empty(t, DefaultConfig().Validate())
	require.Len(t, Config{Secret: "short", MaxAttempts: 101}.Validate(), 3)
}

// TestAnInternalNameLooksLikeAnUnknownOne compares the answers for a name that resolves to
// loopback, for one that does not exist, and for one whose resolver fails.
func TestAnInternalNameLooksLikeAnUnknownOne(t *testing.T) {
	t.Parallel()
	s := sender(func(c *Config) { c.AllowPrivate = false })
	ask := func(url string) error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
		require.NoError(t, err)
		response, err := s.client.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		require.Error(t, err)
		return s.explain(err)
	}
	internal := ask("http://localhost:9/")
	unknown := &url.Error{Op: "Post", URL: "http://x", Err: &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{
		Err: "no such host", Name: "x", Server: "10.0.0.53:53", IsNotFound: true,
	}}}
	slow := &url.Error{Op: "Post", URL: "http://x", Err: &net.DNSError{
		Err: "read udp 10.1.2.3:444->10.0.0.53:53: i/o timeout", Name: "x", IsTimeout: true, IsTemporary: true,
	}}
	require.Equal(t, internal.Error(), s.explain(unknown).Error())
	require.Equal(t, internal.Error(), s.explain(slow).Error())
	require.NotContains(t, sender().explain(slow).Error(), "10.", "the resolver's address is nobody's business")
}
