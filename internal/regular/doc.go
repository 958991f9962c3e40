// Package regular opens regular files and nothing else. Opening a named pipe
// blocks until somebody writes to it, and opening a device may do anything, so
// what other people put into a folder is opened here: the kind of the file is
// checked before it is opened and, because it may have been replaced meanwhile,
// again on the descriptor.
package regular
