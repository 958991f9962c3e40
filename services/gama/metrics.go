package gama

import "github.com/grym-synth/grym-synth/services"

// CustomMetrics implements services.Instrumented.
func (s *Service) CustomMetrics() []services.Metric {
	return []services.Metric{
		{Name: "conversations", Help: "Stored conversations.", Read: func() float64 {
			if s.contexts.usable() != nil {
				return 0
			}
			return float64(len(s.contexts.store.StoredContexts()))
		}},
		{Name: "conversation_cached_bytes", Help: "Memory held to speed up follow-up questions.", Read: func() (sum float64) {
			s.contexts.mu.Lock()
			defer s.contexts.mu.Unlock()
			for _, one := range s.contexts.all {
				sum += float64(one.size())
			}
			return sum
		}},
	}
}

var _ services.Instrumented = (*Service)(nil)
