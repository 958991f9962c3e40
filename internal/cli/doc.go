// Package cli has the commands of grym-synth. It parses the command line, runs
// the command and returns the exit code. What a command needs from the rest of
// the program is a function in Program, so that the package wires nothing.
package cli
