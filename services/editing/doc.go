// Package editing edits sound as a stream: a Chain passes blocks of interleaved samples
// through a list of operations. Its memory does not depend on the length of the
// recording; operations that need the whole of it first write it to a temporary file.
package editing
