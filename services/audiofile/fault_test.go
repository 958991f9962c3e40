package audiofile

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// brokenFormat matches fmt's output for mismatched verbs and values. A chunk's name in
// a message may resemble its beginning.
var brokenFormat = regexp.MustCompile(`%!(.\((\w+=|MISSING|BADINDEX)|\((EXTRA|NOVERB|BADWIDTH|BADPREC))`)

func requireSendersFault(t *testing.T, err error) {
	t.Helper()
	var fault *services.Fault
	require.ErrorAs(t, err, &fault)
	require.Contains(t, []services.Kind{services.KindInvalid, services.KindUnsupported, services.KindTooLarge}, fault.Kind)
	require.NotEmpty(t, fault.Fields)
	require.NotRegexp(t, brokenFormat, fault.Detail())
	if fault.Err == nil || !strings.Contains(fault.Err.Error(), "panic:") {
		return
	}
	// The frame that panicked is the first one below those of the runtime.
	_, stack, _ := strings.Cut(fault.Err.Error(), "panic(")
	for _, line := range strings.Split(stack, "\n") {
		if strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "runtime.") || !strings.Contains(line, "/") {
			continue
		}
		if strings.Contains(line, "/services/audiofile.") {
			t.Fatalf("our own panic: %v", fault.Err)
		}
		return
	}
}
