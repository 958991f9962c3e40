package onnx

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/grym-synth/grym-synth/services"
)

// SessionInfo describes an open session.
type SessionInfo struct {
	// Graph is the name of the graph.
	Graph             string
	Inputs, Outputs   []string
	Created, LastUsed time.Time
	// Running is the number of calls in progress, Runs the number of finished ones.
	Running, Runs int64
}

// sessions is the set of open sessions. Safe for concurrent use.
type sessions struct {
	mu   sync.Mutex
	open map[*Session]struct{}
}

func (r *Runtime) enter(s *Session) {
	r.sessions.mu.Lock()
	defer r.sessions.mu.Unlock()
	if r.sessions.open == nil {
		r.sessions.open = make(map[*Session]struct{})
	}
	r.sessions.open[s] = struct{}{}
}

func (r *Runtime) leave(s *Session) {
	r.sessions.mu.Lock()
	defer r.sessions.mu.Unlock()
	delete(r.sessions.open, s)
}

// Sessions returns the open sessions, ordered by graph and age.
func (r *Runtime) Sessions() []SessionInfo {
	r.sessions.mu.Lock()
	defer r.sessions.mu.Unlock()
	list := make([]SessionInfo, 0, len(r.sessions.open))
	for s := range r.sessions.open {
		list = append(list, SessionInfo{
			Graph: s.name, Inputs: s.inputs, Outputs: s.outputs, Created: s.created, LastUsed: time.Unix(0, s.used.Load()),
			Running: s.runs.Load(), Runs: s.done.Load(),
		})
	}
	slices.SortFunc(list, func(a, b SessionInfo) int {
		if c := strings.Compare(a.Graph, b.Graph); c != 0 {
			return c
		}
		return a.Created.Compare(b.Created)
	})
	return list
}

// counted records the start of a run for the session and the task, and returns a
// function that records its end. The number of inputs in a batch is the size of the
// first axis.
func (s *Session) counted(ctx context.Context, in []ort.Value) (end func()) {
	batch := int64(1)
	if len(in) > 0 {
		if shape := in[0].GetShape(); len(shape) > 0 && shape[0] > 0 {
			batch = shape[0]
		}
	}
	services.CountExecution(ctx, batch)
	s.runs.Add(1)
	s.used.Store(time.Now().UnixNano())
	return func() {
		s.runs.Add(-1)
		s.done.Add(1)
		s.used.Store(time.Now().UnixNano())
	}
}
