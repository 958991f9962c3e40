package orchestrator

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func TestDefaultNames(t *testing.T) {
	t.Parallel()
	c := DefaultNames()
	require.Empty(t, c.Validate())
	require.Empty(t, NamesConfig{}.Validate())
	require.Equal(t, map[string]string{
		"whisper-1": "default:transcribe", "gpt-4o-transcribe": "default:transcribe", "gpt-4o-mini-transcribe": "default:transcribe",
		"gpt-transcribe": "default:transcribe", "gpt-4o-transcribe-diarize": "default:transcribe",
	}, c.Names().Aliases)
	require.Empty(t, c.Names().Defaults)
	c.Aliases["whisper-1"] = "" // removes it
	c.Defaults = TaskDefaults{Transcribe: "a", Embed: "b", Classify: "c", Generate: "d", Ask: "e", Caption: "f"}
	require.Empty(t, c.Validate())
	names := c.Names()
	require.NotContains(t, names.Aliases, "whisper-1")
	require.Len(t, names.Aliases, 4)
	require.Equal(t, map[string]string{"transcribe": "a", "embed": "b", "classify": "c", "generate": "d", "ask": "e",
		"caption": "f"}, names.Defaults)
	require.Contains(t, c.Aliases, "whisper-1", "the settings are not changed")
}

// many returns so many aliases.
func many(n int) map[string]string {
	aliases := make(map[string]string)
	for i := range n {
		aliases[fmt.Sprint("a", i)] = "m"
	}
	return aliases
}

// of returns aliases with their targets.
func of(pairs ...string) map[string]string {
	aliases := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		aliases[pairs[i]] = pairs[i+1]
	}
	return aliases
}

// TestLimitsOfNames has each limit of an alias and of a default, and what is just beyond it.
func TestLimitsOfNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 128)
	for name, c := range map[string]struct {
		cfg  NamesConfig
		want []string
	}{
		"longest name":  {NamesConfig{Aliases: of(long, long)}, []string{"aliases." + long + ": stands for itself"}},
		"name too long": {NamesConfig{Aliases: of(long+"a", "m")}, []string{"aliases." + long + "a: must be 1 to 128 letters"}},
		"target too long": {NamesConfig{Aliases: of("a", long+"a")},
			[]string{"aliases.a: must stand for a model, another alias, or default: and a task"}},
		"most":     {NamesConfig{Aliases: many(maxAliases)}, nil},
		"too many": {NamesConfig{Aliases: many(maxAliases + 1)}, []string{"aliases: must be at most 1000, got 1001"}},
		"chain":    {NamesConfig{Aliases: of("a", "b", "b", "c", "c", "m")}, nil},
		"default":  {NamesConfig{Aliases: of("a", "default:ask")}, nil},
		"unknown task": {NamesConfig{Aliases: of("a", "default:sing")},
			[]string{`aliases.a: task "sing" does not exist or needs no model; available: transcribe, translate, embed`}},
		"itself": {NamesConfig{Aliases: of("a", "a")}, []string{"aliases.a: stands for itself"}},
		"cycle of two": {NamesConfig{Aliases: of("a", "b", "b", "a")},
			[]string{"aliases.a: stands for itself, by way of b", "aliases.b: stands for itself, by way of a"}},
		"cycle of three": {NamesConfig{Aliases: of("a", "b", "b", "c", "c", "a")},
			[]string{"aliases.a: stands for itself, by way of b, c", "aliases.b: stands", "aliases.c: stands"}},
		"into a cycle":  {NamesConfig{Aliases: of("x", "a", "a", "a")}, []string{"aliases.a: stands for itself"}},
		"default model": {NamesConfig{Defaults: TaskDefaults{Ask: "m"}}, nil},
		"bad default": {NamesConfig{Defaults: TaskDefaults{Ask: "../m"}},
			[]string{`defaults.ask: must be the name of a model or an alias, got "../m"`}},
		"default by alias": {NamesConfig{Aliases: of("a", "b", "b", "m"), Defaults: TaskDefaults{Ask: "a"}}, nil},
		"default of itself": {NamesConfig{Aliases: of("a", "default:ask"), Defaults: TaskDefaults{Ask: "a"}},
			[]string{"defaults.ask: a stands for default:ask, the default itself"}},
		"of another": {
			NamesConfig{Aliases: of("x", "a", "a", "default:embed"), Defaults: TaskDefaults{Ask: "x"}},
			[]string{"defaults.ask: x stands for default:embed; name a model"},
		},
		"default in a cycle": {
			NamesConfig{Aliases: of("a", "b", "b", "a"), Defaults: TaskDefaults{Ask: "a"}},
			[]string{"aliases.a: stands for itself, by way of b", "aliases.b: stands for itself, by way of a"},
		},
	} {
		errs := c.cfg.Validate()
		require.Len(t, errs, len(c.want), "%s: %v", name, errs)
		for i, want := range c.want {
			require.ErrorContains(t, errs[i], want, name)
		}
		for _, alias := range []string{"a", "x"} { // none may loop for ever
			r := shelves(t, c.cfg.Names())
			_, _ = r.Resolve("transcribe", alias)
			r.Aliases()
			r.Problems()
		}
	}
}

// TestDefaultsOfTheSettingsAreFollowed has defaults that are aliases, of other services, or of
// nothing.
func TestDefaultsOfTheSettingsAreFollowed(t *testing.T) {
	t.Parallel()
	r := shelves(t, Names{
		Aliases:  map[string]string{"big": "ctc-large", "circle": "default:speak", "w-tiny": "v-tiny", "loop": "pool", "pool": "loop"},
		Defaults: map[string]string{"transcribe": "big", "speak": "circle", "translate": "w-tiny", "embed": "both", "convert": "loop"},
	})
	for task, want := range map[string]Resolution{
		"transcribe": {Service: "ctc", Model: "ctc-large", Default: true},
		"translate":  {Service: "whisper", Model: "w-tiny", Default: true}, // a model precedes an alias of its name
	} {
		got, err := r.Resolve(task, "")
		require.NoError(t, err, task)
		require.Equal(t, want, got)
	}
	for task, says := range map[string]string{"speak": "stands for a default itself", "convert": "stands for itself"} {
		_, err := r.Resolve(task, "")
		var fault *services.Fault
		require.ErrorAs(t, err, &fault, task)
		require.Equal(t, services.KindNotFound, fault.Kind)
		require.Contains(t, fault.Detail(), says)
	}
	model, err := r.Model(services.Task{Name: "transcribe"})
	require.NoError(t, err)
	require.Equal(t, "ctc-large", model)
	model, err = r.Model(services.Task{Name: "transcribe", Model: "w-tiny"})
	require.NoError(t, err)
	require.Equal(t, "w-tiny", model)
	for _, task := range []services.Task{{Name: "sing"}, {Service: "nobody", Name: "transcribe"}, {Name: "transcribe", Model: "none"}} {
		_, err = r.Model(task)
		require.Error(t, err)
	}
	require.Nil(t, mustLookup(t, r, "files").listed())
	r.Configure(Names{})
	got, err := r.Resolve("transcribe", "")
	require.NoError(t, err)
	require.Equal(t, "ctc-tiny", got.Model, "later tasks follow the new settings")
}

func mustLookup(t *testing.T, r *Resolver, name string) *Registration {
	t.Helper()
	entry, err := r.registry.Lookup(name)
	require.NoError(t, err)
	return entry
}

func TestTheRegistry(t *testing.T) {
	t.Parallel()
	registry := NewRegistry(slog.New(slog.DiscardHandler))
	registry.Register(&echo{}, passGuard{}, nil)
	require.PanicsWithValue(t, "service echo is registered twice", func() { registry.Register(&echo{}, passGuard{}, nil) })
	_, err := registry.Lookup("nobody")
	require.EqualError(t, err, `service "nobody" does not exist; available: echo`)
	entry, err := registry.Lookup("echo")
	require.NoError(t, err)
	require.Nil(t, entry.Models())
	entry.Prune()
	require.Empty(t, entry.Units())
}
