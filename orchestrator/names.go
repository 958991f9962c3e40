package orchestrator

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// maxAliases bounds the aliases of the settings.
const maxAliases = 1000

// NamesConfig holds the settings of model names. They can change while the server runs.
type NamesConfig struct {
	// Aliases are further names of models, by alias. A target is a model's name, another
	// alias, or DefaultOf and a task; an empty one removes the alias. Default to OpenAI's
	// names of transcription models, each for the default of transcribe.
	Aliases map[string]string `koanf:"aliases"`
	// Defaults are the models of tasks that name none.
	Defaults TaskDefaults `koanf:"defaults"`
}

// TaskDefaults has a model, or an alias of one, for each task that needs a model. Empty
// means the default model of the first service with the task.
type TaskDefaults struct {
	Transcribe string `koanf:"transcribe"`
	Translate  string `koanf:"translate"`
	Embed      string `koanf:"embed"`
	Classify   string `koanf:"classify"`
	Generate   string `koanf:"generate"`
	Ask        string `koanf:"ask"`
	Caption    string `koanf:"caption"`
}

// DefaultNames returns the defaults.
func DefaultNames() NamesConfig {
	c := NamesConfig{Aliases: make(map[string]string)}
	for _, name := range []string{"whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-transcribe", "gpt-4o-transcribe-diarize"} {
		c.Aliases[name] = DefaultOf + tasks.Transcribe
	}
	return c
}

// taskDefault is the default of one task.
type taskDefault struct{ task, model string }

func (d TaskDefaults) list() []taskDefault {
	return []taskDefault{
		{tasks.Transcribe, d.Transcribe}, {tasks.Translate, d.Translate}, {tasks.Embed, d.Embed}, {tasks.Classify, d.Classify},
		{tasks.Generate, d.Generate}, {tasks.Ask, d.Ask}, {tasks.Caption, d.Caption},
	}
}

// Names returns the settings as Resolver.Configure takes them.
func (c NamesConfig) Names() Names {
	names := Names{Aliases: maps.Clone(c.Aliases), Defaults: make(map[string]string)}
	maps.DeleteFunc(names.Aliases, func(_, target string) bool { return target == "" })
	for _, d := range c.Defaults.list() {
		if d.model != "" {
			names.Defaults[d.task] = d.model
		}
	}
	return names
}

// Validate returns an error for every invalid value, with its key relative to this
// section. It does not check whether the models exist, because folders can be added and
// removed.
func (c NamesConfig) Validate() (errs []error) {
	names := c.Names()
	if n := len(names.Aliases); n > maxAliases {
		errs = append(errs, fmt.Errorf("aliases: must be at most %d, got %d", maxAliases, n))
	}
	for _, alias := range slices.Sorted(maps.Keys(names.Aliases)) {
		if err := names.check(alias); err != nil {
			errs = append(errs, fmt.Errorf("aliases.%s: %w", alias, err))
		}
	}
	for _, d := range c.Defaults.list() {
		if d.model == "" {
			continue
		}
		if err := names.checkDefault(d); err != nil {
			errs = append(errs, fmt.Errorf("defaults.%s: %w", d.task, err))
		}
	}
	return errs
}

// check validates an alias.
func (n Names) check(alias string) error {
	if !services.IsModelName(alias) {
		return errors.New("must be 1 to 128 letters, digits, '.', '_' or '-', the first one a letter or digit")
	}
	target := n.Aliases[alias]
	if task, isDefault := strings.CutPrefix(target, DefaultOf); isDefault {
		return checkTask(task)
	}
	if !services.IsModelName(target) {
		return fmt.Errorf("must stand for a model, another alias, or %s and a task, got %.140q", DefaultOf, target)
	}
	way := []string{alias}
	for ; n.Aliases[target] != ""; target = n.Aliases[target] {
		if target == alias && len(way) == 1 {
			return errors.New("stands for itself")
		}
		if target == alias {
			return fmt.Errorf("stands for itself, by way of %s", strings.Join(way[1:], ", "))
		}
		if slices.Contains(way, target) {
			return nil // it leads into a cycle, which its members report
		}
		way = append(way, target)
	}
	return nil
}

func checkTask(task string) error {
	var known []string
	for _, d := range (TaskDefaults{}).list() {
		known = append(known, d.task)
	}
	if !slices.Contains(known, task) {
		return fmt.Errorf("task %.64q does not exist or needs no model; available: %s", task, strings.Join(known, ", "))
	}
	return nil
}

// checkDefault validates the default of a task.
func (n Names) checkDefault(d taskDefault) error {
	if !services.IsModelName(d.model) {
		return fmt.Errorf("must be the name of a model or an alias, got %.140q", d.model)
	}
	target := d.model
	for range len(n.Aliases) + 1 {
		next := n.Aliases[target]
		if next == "" {
			break
		}
		target = next
	}
	switch task, isDefault := strings.CutPrefix(target, DefaultOf); {
	case isDefault && task == d.task:
		return fmt.Errorf("%s stands for %s, the default itself", d.model, target)
	case isDefault:
		return fmt.Errorf("%s stands for %s; name a model", d.model, target)
	}
	return nil
}
