//go:build !linux && !darwin

package hub

import "errors"

// exchange returns an error: this system cannot exchange two folders in one step.
func exchange(string, string) error { return errors.ErrUnsupported }
