package gama

import "github.com/grym-synth/grym-synth/services"

// CustomMetrics implements services.Instrumented.
func (s *Service) CustomMetrics() []services.Metric {
	count := func(figure func(*conversation) float64) func() float64 {
		return func() (sum float64) {
			s.contexts.mu.Lock()
			defer s.contexts.mu.Unlock()
			for _, one := range s.contexts.all {
				sum += figure(one)
			}
			return sum
		}
	}
	return []services.Metric{
		{Name: "conversations", Help: "Conversations that are kept.", Read: count(func(*conversation) float64 { return 1 })},
		{Name: "conversation_cached_bytes", Help: "Memory that makes follow-up questions quick.", Read: count(func(one *conversation) float64 { return float64(one.size()) })},
	}
}

var _ services.Instrumented = (*Service)(nil)
