package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/manage"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/orchestrator"
)

func TestWhatIsStillToComeOfABody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body pacedBody
		want bool
	}{
		"all":                         {pacedBody{length: 1 << 20}, true},
		"at its end":                  {pacedBody{length: 1 << 20, ended: true}, false},
		"as much as net/http reads":   {pacedBody{length: 256<<10 - 1}, false},
		"a byte more":                 {pacedBody{length: 256 << 10}, true},
		"a part of it":                {pacedBody{length: 256<<10 + 5, read: 5}, true},
		"less":                        {pacedBody{length: 256<<10 + 5, read: 6}, false},
		"an unknown length":           {pacedBody{length: -1}, true},
		"late":                        {pacedBody{length: 5, late: true}, true},
		"late, at its end":            {pacedBody{length: 5, late: true, ended: true}, false},
		"a client that asks":          {pacedBody{length: 5, asks: true}, true},
		"a connection that ends":      {pacedBody{length: 5, read: 4, closes: true}, true},
		"a connection with all of it": {pacedBody{length: 5, read: 5, closes: true}, false},
		"a little":                    {pacedBody{length: 5}, false},
	} {
		require.Equal(t, c.want, c.body.pending(), name)
	}
}

// slowly is a connection whose deadlines are noted.
type slowly struct {
	http.ResponseWriter
	mu     sync.Mutex // a drain is ended by another goroutine
	reads  []time.Time
	writes []time.Time
	broken bool
}

func (s *slowly) SetReadDeadline(at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads = append(s.reads, at)
	if s.broken {
		return errors.New("no connection")
	}
	return nil
}

// last returns the latest deadline of reads.
func (s *slowly) last() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads[len(s.reads)-1]
}

func (s *slowly) SetWriteDeadline(at time.Time) error { s.writes = append(s.writes, at); return nil }

func (s *slowly) FlushError() error { return nil }

// pieces returns one piece after another, each after a pause.
type pieces struct {
	every time.Duration
	sizes []int
	read  int
}

func (p *pieces) Read(buffer []byte) (int, error) {
	time.Sleep(p.every)
	if len(p.sizes) == p.read {
		return 0, io.EOF
	}
	p.read++
	return min(len(buffer), p.sizes[p.read-1]), nil
}

func (p *pieces) Close() error { return nil }

func TestTheRestOfABodyIsDiscarded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body   pacedBody
		every  time.Duration
		sizes  int
		broken bool
		read   int
		took   time.Duration
	}{
		"all of it":               {pacedBody{}, time.Second, 5, false, 5, 6 * time.Second},
		"for 30 seconds":          {pacedBody{}, time.Second, 100, false, 30, 30 * time.Second},
		"briefly, late":           {pacedBody{late: true}, 600 * time.Millisecond, 100, false, 2, 1200 * time.Millisecond},
		"briefly, asks":           {pacedBody{asks: true}, 600 * time.Millisecond, 100, false, 2, 1200 * time.Millisecond},
		"asked, and began":        {pacedBody{asks: true, read: 1}, time.Second, 100, false, 30, 30 * time.Second},
		"no connection to bound":  {pacedBody{}, time.Second, 100, true, 0, 0},
		"no more than a gigabyte": {pacedBody{}, 0, 1 << 20, false, 1 << 15, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			conn := &slowly{ResponseWriter: httptest.NewRecorder(), broken: c.broken}
			source := &pieces{every: c.every, sizes: make([]int, c.sizes)}
			for i := range source.sizes {
				source.sizes[i] = 32 << 10
			}
			began := time.Now()
			timed := &deadlined{pieces: source, conn: conn}
			body := c.body
			body.ReadCloser, body.control = timed, http.NewResponseController(conn)
			body.drain(t.Context())
			require.Equal(t, c.read, source.read, name)
			require.Equal(t, c.took, time.Since(began), name)
			for i, at := range conn.reads[:len(conn.reads)-1] {
				require.LessOrEqual(t, at.Sub(began), time.Duration(i)*c.every+5*time.Second, name)
			}
			require.False(t, conn.last().After(time.Now()), "net/http does not wait for more")
		})
	}
}

// deadlined fails reads after the connection's deadline.
type deadlined struct {
	*pieces
	conn *slowly
}

func (d *deadlined) Read(p []byte) (int, error) {
	n, err := d.pieces.Read(p)
	if !time.Now().Before(d.conn.last()) {
		return n, os.ErrDeadlineExceeded
	}
	return n, err
}

func TestADrainEndsWithTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		conn := &slowly{ResponseWriter: httptest.NewRecorder()}
		source := &pieces{every: time.Second, sizes: make([]int, 100)}
		body := pacedBody{ReadCloser: source, control: http.NewResponseController(conn)}
		time.AfterFunc(3500*time.Millisecond, stop)
		body.drain(web.WithDrain(t.Context(), ctx))
		require.Equal(t, 4, source.read)
		synctest.Wait()
	})
}

func TestEachWriteHasItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := &slowly{ResponseWriter: httptest.NewRecorder()}
		w := &pacedWriter{ResponseWriter: conn, control: http.NewResponseController(conn), timeout: time.Minute}
		w.begin(http.StatusEarlyHints)
		require.False(t, w.begun, "more headers follow")
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
		time.Sleep(time.Second)
		w.Flush()
		require.Equal(t, []time.Time{time.Now().Add(59 * time.Second), time.Now().Add(time.Minute)}, conn.writes)
		require.True(t, w.begun)
		require.False(t, w.early)
		require.Same(t, conn, w.Unwrap())

		pending := &pacedWriter{ResponseWriter: conn, control: w.control, body: &pacedBody{length: -1}}
		pending.WriteHeader(http.StatusBadRequest)
		require.True(t, pending.early)
		require.Equal(t, "close", conn.Header().Get("Connection"))
		pending.body.ended, pending.early = true, false
		pending.begin(http.StatusOK)
		require.False(t, pending.early, "only the first header counts")
	})
}

func TestKeepAlivesComeBackOnceThereIsRoom(t *testing.T) {
	t.Parallel()
	var alive []bool
	c := limitConnections(nil, 8, 2)
	c.keepAlive = func(enabled bool) { alive = append(alive, enabled) }
	for range 8 {
		require.False(t, c.count(1))
	}
	require.True(t, c.count(1))
	c.press()
	require.False(t, c.count(-1))
	require.False(t, c.count(-1))
	require.Equal(t, []bool{false}, alive, "seven are too many")
	require.False(t, c.count(-1))
	require.Equal(t, []bool{false, true}, alive)
	c.count(-1)
	require.Equal(t, []bool{false, true}, alive, "once")
	c.press()
	c.count(0)
	require.Equal(t, []bool{false, true, false}, alive, "only the end of a connection makes room")
}

func TestSpareConnectionsAreBrief(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		deadlines := &deadlineConn{Conn: near}
		conn := &limitedConn{Conn: deadlines, of: limitConnections(nil, 1, 1), accepted: time.Now(), spare: true}
		began := time.Now()
		until := func(at time.Time) time.Duration {
			require.NoError(t, conn.SetReadDeadline(at))
			return deadlines.at.Sub(began)
		}
		require.Equal(t, spareSilence, until(time.Time{}))
		require.Equal(t, spareSilence, until(began.Add(time.Hour)))
		require.Equal(t, spareSilence, until(began.Add(spareSilence)))
		require.Equal(t, 100*time.Millisecond, until(began.Add(100*time.Millisecond)))
		go func() { _, _ = far.Write([]byte("x")) }()
		_, err := conn.Read(make([]byte, 1))
		require.NoError(t, err)
		require.Equal(t, spareTime, until(time.Time{}))
		conn.spare = false
		require.Equal(t, time.Hour, until(began.Add(time.Hour)))
		require.Equal(t, t.Context(), withSpare(t.Context(), conn))
		conn.spare = true
		require.NotNil(t, withSpare(t.Context(), conn).Value(spareKey{}))
		require.Equal(t, t.Context(), withSpare(t.Context(), near))
		require.NoError(t, near.Close())
	})
	h := smallHandlers(t, func(*Config, *Dependencies) {})
	for _, c := range []struct {
		spare  bool
		path   string
		status int
		close  string
	}{
		{false, "/v1/use", 200, ""}, {true, "/v1/use", 429, "close"}, {true, "/livez", 200, "close"}, {false, "/livez", 200, ""},
	} {
		r := ask(t, "GET", c.path)
		if c.spare {
			r = r.WithContext(context.WithValue(r.Context(), spareKey{}, true))
		}
		w := httptest.NewRecorder()
		h.onlyProbes(writer())(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		require.Equal(t, c.status, w.Code, c)
		require.Equal(t, c.close, w.Header().Get("Connection"), c)
		require.Equal(t, c.status == 429, w.Header().Get("Retry-After") == "1", c)
	}
}

// deadlineConn notes the deadline of a connection.
type deadlineConn struct {
	net.Conn
	at time.Time
}

func (n *deadlineConn) SetReadDeadline(at time.Time) error { n.at = at; return nil }

// brokenListener fails with its errors.
type brokenListener struct {
	net.Listener
	accepts, closes error
}

func (b brokenListener) Accept() (net.Conn, error) { return nil, b.accepts }
func (b brokenListener) Close() error              { return b.closes }

func TestAServerWhoseListenerFails(t *testing.T) {
	t.Parallel()
	gone := errors.New("the network is gone")
	log := slog.New(slog.DiscardHandler)
	s := NewServer(DefaultConfig(), brokenListener{accepts: gone}, http.NotFoundHandler(), log)
	require.NoError(t, s.Start(t.Context()))
	require.ErrorIs(t, <-s.Failed(), gone)
	require.NoError(t, s.Stop(t.Context()))
	s = NewServer(DefaultConfig(), brokenListener{closes: gone}, http.NotFoundHandler(), log)
	require.ErrorIs(t, s.Stop(t.Context()), gone)
	require.ErrorIs(t, s.Start(t.Context()), lifecycle.ErrStarted)
	s = NewServer(DefaultConfig(), brokenListener{closes: net.ErrClosed}, http.NotFoundHandler(), log)
	require.NoError(t, s.Stop(t.Context()))
	_, err := Listen(t.Context(), Config{Listen: "nonsense"})
	require.ErrorContains(t, err, "api.listen: ")
}

// TestStopsOfAServer has a request that does not end by itself.
func TestStopsOfAServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		works time.Duration
		took  time.Duration
		cause error
	}{
		"a request that ends":     {10 * time.Second, 15 * time.Second, nil},
		"a request that does not": {time.Hour, 35 * time.Second, ErrShutdown},
	} {
		synctest.Test(t, func(t *testing.T) {
			listener := &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})}
			cfg := DefaultConfig()
			cfg.ShutdownDelay, cfg.DrainTimeout = 5*time.Second, 30*time.Second
			drained, causes := make(chan time.Time, 1), make(chan error, 1)
			s := NewServer(cfg, listener, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				ctx, cancel := web.UntilDrain(r.Context())
				defer cancel()
				<-ctx.Done()
				drained <- time.Now()
				select {
				case <-r.Context().Done():
				case <-time.After(c.works):
				}
				causes <- context.Cause(r.Context())
			}), slog.New(slog.DiscardHandler))
			require.NoError(t, s.Start(t.Context()))
			client, accepted := net.Pipe()
			listener.accepted <- accepted
			_, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			require.NoError(t, err)
			go func() {
				if response, err := http.ReadResponse(bufio.NewReader(client), nil); err == nil {
					_ = response.Body.Close()
				}
			}()
			synctest.Wait()
			began := time.Now()
			require.NoError(t, s.Stop(t.Context()), name)
			require.InDelta(t, c.took.Seconds(), time.Since(began).Seconds(), 0.6, name)
			require.Equal(t, 5*time.Second, (<-drained).Sub(began), name)
			require.Equal(t, c.cause, <-causes, name)
			began = time.Now()
			require.NoError(t, s.Stop(t.Context()), "again, without the delay")
			require.Less(t, time.Since(began), time.Second)
			require.NoError(t, client.Close())
		})
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		pause(t.Context(), time.Minute)
		require.Equal(t, time.Minute, time.Since(began))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		pause(ended, time.Minute)
		require.Equal(t, time.Minute, time.Since(began))
	})
}

// TestAQuietStreamOfTheStateHasComments follows the state for a minute.
func TestAQuietStreamOfTheStateHasComments(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		views := &scriptedViews{}
		registry := orchestrator.NewRegistry(slog.New(slog.DiscardHandler))
		deps := Dependencies{
			Views: views, Settings: scriptedSettings{}, Services: registry, Models: orchestrator.NewResolver(registry, orchestrator.Names{}),
			Log: slog.New(slog.DiscardHandler),
		}
		e := &endpoints{handlers: &handlers{Dependencies: deps}, manageHandlers: &manage.Handlers{
			Services: registry, Models: deps.Models, Views: views, Settings: deps.Settings, Log: deps.Log,
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 33*time.Second)
		defer cancel()
		time.AfterFunc(5*time.Second, func() { views.budget.Store(9) })
		stream, err := e.FollowSystem(ctx, gen.FollowSystemRequestObject{})
		require.NoError(t, err)
		began, w := time.Now(), httptest.NewRecorder()
		require.NoError(t, stream.VisitFollowSystemResponse(w))
		require.Equal(t, 33*time.Second, time.Since(began))
		text := w.Body.String()
		require.Equal(t, 2, strings.Count(text, "event: resources"), "at the beginning, and after 6 seconds")
		require.Contains(t, text, `"budget_bytes":9`)
		require.Equal(t, 1, strings.Count(text, "event: system"))
		require.Equal(t, 1, strings.Count(text, ":\n\n"), "after 14 quiet seconds, at 20; the next would be at 34")
		for _, v := range e.stateViews() {
			require.Equal(t, 1, min(1, strings.Count(text, "event: "+v.name)), v.name)
		}
	})
}
