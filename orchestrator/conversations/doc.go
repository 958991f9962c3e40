// Package conversations stores conversations about recordings, so that they
// outlive the process. What is said in them belongs to the service that leads them.
package conversations
