package orchestrator

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// Alias is a further name of a model.
type Alias struct {
	// Name is the alias, Target what the settings say that it stands for.
	Name, Target string
	// Service and Model are what it stands for now; empty where Problem says why not.
	Service, Model string
	Problem        string
}

// Aliases returns the aliases by name. One of which there is a model of the same name has
// no effect and is left out.
func (r *Resolver) Aliases() (list []Alias) {
	all := r.everything()
	for _, name := range slices.Sorted(maps.Keys(all.names.Aliases)) {
		if entry, err := all.find(name); err == nil && entry == nil && all.names.Aliases[name] != "" {
			list = append(list, all.alias(name))
		}
	}
	return list
}

// everything is a query over all services.
func (r *Resolver) everything() *query {
	return &query{Resolver: r, names: r.names.Load(), candidates: r.registry.List()}
}

// alias returns what an alias stands for. The query is over all services.
func (q *query) alias(name string) Alias {
	alias := Alias{Name: name, Target: q.names.Aliases[name]}
	target, err := q.follow(name)
	if err != nil {
		alias.Problem = "stands for itself"
		return alias
	}
	var found Resolution
	if task, isDefault := strings.CutPrefix(target, DefaultOf); isDefault {
		found, err = q.Resolve(task, "")
	} else {
		var entry *Registration
		entry, err = q.find(target)
		found = resolution(entry, target)
	}
	switch {
	case err != nil:
		alias.Problem = fmt.Sprintf("stands for %q: %v", alias.Target, err)
	case found.Model == "":
		alias.Problem = fmt.Sprintf("stands for %q, which does not exist", target)
	default:
		alias.Service, alias.Model = found.Service, found.Model
	}
	return alias
}

// Problems lists what is wrong with the names of models: those of two services, aliases
// that stand for nothing or have no effect, and defaults that do not exist. It looks at
// all models.
func (r *Resolver) Problems() (list []string) {
	owners := make(map[string][]string)
	for _, entry := range r.registry.List() {
		for _, m := range entry.listed() {
			owners[m.Name] = append(owners[m.Name], entry.Name())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(owners)) {
		if len(owners[name]) > 1 {
			list = append(list, fmt.Sprintf("model %q is one of %s: names must be unique", name, strings.Join(owners[name], " and of ")))
		}
	}
	all := r.everything()
	for _, name := range slices.Sorted(maps.Keys(all.names.Aliases)) {
		if of := owners[name]; len(of) > 0 {
			owner := strings.Join(of, " and of ")
			list = append(list, fmt.Sprintf("models.aliases.%s: has no effect: there is a model of that name, of %s", name, owner))
		} else if problem := all.alias(name).Problem; problem != "" {
			list = append(list, fmt.Sprintf("models.aliases.%s: %s", name, problem))
		}
	}
	for _, task := range slices.Sorted(maps.Keys(all.names.Defaults)) {
		if problem := all.defaultProblem(task, owners); problem != "" {
			list = append(list, fmt.Sprintf("models.defaults.%s: %s", task, problem))
		}
	}
	return list
}

// defaultProblem returns what is wrong with the default of a task, by the services that
// have each model; empty for nothing.
func (q *query) defaultProblem(task string, owners map[string][]string) string {
	name := q.names.Defaults[task]
	of := owners[name]
	if len(of) == 0 && q.names.Aliases[name] != "" {
		if alias := q.alias(name); alias.Problem == "" {
			of = []string{alias.Service}
		}
	}
	if len(of) == 0 {
		return fmt.Sprintf("is %q, which does not exist", name)
	}
	for _, entry := range q.candidates {
		if slices.Contains(of, entry.Name()) && entry.takes(task) {
			return ""
		}
	}
	return fmt.Sprintf("is %q, a model of %s, which does not take the task", name, strings.Join(of, " and of "))
}

// listed returns the models that the service lists, nil for none.
func (e *Registration) listed() []services.ModelStatus {
	if host, ok := e.Service.(services.ModelHost); ok {
		return host.Models()
	}
	return nil
}
