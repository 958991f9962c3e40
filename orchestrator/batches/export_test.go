package batches

import "context"

// SetSealAt sets how many ended items are noted together.
func (m *Manager) SetSealAt(n int) { m.sealAt = n }

// Sweep deletes what is left over.
func (m *Manager) Sweep(ctx context.Context) { m.sweep(ctx, true) }
