package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// deploymentBlock returns the only block of a language in docs/deployment.md, with the
// given addresses and paths replaced. Each must be present.
func deploymentBlock(t *testing.T, language string, replace ...string) string {
	t.Helper()
	data, err := os.ReadFile("docs/deployment.md")
	require.NoError(t, err)
	parts := strings.Split(string(data), "```"+language+"\n")
	if len(parts) == 1 { // blocks in a list are indented
		parts = strings.Split(string(data), "   ```"+language+"\n")
	}
	require.Len(t, parts, 2, "one block of %s", language)
	block, _, ok := strings.Cut(parts[1], "```")
	require.True(t, ok)
	for i := 0; i < len(replace); i += 2 {
		require.Contains(t, block, replace[i])
		block = strings.ReplaceAll(block, replace[i], replace[i+1])
	}
	return block
}

const (
	// publicName is the host that the document configures.
	publicName = "audio.example"
	// stranger is the address of the clients, which is not a trusted proxy.
	stranger = "127.0.0.2"
)

// canBeStranger skips a test if the machine does not have the address stranger.
func canBeStranger(t *testing.T) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", stranger+":0")
	if err != nil {
		t.Skipf("the clients of the documented proxies come from %s, which is no address here: %v", stranger, err)
	}
	require.NoError(t, listener.Close())
}

// selfSigned writes a certificate for publicName and returns a pool that trusts it.
func selfSigned(t *testing.T, cert, key string) *x509.CertPool {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: publicName}, DNSNames: []string{publicName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	trusted := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	trusted.AddCert(parsed)
	return trusted
}

// visitor is a client of publicName.
type visitor struct {
	client *http.Client
	scheme string
	key    string
}

// visit returns a client that resolves publicName to a port on loopback.
func visit(port, scheme, key string, trusted *x509.CertPool) visitor {
	return visitor{scheme: scheme, key: key, client: &http.Client{Timeout: requestTimeout, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(stranger)}}).DialContext(ctx, network, "127.0.0.1:"+port)
		},
	}}}
}

// send makes a request with the visitor's key; the caller closes the answer.
func (v visitor) send(ctx context.Context, t *testing.T, method, path string, body io.Reader, header ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, v.scheme+"://"+publicName+path, body)
	require.NoError(t, err)
	if v.key != "" {
		request.Header.Set("Authorization", "Bearer "+v.key)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := v.client.Do(request)
	require.NoError(t, err)
	return response
}

func (v visitor) ask(t *testing.T, method, path string, body io.Reader, header ...string) (int, string) {
	t.Helper()
	response := v.send(t.Context(), t, method, path, body, header...)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

// TestTheDocumentedProxies runs the blocks of docs/deployment.md unchanged.
func TestTheDocumentedProxies(t *testing.T) {
	t.Parallel()
	canBeStranger(t)
	for name, c := range map[string]struct {
		begin  func(t *testing.T, server, key string) visitor
		scheme string
	}{
		"nginx": {func(t *testing.T, server, key string) visitor {
			dir, port := proxyFolder(t), freePort(t)
			cert, secret := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
			trusted := selfSigned(t, cert, secret)
			nginx(t, port, deploymentBlock(t, "nginx", "listen 443 ssl", "listen 127.0.0.1:"+port+" ssl", "127.0.0.1:8080", server,
				"/etc/ssl/audio.example.pem", cert, "/etc/ssl/audio.example.key", secret))
			return visit(port, "https", key, trusted)
		}, "https"},
		"Caddy": {func(t *testing.T, server, key string) visitor {
			port := freePort(t)
			// Caddy would otherwise request a certificate from the internet.
			caddy(t, port, deploymentBlock(t, "caddyfile", "audio.example {", "http://audio.example:"+port+" {", "127.0.0.1:8080", server))
			return visit(port, "http", key, nil)
		}, "http"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			settings := filepath.Join(dir, "settings.yaml")
			require.NoError(t, os.WriteFile(settings, []byte(deploymentBlock(t, "yaml")), 0o600))
			admin := newKey(t, dir, "admin")
			s := start(t, "--data-dir", dir, "--config", settings)
			v := c.begin(t, strings.TrimPrefix(s.url, "http://"), admin)
			doorOf(t, v)
			clientIsLogged(t, s, v, c.scheme)
			uploadsStream(t, v)
			eventsComeAtOnce(t, v)
			hangUpArrives(t, v)
		})
	}
}

func doorOf(t *testing.T, v visitor) {
	t.Helper()
	keyless, liar := v, v
	keyless.key, liar.key = "", "grym_00_11"
	for _, path := range []string{"/v1/models", "/v1/system/config", "/metrics"} {
		status, body := keyless.ask(t, http.MethodGet, path, nil)
		require.Equal(t, http.StatusUnauthorized, status, body)
		status, body = liar.ask(t, http.MethodGet, path, nil)
		require.Equal(t, http.StatusUnauthorized, status, body)
		status, body = v.ask(t, http.MethodGet, path, nil)
		require.Equal(t, http.StatusOK, status, body)
	}
	status, body := keyless.ask(t, http.MethodGet, "/readyz", nil)
	require.Equal(t, http.StatusOK, status, body)
}

// clientIsLogged has a client with forged addresses.
func clientIsLogged(t *testing.T, s *server, v visitor, scheme string) {
	t.Helper()
	status, body := v.ask(t, http.MethodGet, "/v1/models", nil, "X-Request-Id", "who-is-it",
		"X-Forwarded-For", "203.0.113.7", "Forwarded", "for=192.0.2.66;host=evil.example")
	require.Equal(t, http.StatusOK, status, body)
	var line struct{ Remote, Proxy, Scheme, Host string }
	require.Eventually(t, func() bool {
		for text := range strings.SplitSeq(s.log.String(), "\n") {
			if strings.Contains(text, "who-is-it") && strings.Contains(text, `"msg":"request"`) {
				return json.Unmarshal([]byte(text), &line) == nil
			}
		}
		return false
	}, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, stranger, line.Remote)
	require.Equal(t, "127.0.0.1", line.Proxy)
	require.Equal(t, scheme, line.Scheme)
	require.Equal(t, publicName, line.Host)
}

// uploadsStream sends a recording of 200 MB, and an endless one that is refused for its
// key: a proxy that buffers bodies would refuse its size. It continues to send, because a
// proxy may wait for 256 KiB before it forwards the response.
func uploadsStream(t *testing.T, v visitor) {
	t.Helper()
	const size = 200_000_000
	status, body := v.ask(t, http.MethodPost, "/v1/audio",
		io.LimitReader(io.MultiReader(strings.NewReader(wavHead(size)), zeros{}), 44+size), "Content-Type", "audio/wav")
	require.Equal(t, http.StatusCreated, status, body)
	require.Contains(t, body, `"bytes":200000044`)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	liar := v
	liar.key = "grym_00_11"
	endless := io.MultiReader(strings.NewReader(wavHead(size)), zeros{})
	response := liar.send(ctx, t, http.MethodPost, "/v1/audio", endless, "Content-Type", "audio/wav")
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
}

// wavHead is the head of a 16-bit WAV file with so many bytes of samples.
func wavHead(size int) string {
	head := pcm(16000, nil)
	for at, n := range map[int]int{4: 36 + size, 40: size} {
		for i := range 4 {
			head[at+i] = byte(n >> (8 * i))
		}
	}
	return string(head)
}

// zeros is an endless reader of zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// eventsComeAtOnce reads the first event of a long job and then cancels it.
func eventsComeAtOnce(t *testing.T, v visitor) {
	t.Helper()
	status, answer := v.ask(t, http.MethodPost, "/v1/audio", bytes.NewReader(wav(16000, 1, 16000*600)), "Content-Type", "audio/wav")
	require.Equal(t, http.StatusCreated, status, answer)
	status, answer = v.ask(t, http.MethodPost, "/v1/jobs",
		strings.NewReader(`{"service":"wav2vec2","audio_id":"`+jobIn(t, answer).ID+`"}`), "Content-Type", "application/json")
	require.Equal(t, http.StatusAccepted, status, answer)
	id := jobIn(t, answer).ID
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	response := v.send(ctx, t, http.MethodGet, "/v1/jobs/"+id+"/events", nil)
	defer response.Body.Close()
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	require.True(t, lines.Scan(), "the first event, while the job is under way: %v", lines.Err())
	status, answer = v.ask(t, http.MethodDelete, "/v1/jobs/"+id, nil)
	require.Less(t, status, 300, answer)
	var last string
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			last = name
		}
	}
	require.NoError(t, lines.Err())
	require.Equal(t, "end", last)
}

// hangUpArrives cancels a request during its work, which must stop.
func hangUpArrives(t *testing.T, v visitor) {
	t.Helper()
	ctx, hangUp := context.WithCancel(t.Context())
	body, contentType := form(t, wav(16000, 1, 16000*1200), "window_seconds", "30")
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, v.scheme+"://"+publicName+"/v1/audio/transcriptions", body)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+v.key)
	request.Header.Set("Content-Type", contentType)
	answered := make(chan error, 1)
	go func() {
		response, err := v.client.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		answered <- err
	}()
	metrics := func(text string) func() bool {
		return func() bool {
			_, body := v.ask(t, http.MethodGet, "/metrics", nil)
			return strings.Contains(body, text)
		}
	}
	require.Eventually(t, metrics("grym_inference_running 1"), 60*time.Second, 5*time.Millisecond)
	hangUp()
	require.ErrorIs(t, <-answered, context.Canceled)
	require.Eventually(t, metrics("grym_inference_running 0"), 60*time.Second, 20*time.Millisecond)
}
