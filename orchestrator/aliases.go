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
	// Name is the alias, Target its target in the settings.
	Name, Target string
	// Service and Model are what it resolves to now; empty if Problem is set.
	Service, Model string
	Problem        string
}

// Aliases returns the aliases sorted by name. An alias with the name of a model has no
// effect and is left out.
func (r *Resolver) Aliases() (list []Alias) {
	all := r.everything()
	for _, name := range slices.Sorted(maps.Keys(all.names.Aliases)) {
		if entry, err := all.find(name); err == nil && entry == nil && all.names.Aliases[name] != "" {
			list = append(list, all.alias(name))
		}
	}
	return list
}

// everything returns a query over all services.
func (r *Resolver) everything() *query {
	return &query{Resolver: r, names: r.names.Load(), candidates: r.registry.List()}
}

// alias resolves an alias. The query is over all services.
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

// Problems returns the conflicts between names of models: names used by two services,
// aliases whose target does not exist or that have no effect, and defaults that do not
// exist. It lists all models.
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
			list = append(list, fmt.Sprintf("models.aliases.%s: has no effect: %s has a model of that name", name, owner))
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

// defaultProblem returns why the default of a task cannot be used, by the services that
// have each model; empty if it can.
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

// listed returns the models of the service, nil if it has none.
func (e *Registration) listed() []services.ModelStatus {
	if host, ok := e.Service.(services.ModelHost); ok {
		return host.Models()
	}
	return nil
}
