package orchestrator

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// shelf is a service of which only its description and its models matter.
type shelf struct {
	services.ModelService
	services.ModelHost
	name, defaultModel string
	tasks, models      []string
}

func (s shelf) Describe() services.Description {
	d := services.Description{Name: s.name, DefaultModel: s.defaultModel}
	for _, task := range s.tasks {
		d.Tasks = append(d.Tasks, services.TaskKind{Name: task})
	}
	return d
}

func (s shelf) Models() (list []services.ModelStatus) {
	for _, name := range s.models {
		list = append(list, services.ModelStatus{Name: name, State: services.StateReady, Bytes: 7})
	}
	return list
}

// finder is a shelf that looks for one model by its name, and cannot read one.
type finder struct{ shelf }

var errUnreadable = errors.New("a file is no file")

func (f finder) HasModel(name string) (bool, error) {
	if name == "broken" {
		return false, errUnreadable
	}
	for _, model := range f.models {
		if model == name {
			return true, nil
		}
	}
	return false, nil
}

// converter is a service without models.
type converter struct{ services.ModelService }

func (converter) Describe() services.Description {
	return services.Description{Name: "files", Tasks: []services.TaskKind{{Name: "convert"}}}
}

// shelves has two services that transcribe, one that speaks, and one without models.
func shelves(t *testing.T, names Names) *Resolver {
	t.Helper()
	registry := NewRegistry(slog.New(slog.DiscardHandler))
	for _, service := range []services.ModelService{
		finder{shelf{name: "ctc", defaultModel: "ctc-tiny", tasks: []string{"transcribe", "embed"}, models: []string{"ctc-tiny", "ctc-large", "both"}}},
		shelf{name: "whisper", defaultModel: "w-tiny", tasks: []string{"transcribe", "translate"}, models: []string{"w-tiny", "both"}},
		shelf{name: "voice", defaultModel: "v-tiny", tasks: []string{"speak"}, models: []string{"v-tiny"}},
		converter{},
	} {
		registry.Register(service, nil)
	}
	r := NewResolver(registry)
	r.Configure(names)
	return r
}

// aliases of the tests.
var aliases = map[string]string{
	"whisper-1": "default:transcribe", "big": "ctc-large", "bigger": "big", "w-tiny": "ctc-large", "lost": "nothing", "speaker": "v-tiny",
	"round": "about", "about": "round",
}

func TestAModelIsFoundByItsName(t *testing.T) {
	t.Parallel()
	r := shelves(t, Names{Aliases: aliases, Defaults: map[string]string{"translate": "bigger"}})
	for name, c := range map[string]struct {
		task, model string
		want        Resolution
	}{
		"own":                        {"transcribe", "ctc-large", Resolution{Service: "ctc", Model: "ctc-large"}},
		"of the other service":       {"transcribe", "w-tiny", Resolution{Service: "whisper", Model: "w-tiny"}},
		"no name":                    {"transcribe", "", Resolution{Service: "ctc", Model: "ctc-tiny", Default: true}},
		"no name for another task":   {"speak", "", Resolution{Service: "voice", Model: "v-tiny", Default: true}},
		"no model at all":            {"convert", "", Resolution{Service: "files", Default: true}},
		"alias of the default":       {"transcribe", "whisper-1", Resolution{Service: "ctc", Model: "ctc-tiny", Alias: "whisper-1", Default: true}},
		"alias of another's default": {"embed", "whisper-1", Resolution{Service: "ctc", Model: "ctc-tiny", Alias: "whisper-1"}},
		"alias":                      {"transcribe", "big", Resolution{Service: "ctc", Model: "ctc-large", Alias: "big"}},
		"alias of an alias":          {"transcribe", "bigger", Resolution{Service: "ctc", Model: "ctc-large", Alias: "bigger"}},
		"of a service without task":  {"transcribe", "v-tiny", Resolution{Service: "ctc", Model: "v-tiny"}},
		"unreadable":                 {"transcribe", "broken", Resolution{Service: "ctc", Model: "broken"}},
		"both where one can":         {"translate", "both", Resolution{Service: "whisper", Model: "both"}},
	} {
		got, err := r.Resolve(c.task, c.model)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
}

func TestANameThatStandsForNothingIsRefused(t *testing.T) {
	t.Parallel()
	r := shelves(t, Names{Aliases: aliases, Defaults: map[string]string{"speak": "gone"}})
	for name, c := range map[string]struct {
		task, model string
		kind        services.Kind
		says        string
	}{
		"unknown":             {"transcribe", "none", services.KindNotFound, `model "none" does not exist; there is ctc-tiny, ctc-large, both, w-tiny, and as other names big, bigger, whisper-1`},
		"unknown voice":       {"speak", "none", services.KindNotFound, `model "none" does not exist; there is v-tiny, and as other names speaker`},
		"no model":            {"convert", "none", "", ""},
		"bad name":            {"transcribe", "../ctc-tiny", services.KindNotFound, `model "../ctc-tiny" does not exist`},
		"alias of nothing":    {"transcribe", "lost", services.KindNotFound, `model "lost" stands for "nothing", which does not exist`},
		"circle":              {"transcribe", "round", services.KindNotFound, `model "round" stands for itself`},
		"of two services":     {"transcribe", "both", services.KindInvalid, "model \"both\" is a model of ctc and of whisper; names must be unique"},
		"unknown task":        {"sing", "", services.KindInvalid, "task must be transcribe, embed, translate, speak, convert, got \"sing\""},
		"a default that went": {"speak", "", services.KindNotFound, `model is not given, and models.defaults.speak is "gone", which does not exist`},
	} {
		_, err := r.Resolve(c.task, c.model)
		require.Equal(t, c.kind, services.KindOf(err), name)
		if c.says == "" {
			continue // the service says so
		}
		var fault *services.Fault
		require.ErrorAs(t, err, &fault)
		require.Truef(t, strings.HasPrefix(fault.Detail(), c.says), "%s: %s", name, fault.Detail())
	}
}

func TestOneAliasIsListedToo(t *testing.T) {
	t.Parallel()
	for target, says := range map[string]string{"default:transcribe": ", and as other names a", "v-tiny": "", "nothing": ""} {
		_, err := shelves(t, Names{Aliases: map[string]string{"a": target}}).Resolve("translate", "none")
		var fault *services.Fault
		require.ErrorAs(t, err, &fault)
		require.Equal(t, `model "none" does not exist; there is w-tiny, both`+says, fault.Detail())
	}
}

func TestATaskIsBoundToItsModel(t *testing.T) {
	t.Parallel()
	r := shelves(t, Names{Aliases: aliases, Defaults: map[string]string{"transcribe": "w-tiny", "speak": "v-tiny"}})
	for name, c := range map[string]struct{ task, want services.Task }{
		"default of the settings": {services.Task{Name: "transcribe"}, services.Task{Service: "whisper", Name: "transcribe", DefaultModel: "w-tiny"}},
		"alias of it":             {services.Task{Name: "transcribe", Model: "whisper-1"}, services.Task{Service: "whisper", Name: "transcribe", DefaultModel: "w-tiny"}},
		"default of the service":  {services.Task{Name: "embed"}, services.Task{Service: "ctc", Name: "embed"}},
		"alias":                   {services.Task{Name: "transcribe", Model: "big"}, services.Task{Service: "ctc", Name: "transcribe", Model: "ctc-large"}},
		// With a service, the default is its own unless the settings name one of its models.
		"service":             {services.Task{Service: "ctc", Name: "transcribe"}, services.Task{Service: "ctc", Name: "transcribe"}},
		"service and default": {services.Task{Service: "voice", Name: "speak"}, services.Task{Service: "voice", Name: "speak", DefaultModel: "v-tiny"}},
		"service and alias":   {services.Task{Service: "ctc", Name: "embed", Model: "big"}, services.Task{Service: "ctc", Name: "embed", Model: "ctc-large"}},
		"service and both":    {services.Task{Service: "ctc", Name: "transcribe", Model: "both"}, services.Task{Service: "ctc", Name: "transcribe", Model: "both"}},
	} {
		got, err := r.Bind(c.task)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
	got, err := r.Bind(services.Task{Service: "ctc", Name: "transcribe", Model: "speaker"})
	require.ErrorContains(t, err, `model "speaker" stands for "v-tiny", which is not a model of ctc`)
	require.Equal(t, "ctc", got.Service)
	got, err = r.Bind(services.Task{Name: "transcribe", Model: "none"})
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	require.Equal(t, "ctc", got.Service, "who would have done it is counted")
	_, err = r.Bind(services.Task{Service: "nobody", Name: "transcribe"})
	require.Equal(t, services.KindNotFound, services.KindOf(err))
}

// TestAliasesAreListedAndLookedAfter compares aliases with the models there are.
func TestAliasesAreListedAndLookedAfter(t *testing.T) {
	t.Parallel()
	r := shelves(t, Names{Aliases: aliases, Defaults: map[string]string{"speak": "gone", "embed": "big", "translate": "speaker"}})
	listed := make(map[string]string)
	for _, alias := range r.Aliases() {
		listed[alias.Name] = alias.Service + " " + alias.Model
		require.Equal(t, alias.Problem == "", alias.Model != "", alias.Name)
	}
	require.Equal(t, map[string]string{
		"whisper-1": "ctc ctc-tiny", "big": "ctc ctc-large", "bigger": "ctc ctc-large", "speaker": "voice v-tiny", "lost": " ", "round": " ", "about": " ",
	}, listed, "the alias of a model's name is of no effect")
	require.Equal(t, []string{
		`model "both" is one of ctc and of whisper: names must be unique`,
		`models.aliases.about: stands for itself`,
		`models.aliases.lost: stands for "nothing", which does not exist`,
		`models.aliases.round: stands for itself`,
		`models.aliases.w-tiny: has no effect: there is a model of that name, of whisper`,
		`models.defaults.speak: is "gone", which does not exist`,
		`models.defaults.translate: is "speaker", a model of voice, which does not take the task`,
	}, r.Problems())
}
