package services

import (
	"errors"
	"syscall"
)

// IsDiskFull reports whether an error is that of a full disk or an exhausted quota of the
// file system.
func IsDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Unstored returns the fault of something that could not be written to the disk: full if
// there is no space, else of the given kind. The message names what could not be stored.
func Unstored(err error, kind Kind, message string) *Fault {
	if IsDiskFull(err) {
		return &Fault{Kind: KindFull, Message: message + ": the disk is full", Err: err}
	}
	return &Fault{Kind: kind, Message: message, Err: err}
}
