package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startTimeout bounds the time from the start of a process until it is ready,
// on a machine that is busy with other things.
const startTimeout = time.Minute

// requestTimeout bounds each request, so that one which is never answered fails its own
// test, with the server's goroutines, and not the whole run.
const requestTimeout = 3 * time.Minute

// program is the path of the real binary, built once for all tests.
var program string

// TestMain builds the binary and runs the tests in the folder of the module.
func TestMain(m *testing.M) {
	if err := os.Chdir(filepath.Join("..", "..")); err != nil {
		panic(err)
	}
	// The environment of the tests must not reach the binary; a test can set its own.
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "GRYM_") && name != "GRYM_TESTDATA" || strings.HasPrefix(name, "ONNXRUNTIME_") {
			_ = os.Unsetenv(name) // it exists
		}
	}
	_ = os.Setenv("HF_HUB_OFFLINE", "1") // no test downloads by accident
	dir, err := os.MkdirTemp("", "grym-synth-e2e-*")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "grym-synth")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	check, err := newContractCheck("openapi.yaml", http.DefaultTransport)
	if err != nil {
		panic(err)
	}
	http.DefaultTransport = check
	http.DefaultClient.Timeout, http.DefaultClient.Transport = requestTimeout, recorder{http.DefaultTransport}
	code := m.Run()
	if !check.report(os.Stderr) && code == 0 {
		code = 1
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// options of a process; the zero value is a server with the default settings
// on a free port of the loopback interface and a data folder of its own.
type options struct {
	// dataDir is a temporary folder where it is empty.
	dataDir string
	// settings is the content of a configuration file.
	settings string
	// args come after those that the harness sets.
	args []string
}

// server is a running process of the binary.
type server struct {
	url     string
	dataDir string
	cmd     *exec.Cmd
	// done has the end of the process once it has ended.
	done chan error
	log  *lines
}

// start runs the binary with a data folder of its own, unless args name another, and
// returns once it has started.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	s, listening := launch(t, append([]string{"--data-dir", t.TempDir()}, args...)...)
	s.await(t, listening)
	return s
}

// startWith runs the binary with options and returns once it is ready to serve.
func startWith(t testing.TB, o options) *server {
	t.Helper()
	if o.dataDir == "" {
		o.dataDir = t.TempDir()
	}
	args := []string{"--data-dir", o.dataDir}
	if o.settings != "" {
		file := filepath.Join(t.TempDir(), "settings.yaml")
		require.NoError(t, os.WriteFile(file, []byte(o.settings), 0o600))
		args = append(args, "--config", file)
	}
	s, listening := launch(t, append(args, o.args...)...)
	s.dataDir = o.dataDir
	s.await(t, listening)
	require.Eventually(t, func() bool { return s.ready(t) }, startTimeout, 5*time.Millisecond, "the server is not ready\n%s", s.log)
	return s
}

// await waits until the server listens.
func (s *server) await(t testing.TB, listening <-chan string) {
	t.Helper()
	select {
	case address := <-listening:
		s.url = "http://" + strings.Replace(address, "[::]", "localhost", 1)
		timelineOf(t).follow(s.url)
	case err := <-s.done:
		s.done <- err
		t.Fatalf("the server ended: %v\n%s", err, s.log)
	case <-time.After(startTimeout):
		t.Fatalf("the server does not listen\n%s", s.log)
	}
}

// launch runs the binary. The channel receives the address once it has started.
func launch(t testing.TB, args ...string) (*server, <-chan string) {
	t.Helper()
	return launchCommand(t, runProgram(t, append([]string{"--listen", "127.0.0.1:0"}, args...)...))
}

// launchCommand runs a command that serves. The channel receives the address once it has
// started.
func launchCommand(t testing.TB, cmd *exec.Cmd) (*server, <-chan string) {
	t.Helper()
	s := &server{cmd: cmd, done: make(chan error, 1), log: &lines{}}
	stderr, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	listening := make(chan string, 1)
	go func() {
		scanner := bufio.NewScanner(stderr)
		for scanner.Scan() {
			s.log.add(scanner.Text())
			var line struct{ Msg, Listen string }
			if json.Unmarshal(scanner.Bytes(), &line) == nil && line.Msg == "listening" {
				listening <- line.Listen
			}
		}
		s.done <- s.cmd.Wait()
	}()
	t.Cleanup(func() {
		if t.Failed() {
			s.logGoroutines(t)
		}
		s.kill()
	})
	return s, listening
}

// logGoroutines ends a process that still runs by SIGQUIT and logs the goroutines that
// the Go runtime writes then.
func (s *server) logGoroutines(t testing.TB) {
	from := len(s.log.String())
	if s.cmd.Process.Signal(syscall.SIGQUIT) != nil {
		return // it has ended
	}
	select {
	case err := <-s.done:
		s.done <- err
		t.Logf("goroutines of %s:\n%s", s.url, s.log.String()[from:])
	case <-time.After(10 * time.Second):
	}
}

// runProgram returns a call of the binary.
func runProgram(t testing.TB, args ...string) *exec.Cmd {
	return exec.CommandContext(t.Context(), program, args...)
}

// ready reports whether the server says that it may be sent requests.
func (s *server) ready(t testing.TB) bool {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/readyz", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// kill ends the process at once, as a loss of power would, and waits for it.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	s.done <- <-s.done
}

// stop sends SIGTERM and returns the end of the process.
func (s *server) stop(t testing.TB) error {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	err := <-s.done
	s.done <- err
	return err
}

// createKey adds an API key with a scope to a data folder and returns it.
func createKey(t testing.TB, dataDir, scope string) string {
	t.Helper()
	cmd := runProgram(t, "keys", "create", "--scopes", scope, "--data-dir", dataDir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return strings.TrimSpace(string(out))
}

// lines collects the log of a process.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}
