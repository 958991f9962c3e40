// Package regular opens only regular files. Opening a named pipe blocks until it has a
// writer, and opening a device can have side effects, so files from untrusted folders are
// opened with this package: the type of the file is checked before it is opened and,
// because it may have been replaced in between, again on the descriptor.
package regular
