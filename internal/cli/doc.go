// Package cli has the commands of grym-synth. It parses the command line, runs the command
// and returns the exit code. Program has the functions that commands need from the rest of
// the program.
package cli
