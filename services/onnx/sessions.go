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
	// Graph's name, as in Graph.
	Graph             string
	Inputs, Outputs   []string
	Created, LastUsed time.Time
	// Running are the runs at work, Runs those that ended.
	Running, Runs int64
}

// sessions are those that are open. Safe for concurrent use.
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

// Sessions lists those that are open, ordered by graph and age.
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

// counted notes the beginning of a run with the session and the task, and gives
// what notes its end. The inputs of a batch are along the first axis.
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
