// Package command has what the command line does beside serving: it prints the
// configuration and the version, asks a server for its health, and transcribes
// files. It is given what it works with, and wires nothing.
package command
