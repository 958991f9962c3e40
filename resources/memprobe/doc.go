// Package memprobe reads what memory there is: the control group's limit, the
// machine's size and the process's resident set. It decides nothing.
package memprobe
