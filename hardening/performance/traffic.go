package performance

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Traffic counts the bytes and the ends of requests. Safe for concurrent use.
type Traffic struct {
	received, sent   atomic.Int64
	uploads, streams atomic.Int64
	bytes            *prometheus.CounterVec
	refusals         *prometheus.CounterVec

	mu     sync.Mutex
	routes map[string]*RouteTraffic
	// ended is called after each request, without a lock.
	ended func(RequestEvent)
}

// RouteTraffic is the traffic of one route since the start.
type RouteTraffic struct {
	// Route has the method and the pattern, as "GET /v1/jobs/{job_id}".
	Route          string
	Requests       int64
	Received, Sent int64
}

// RequestEvent is the end of a request.
type RequestEvent struct {
	Route          string
	Received, Sent int64
	Status         int
	// Cause is the slug of the problem with which the request was refused, or empty.
	Cause string
}

// maxRoutes bounds the routes that are counted separately.
const maxRoutes = 512

func newTraffic(reg prometheus.Registerer, ended func(RequestEvent)) *Traffic {
	t := &Traffic{routes: make(map[string]*RouteTraffic), ended: ended}
	t.bytes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "grym_http_bytes_total", Help: "Bytes of requests (received) and answers (sent) without headers, by route, counted at their end.",
	}, []string{"direction", "route"})
	t.refusals = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "grym_http_refusals_total", Help: "Requests that were answered with an error, by the code of the problem.",
	}, []string{"cause"})
	gauge := func(name, help string, value *atomic.Int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value.Load()) })
	}
	reg.MustRegister(t.bytes, t.refusals,
		gauge("grym_http_uploads", "Requests whose body is being received.", &t.uploads),
		gauge("grym_http_streams", "Answers of server-sent events under way.", &t.streams))
	return t
}

// Received counts bytes of a request's body.
func (t *Traffic) Received(bytes int) { t.received.Add(int64(bytes)) }

// Sent counts bytes of an answer's body.
func (t *Traffic) Sent(bytes int) { t.sent.Add(int64(bytes)) }

// Uploading counts a body that begins to be received with 1, and one that ends with -1.
func (t *Traffic) Uploading(change int) { t.uploads.Add(int64(change)) }

// Streaming counts a stream of events that begins with 1, and one that ends with -1.
func (t *Traffic) Streaming(change int) { t.streams.Add(int64(change)) }

// Ended counts a request that was answered. The cause is the code of the problem that it
// was answered with, or empty.
func (t *Traffic) Ended(route string, received, sent int64, status int, cause string) {
	t.mu.Lock()
	one := t.routes[route]
	if one == nil && len(t.routes) >= maxRoutes {
		route = "other"
		one = t.routes[route]
	}
	if one == nil {
		one = &RouteTraffic{Route: route}
		t.routes[route] = one
	}
	one.Requests++
	one.Received += received
	one.Sent += sent
	t.mu.Unlock()
	t.bytes.WithLabelValues("received", route).Add(float64(received))
	t.bytes.WithLabelValues("sent", route).Add(float64(sent))
	if cause != "" {
		t.refusals.WithLabelValues(cause).Inc()
	}
	t.ended(RequestEvent{Route: route, Received: received, Sent: sent, Status: status, Cause: cause})
}

// Network is the use of the network.
type Network struct {
	// Received and Sent are bytes since the start.
	Received, Sent   int64
	Uploads, Streams int
	// Capacity of the fastest link in bytes per second, one way; zero if unknown. Peak is
	// the highest rate of a sample, in either direction.
	Capacity, Peak float64
	// Routes with the most bytes first.
	Routes []RouteTraffic
}

// view returns the use of the network, without capacity and peak.
func (t *Traffic) view() Network {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := Network{Received: t.received.Load(), Sent: t.sent.Load(), Uploads: int(t.uploads.Load()), Streams: int(t.streams.Load())}
	for one := range maps.Values(t.routes) {
		n.Routes = append(n.Routes, *one)
	}
	slices.SortFunc(n.Routes, func(a, b RouteTraffic) int {
		return cmp.Or(cmp.Compare(b.Received+b.Sent, a.Received+a.Sent), cmp.Compare(a.Route, b.Route))
	})
	return n
}

// traffic is the network's part of a sample; the monitor guards it.
type traffic struct {
	received, sent int64
	at             time.Time
	capacity, peak float64
}

// sample completes a sample with the traffic since the one before.
func (n *traffic) sample(s *Sample, t *Traffic, capacity float64) {
	received, sent := t.received.Load(), t.sent.Load()
	if elapsed := s.At.Sub(n.at).Seconds(); !n.at.IsZero() && elapsed > 0 {
		s.ReceivedPerSecond = float64(received-n.received) / elapsed
		s.SentPerSecond = float64(sent-n.sent) / elapsed
		n.peak = max(n.peak, s.ReceivedPerSecond, s.SentPerSecond)
	}
	n.received, n.sent, n.at, n.capacity = received, sent, s.At, capacity
	s.Uploads, s.Streams = int(t.uploads.Load()), int(t.streams.Load())
}

// Traffic returns the counters of requests.
func (m *Monitor) Traffic() *Traffic { return m.traffic }

// Network returns the use of the network.
func (m *Monitor) Network() Network {
	view := m.traffic.view()
	m.mu.Lock()
	defer m.mu.Unlock()
	view.Capacity, view.Peak = m.network.capacity, m.network.peak
	return view
}
