// Package conversations stores conversations about recordings, so that they outlive the
// process. Their content belongs to the service that conducts them.
package conversations
