//go:build !linux

package e2e

// faultsOfSystem returns the faults that only Linux has.
func faultsOfSystem() []hardeningFault { return nil }
