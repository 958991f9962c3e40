package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// newKey makes a key in a data folder.
func newKey(t *testing.T, dir, scope string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, "keys", "create", "--scopes", scope, "--data-dir", dir).CombinedOutput()
	require.NoError(t, err, string(out))
	return strings.TrimSpace(string(out))
}

// freePort returns a port of loopback that was free: nginx and Caddy do not report the port
// of a dynamic listener.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return port
}

// proxyFolder returns a folder that the workers of nginx, which run as another
// user where the tests run as root, can reach.
func proxyFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "grym-proxy-*")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

// background runs a program until the test ends, once it takes connections. Its
// context is not the test's, whose end would kill the master of nginx, and only that.
func background(t *testing.T, port string, cmd *exec.Cmd) {
	t.Helper()
	var log lockedLog
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &log, &log, 10*time.Second
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	require.Eventually(t, func() bool {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, 30*time.Second, 20*time.Millisecond, cmd.Path)
}

// lockedLog collects what a process prints.
type lockedLog struct{ lines }

func (l *lockedLog) Write(p []byte) (int, error) {
	l.add(string(p))
	return len(p), nil
}

// nginx runs the real one with server blocks, and returns the folder in which it
// would buffer bodies.
func nginx(t *testing.T, port, servers string) (buffered string) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed (apt-get install nginx-light); its part of the proxy tests was left out")
	}
	dir := proxyFolder(t)
	temp := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp += fmt.Sprintf("%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	config := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(config, []byte(fmt.Sprintf("daemon off;\nworker_processes 1;\npid %s/pid;\nerror_log stderr;\nevents "+
		"{}\nhttp {\naccess_log off;\n%s%s\n}\n", dir, temp, servers)), 0o600))
	background(t, port, exec.CommandContext(context.Background(), path, "-c", config, "-p", dir, "-e", "stderr"))
	return filepath.Join(dir, "client_body")
}

// caddy runs the real one with a Caddyfile.
func caddy(t *testing.T, port, file string) {
	t.Helper()
	path, err := exec.LookPath("caddy")
	if err != nil {
		t.Skip("caddy is not installed (apt-get install caddy); its part of the proxy tests was left out")
	}
	dir := proxyFolder(t)
	config := filepath.Join(dir, "Caddyfile")
	require.NoError(t, os.WriteFile(config, []byte("{\n\tadmin off\n\tauto_https off\n}\n"+file), 0o600))
	cmd := exec.CommandContext(context.Background(), path, "run", "--config", config, "--adapter", "caddyfile")
	cmd.Env = []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}
	background(t, port, cmd)
}

// entries are the ways to reach the server: each starts a proxy and returns the address for
// clients. Clients request the host audio.example except on the direct one.
var entries = map[string]func(t *testing.T, server string) string{
	"direct":      func(_ *testing.T, server string) string { return server },
	"nginx, bare": func(t *testing.T, server string) string { return nginxRoad(t, server, "") },
	// What nginx does by default since 1.29.7.
	"nginx, bare, HTTP/1.1": func(t *testing.T, server string) string {
		return nginxRoad(t, server, `proxy_http_version 1.1; proxy_set_header Connection "";`)
	},
	"nginx, Host": func(t *testing.T, server string) string {
		return nginxRoad(t, server, `proxy_http_version 1.1; proxy_set_header Host $host;`)
	},
	"nginx, X-Forwarded-For": func(t *testing.T, server string) string {
		return nginxRoad(t, server, `proxy_http_version 1.1; proxy_set_header X-Forwarded-For $remote_addr;`)
	},
	"nginx, X-Real-IP": func(t *testing.T, server string) string {
		return nginxRoad(t, server, `proxy_http_version 1.1; proxy_set_header X-Real-IP $remote_addr;`)
	},
	"nginx, Host and For": func(t *testing.T, server string) string {
		return nginxRoad(t, server, `proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;`)
	},
	"Caddy": func(t *testing.T, server string) string {
		port := freePort(t)
		caddy(t, port, fmt.Sprintf("http://:%s {\n\treverse_proxy %s\n}\n", port, server))
		return "127.0.0.1:" + port
	},
}

func nginxRoad(t *testing.T, server, lines string) string {
	t.Helper()
	port := freePort(t)
	nginx(t, port, fmt.Sprintf("server { listen 127.0.0.1:%s; location / { proxy_pass http://%s; %s } }", port, server, lines))
	return "127.0.0.1:" + port
}

// replies are the statuses without a key, with an invalid and with a valid one.
type replies struct{ none, bad, valid int }

// TestTheProxyTable tests every entry with a server that is not configured for a proxy and
// with one that is. Both have an admin key.
func TestTheProxyTable(t *testing.T) {
	t.Parallel()
	const probe, use, admin = "GET /livez", "GET /v1/models", "PATCH /v1/system/config"
	open, shut, keyed := replies{200, 200, 200}, replies{403, 403, 200}, replies{401, 401, 200}
	// Only its user distinguishes an open proxy from a client on the same machine.
	another := shut
	if os.Geteuid() != 0 {
		t.Log("without root, nginx runs as the user of the tests, and its bare requests cannot be told from theirs")
		another = open
	}
	unaware := map[string]map[string]replies{
		"direct":                 {probe: open, use: open, admin: open},
		"nginx, bare":            {probe: open, use: shut, admin: shut},
		"nginx, bare, HTTP/1.1":  {probe: open, use: open, admin: another},
		"nginx, Host":            {probe: shut, use: shut, admin: shut},
		"nginx, X-Forwarded-For": {probe: open, use: shut, admin: shut},
		"nginx, X-Real-IP":       {probe: open, use: shut, admin: shut},
		"nginx, Host and For":    {probe: shut, use: shut, admin: shut},
		"Caddy":                  {probe: shut, use: shut, admin: shut},
	}
	require.Len(t, unaware, len(entries))
	for _, server := range []struct {
		name, settings string
		want           func(entry, route string) replies
	}{
		{"unaware", "auth: {failuresPerMinute: 0}\n", func(entry, route string) replies { return unaware[entry][route] }},
		{"asking for keys", "auth: {mode: keys, failuresPerMinute: 0}\n", func(entry, route string) replies {
			if route == probe {
				return unaware[entry][probe]
			}
			return keyed
		}},
		{"aware", "api: {hosts: [audio.example], trustedProxies: [127.0.0.1]}\nauth: {failuresPerMinute: 0}\n", func(_, route string) replies {
			if route == probe {
				return open
			}
			return keyed
		}},
	} {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			key := newKey(t, dir, "admin")
			settings := filepath.Join(dir, "settings.yaml")
			require.NoError(t, os.WriteFile(settings, []byte(server.settings), 0o600))
			s := start(t, "--data-dir", dir, "--config", settings)
			for entry, enter := range entries {
				t.Run(entry, func(t *testing.T) {
					entrance := enter(t, strings.TrimPrefix(s.url, "http://"))
					for _, route := range []string{probe, use, admin} {
						ask := func(key string) int { return askThrough(t, entrance, entry != "direct", route, key) }
						got := replies{ask(""), ask("grym_00_11"), ask(key)}
						require.Equal(t, server.want(entry, route), got, "%s: no key, a bad one, a valid one", route)
					}
				})
			}
		})
	}
}

// askThrough sends a request to an entry. Every refusal must suggest a remedy.
func askThrough(t *testing.T, entrance string, proxied bool, route, key string) int {
	t.Helper()
	method, path, _ := strings.Cut(route, " ")
	body := ""
	if method == http.MethodPatch {
		body = `{"log":{"level":"info"}}`
	}
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+entrance+path, strings.NewReader(body))
	require.NoError(t, err)
	if proxied {
		request.Host = "audio.example"
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	status, answer := do(t, request)
	if status == http.StatusForbidden {
		require.Contains(t, answer, "api.hosts", route)
	}
	return status
}

// TestBehindAProxyNobodyComesInWithoutAKey starts with proxy settings.
func TestBehindAProxyNobodyComesInWithoutAKey(t *testing.T) {
	t.Parallel()
	const local, makeOne = "127.0.0.1:0", "grym-synth keys create --scopes admin --data-dir "
	for name, c := range map[string]struct{ listen, settings, says string }{
		"host":           {local, "api: {hosts: [audio.example]}", makeOne},
		"proxy":          {local, "api: {trustedProxies: [127.0.0.1]}", makeOne},
		"other place":    {"0.0.0.0:0", "api: {hosts: [audio.example]}", makeOne},
		"asked for keys": {local, "api: {hosts: [audio.example]}\nauth: {mode: keys}", makeOne},
		"no keys":        {local, "api: {hosts: [audio.example]}\nauth: {mode: 'off'}", "auth.mode: must not be off"},
		"no keys, proxy": {local, "api: {trustedProxies: [127.0.0.1]}\nauth: {mode: 'off'}", "auth.mode: must not be off"},
		"bad host":       {local, "api: {hosts: ['https://audio.example']}", "api.hosts: must be host names"},
		"bad proxy":      {local, "api: {trustedProxies: [proxy.example]}", "api.trustedProxies: must be addresses"},
	} {
		dir := t.TempDir()
		settings := filepath.Join(dir, "settings.yaml")
		require.NoError(t, os.WriteFile(settings, []byte(c.settings+"\n"), 0o600))
		run := func() string {
			s, listening := launch(t, "--listen", c.listen, "--data-dir", dir, "--config", settings)
			select {
			case address := <-listening:
				require.Fail(t, "the server serves at "+address, name)
			case err := <-s.done:
				s.done <- err
				require.Error(t, err, name)
			}
			return s.log.String()
		}
		require.Contains(t, run(), c.says, name)
		require.NoFileExists(t, filepath.Join(dir, "keys.json"), "%s: no key is made where the world waits for it", name)
		if name == "host" {
			out, err := exec.CommandContext(t.Context(), program, "keys", "create", "--expires", "1ns", "--data-dir", dir).CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, run(), "no valid key exists", "an expired key lets nobody in")
			newKey(t, dir, "admin")
			s := start(t, "--data-dir", dir, "--config", settings)
			status, body := s.get(t, "/v1/models")
			require.Equal(t, http.StatusUnauthorized, status, "also from loopback: %s", body)
		}
	}
}

// TestAValidKeyIsHeardAmongBadOnes has a client that tries keys from the address that it
// shares with another one, as clients of an unknown proxy do.
func TestAValidKeyIsHeardAmongBadOnes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := newKey(t, dir, "use")
	settings := filepath.Join(dir, "settings.yaml")
	require.NoError(t, os.WriteFile(settings, []byte("auth: {mode: keys}\n"), 0o600))
	s := start(t, "--data-dir", dir, "--config", settings)
	address := strings.TrimPrefix(s.url, "http://")
	seen := map[int]int{}
	for i := range 15 {
		seen[askThrough(t, address, false, "GET /v1/models", fmt.Sprintf("grym_%012x_%064x", i, i))]++
	}
	require.Equal(t, map[int]int{401: 10, 429: 5}, seen, "auth.failuresPerMinute is 10")
	require.Equal(t, http.StatusOK, askThrough(t, address, false, "GET /v1/models", key), "a valid key that was not seen before")
	require.Equal(t, http.StatusTooManyRequests, askThrough(t, address, false, "GET /v1/models", "bad"))
}
