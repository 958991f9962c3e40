package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/term"

	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/services"
)

// Exit codes.
const (
	ExitOK      = 0
	ExitFailure = 1
	ExitMisuse  = 2 // invalid command line
)

// name is the name of the program on the command line.
const name = "grym-synth"

// Executor runs tasks; the orchestrator implements it.
type Executor interface {
	Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error)
}

// Settings are the configuration settings on the command line.
type Settings struct {
	// File is a YAML file; empty for none.
	File string
	// Values are the values of flags, by configuration key.
	Values map[string]string
}

// Streams are the standard streams.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Program has what the commands need from the rest of the program. All fields are required.
type Program struct {
	// Version is a line that identifies the build.
	Version string
	// APIKey and APIKeyFile are for another server, from the environment; "" if they are
	// not set.
	APIKey, APIKeyFile string
	// Serve runs the server until ctx ends. restoreSignals restores default signal
	// handling, so a second signal kills the process.
	Serve func(ctx context.Context, restoreSignals func(), settings Settings) error
	// WriteConfig prints every setting in force, with its origin if asked.
	WriteConfig func(settings Settings, origins bool, out io.Writer) error
	// Listen returns the address that a server with these settings listens on.
	Listen func(Settings) (string, error)
	// Keys returns the store of API keys.
	Keys func(Settings) (*access.Store, error)
	// Store returns the tools for the data folder.
	Store func(Settings) (StoreTools, error)
	// Models returns the tools for the models folder.
	Models func(Settings) (ModelTools, error)
	// OpenExecutor returns an executor in this process, and a function that closes it.
	OpenExecutor func(Settings) (Executor, func(context.Context) error, error)
}

// misuse is the error of an invalid command line.
type misuse struct{ text string }

func (m *misuse) Error() string { return m.text }

func misusef(format string, args ...any) error { return &misuse{fmt.Sprintf(format, args...)} }

// Main runs the command in args and returns the exit code. Errors are written to
// streams.Err. restoreSignals is called when ctx ends, so that a second signal kills the
// process.
func Main(ctx context.Context, restoreSignals func(), args []string, streams Streams, program Program) int {
	defer context.AfterFunc(ctx, restoreSignals)()
	root := newRoot(&program, restoreSignals, streams)
	root.SetArgs(doubleDashes(root, args))
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	fmt.Fprintf(streams.Err, "%s: %v\n", name, err)
	var m *misuse
	if errors.As(err, &m) {
		fmt.Fprintf(streams.Err, "Run \"%s --help\" for the usage.\n", command.CommandPath())
		return ExitMisuse
	}
	return ExitFailure
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	file, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(file.Fd()))
}
