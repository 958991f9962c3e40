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
	ExitMisuse  = 2 // the command line makes no sense
)

// name of the program, as it is typed.
const name = "grym-synth"

// Executor runs tasks; the orchestrator implements it.
type Executor interface {
	Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error)
}

// Settings are what the command line says about the configuration.
type Settings struct {
	// File is a YAML file; empty for none.
	File string
	// Values given by flags, by configuration key.
	Values map[string]string
}

// Streams are the standard streams.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Program is what the commands need from the rest. All fields are required.
type Program struct {
	// Version is one line that names the build.
	Version string
	// APIKey and APIKeyFile are for another server, from the environment; empty
	// where there is none.
	APIKey, APIKeyFile string
	// Serve runs the server until ctx ends. forget makes the next signal end the
	// process at once.
	Serve func(ctx context.Context, forget func(), settings Settings) error
	// WriteConfig prints every setting in force, with its origin if asked.
	WriteConfig func(settings Settings, origins bool, out io.Writer) error
	// Listen returns the address that a server with these settings listens on.
	Listen func(Settings) (string, error)
	// Keys returns the store of API keys.
	Keys func(Settings) (*access.Store, error)
	// OpenExecutor returns what runs tasks in this process, and a function that
	// closes it.
	OpenExecutor func(Settings) (Executor, func(context.Context) error, error)
}

// misuse is a command line that makes no sense.
type misuse struct{ text string }

func (m *misuse) Error() string { return m.text }

func misusef(format string, args ...any) error { return &misuse{fmt.Sprintf(format, args...)} }

// Main runs the command that args name and returns the exit code. Errors go to
// streams.Err. forget is called when ctx ends: the next signal should then end the
// process at once.
func Main(ctx context.Context, forget func(), args []string, streams Streams, program Program) int {
	defer context.AfterFunc(ctx, forget)()
	root := newRoot(&program, forget, streams)
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
