package batches

import "context"

// SetSealAt sets how many ended items are noted together.
func (m *Manager) SetSealAt(n int) { m.sealAt = n }

// Sweep deletes what is left over.
func (m *Manager) Sweep(ctx context.Context) { m.sweep(ctx, true) }

// Pending returns a fault while it is not known which recordings are needed.
func (m *Manager) Pending() error { return m.pending() }

// Needs returns the recordings that are needed, with their owners.
func (m *Manager) Needs() (list []string) {
	m.needs(func(owner, id, _ string) { list = append(list, owner+" "+id) })
	return list
}
