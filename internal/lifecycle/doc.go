// Package lifecycle starts and stops the parts of the server in the order of a list.
package lifecycle
