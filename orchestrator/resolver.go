package orchestrator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// DefaultOf begins the target of an alias that stands for the default model of a task,
// as "default:transcribe".
const DefaultOf = "default:"

// Names are the settings by which models are found.
type Names struct {
	// Aliases are further names of models. A target is a model's name, another alias,
	// or DefaultOf and a task.
	Aliases map[string]string
	// Defaults are the models of tasks that name none, by task. Without one, the first
	// service with the task chooses.
	Defaults map[string]string
}

// Resolver finds the service and the model of a task. Safe for concurrent use.
type Resolver struct {
	registry *Registry
	names    atomic.Pointer[Names]
}

// NewResolver returns a resolver over the services of the registry and their models. The
// maps of names must not be changed any more.
func NewResolver(registry *Registry, names Names) *Resolver {
	r := &Resolver{registry: registry}
	r.Configure(names)
	return r
}

// Configure sets the names for later tasks. The maps must not be changed afterwards.
func (r *Resolver) Configure(names Names) { r.names.Store(&names) }

// Resolution is what a model's name resolves to.
type Resolution struct {
	Service string
	// Model is the service's name of the model; empty for a service without models.
	Model string
	// Alias is the requested name if it is not the model's own.
	Alias string
	// Default reports that no model was named, by the request or its alias, so that a
	// service may choose another one, such as a conversation's.
	Default bool
}

// Resolve returns the service and the model of a task, by the model's name: that of a
// folder, else of an embedded model, else an alias; an empty name means the task's
// default. The faults name the fields model and task, and list what is available.
func (r *Resolver) Resolve(task, name string) (Resolution, error) {
	q := r.query("", task)
	return q.resolve(name)
}

// Bind returns the task with its service and model as Resolve finds them; a task with a
// service is resolved among that service's models. The service is also set if the error
// is about the model.
func (r *Resolver) Bind(task services.Task) (services.Task, error) {
	q := r.query(task.Service, task.Name)
	q.binds, q.params = true, task.Params
	if task.Service != "" {
		if _, err := r.registry.Lookup(task.Service); err != nil {
			return task, err
		}
	} else if len(q.candidates) > 0 {
		task.Service = q.candidates[0].Name()
	}
	found, err := q.resolve(task.Model)
	if err != nil {
		return task, err
	}
	task.Service, task.Model, task.DefaultModel = found.Service, found.Model, ""
	if found.Default {
		task.Model, task.DefaultModel = "", q.configured
	}
	return task, nil
}

// Model returns the model that the task will run on, if that is known before it runs;
// empty for a service without models.
func (r *Resolver) Model(task services.Task) (string, error) {
	task, err := r.Bind(task)
	if err != nil {
		return "", err
	}
	entry, err := r.registry.Lookup(task.Service)
	if err != nil {
		return "", err
	}
	return entry.modelOf(task), nil
}

// query is one lookup of a model.
type query struct {
	*Resolver
	names *Names
	task  string
	// service is the requested one, empty for any.
	service string
	// candidates are the services that may do the task.
	candidates []*Registration
	// configured is the task's default model in the settings.
	configured string
	// binds leaves the choice of a default model to the service.
	binds bool
	// params are those of the task that is bound.
	params json.RawMessage
}

func (r *Resolver) query(service, task string) *query {
	q := &query{Resolver: r, names: r.names.Load(), service: service, task: task}
	for _, entry := range r.registry.List() {
		if service == entry.Name() || service == "" && entry.takes(task) {
			q.candidates = append(q.candidates, entry)
		}
	}
	return q
}

// takes reports whether the service has the task.
func (e *Registration) takes(task string) bool {
	return slices.ContainsFunc(e.description.Tasks, func(kind services.TaskKind) bool { return kind.Name == task })
}

func (q *query) resolve(name string) (Resolution, error) {
	if len(q.candidates) == 0 {
		return Resolution{}, q.noTask()
	}
	if name == "" {
		return q.byDefault()
	}
	if !slices.ContainsFunc(q.candidates, (*Registration).hasModels) {
		return resolution(q.candidates[0], name), nil // for the service to judge
	}
	entry, err := q.find(name)
	if err != nil || entry != nil {
		return resolution(entry, name), err
	}
	target, err := q.follow(name)
	if err != nil {
		return Resolution{}, err
	}
	found := Resolution{}
	if task, isDefault := strings.CutPrefix(target, DefaultOf); isDefault && q.isAbout(task) {
		found, err = q.byDefault()
	} else {
		found, err = q.byTarget(name, target)
	}
	found.Alias = name
	return found, err
}

// isAbout reports whether the default of a task is that of the query. OpenAI's clients name
// the same models for translations as for transcriptions, so that an alias of the default of
// the latter stands for both.
func (q *query) isAbout(task string) bool {
	return task == q.task || task == tasks.Transcribe && q.task == tasks.Translate
}

func resolution(entry *Registration, model string) Resolution {
	if entry == nil {
		return Resolution{}
	}
	return Resolution{Service: entry.Name(), Model: model}
}

// byTarget returns the model that an alias resolves to.
func (q *query) byTarget(alias, target string) (Resolution, error) {
	if task, isDefault := strings.CutPrefix(target, DefaultOf); isDefault {
		found, err := q.Resolve(task, "")
		if err != nil {
			return Resolution{}, err
		}
		target = found.Model
	}
	entry, err := q.find(target)
	if err != nil {
		return Resolution{}, err
	}
	if entry == nil {
		return Resolution{}, missing(fmt.Sprintf("%q stands for %q, which does not exist; %s", alias, target, q.there()))
	}
	if q.service != "" && !entry.lists(target) {
		return Resolution{}, services.Invalidf("model",
			"%q stands for %q, which is not a model of %s; leave service out, or name one of its models", alias, target, q.service)
	}
	return resolution(entry, target), nil
}

func (e *Registration) hasModels() bool {
	_, ok := e.Service.(services.ModelHost)
	return ok
}

// lists reports whether the service has the model, or may have it because its files
// cannot be read.
func (e *Registration) lists(name string) bool {
	has, err := e.HasModel(name)
	return has || err != nil
}

// byDefault returns the model of a task that names none.
func (q *query) byDefault() (Resolution, error) {
	entry := q.suitable()
	if name := q.names.Defaults[q.task]; name != "" {
		target, err := q.followDefault(name)
		if err != nil {
			return Resolution{}, err
		}
		named, err := q.find(target)
		if err != nil {
			return Resolution{}, err
		}
		if named == nil {
			problem := "is not given, and models.defaults.%s is %q, which does not exist; %s"
			return Resolution{}, missing(fmt.Sprintf(problem, q.task, name, q.there()))
		}
		// The default may belong to another service than the requested one.
		if q.service == "" || named.lists(target) {
			entry, q.configured = named, target
		}
	}
	found := Resolution{Service: entry.Name(), Default: true}
	if !q.binds {
		found.Model = entry.modelOf(services.Task{Service: entry.Name(), Name: q.task, DefaultModel: q.configured})
	}
	return found, nil
}

// suitable returns the first candidate whose default model can do the task with its
// parameters, or the first one, whose own fault explains why none can.
func (q *query) suitable() *Registration {
	if len(q.candidates) == 1 {
		return q.candidates[0]
	}
	for _, entry := range q.candidates {
		task := services.Task{Service: entry.Name(), Name: q.task, Params: q.params}
		judge, judges := entry.Service.(services.TaskJudge)
		chooser, chooses := entry.Service.(services.TaskChooser)
		if (!judges || judge.Suits(task)) && (!chooses || chooser.CanDo(entry.modelOf(task), q.task)) {
			return entry
		}
	}
	return q.candidates[0]
}

// followDefault returns the model that the settings name as a task's default, which may
// be an alias.
func (q *query) followDefault(name string) (string, error) {
	if entry, err := q.find(name); err != nil || entry != nil || q.names.Aliases[name] == "" {
		return name, err
	}
	target, err := q.follow(name)
	if strings.HasPrefix(target, DefaultOf) {
		err = missing(fmt.Sprintf("is not given, and models.defaults.%s is %q, which stands for a default itself", q.task, name))
	}
	return target, err
}

// find returns the candidate that has the model. If only a service without the task has
// it, or if its files cannot be read, find returns the first candidate, whose own fault
// explains the problem. It returns nil if the model does not exist.
func (q *query) find(name string) (*Registration, error) {
	var owners []*Registration
	elsewhere := false
	for _, entry := range q.registry.List() {
		has, err := entry.HasModel(name)
		switch candidate := slices.Contains(q.candidates, entry); {
		case err != nil, has && !candidate:
			elsewhere = true
		case has:
			owners = append(owners, entry)
		}
	}
	switch {
	case len(owners) > 1:
		return nil, services.Invalidf("model",
			"%q is a model of %s; names must be unique, or the service be named", name, strings.Join(namesOf(owners), " and of "))
	case len(owners) == 1:
		return owners[0], nil
	case elsewhere:
		return q.candidates[0], nil
	}
	return nil, nil //nolint:nilnil // there is no such model
}

func namesOf(list []*Registration) (names []string) {
	for _, entry := range list {
		names = append(names, entry.Name())
	}
	return names
}

// HasModel reports whether the service has a model of that name. The error is why that
// is unknown.
func (e *Registration) HasModel(name string) (bool, error) {
	if finder, ok := e.Service.(services.ModelFinder); ok {
		return finder.HasModel(name)
	}
	host, ok := e.Service.(services.ModelHost)
	return ok && slices.ContainsFunc(host.Models(), func(m services.ModelStatus) bool { return m.Name == name }), nil
}

// follow returns the final target of an alias: a model's name, whether or not there is
// such a model, or DefaultOf and a task.
func (q *query) follow(alias string) (string, error) {
	if q.names.Aliases[alias] == "" {
		return "", missing(fmt.Sprintf("%.128q does not exist; %s", alias, q.there()))
	}
	// A model takes precedence over an alias of its name, also in a chain.
	name, seen := q.names.Aliases[alias], map[string]bool{alias: true}
	for next := q.names.Aliases[name]; next != ""; next = q.names.Aliases[name] {
		if entry, err := q.find(name); err != nil || entry != nil {
			return name, err
		}
		if seen[name] {
			return "", missing(fmt.Sprintf("%q stands for itself", alias))
		}
		seen[name], name = true, next
	}
	return name, nil
}

// there returns the models of the task as text for a fault.
func (q *query) there() string {
	var models []string
	for _, entry := range q.candidates {
		for _, m := range entry.listed() {
			if !slices.Contains(models, m.Name) {
				models = append(models, m.Name)
			}
		}
	}
	text := "available: " + cmp.Or(strings.Join(models, ", "), "none")
	var others []string
	for _, alias := range slices.Sorted(maps.Keys(q.names.Aliases)) {
		if !slices.Contains(models, alias) && q.isOf(alias, models) {
			others = append(others, alias)
		}
	}
	if len(others) > 0 {
		text += "; aliases: " + strings.Join(others, ", ")
	}
	return text
}

// isOf reports whether an alias resolves to one of the models, or to the default of a
// task of the services that have them.
func (q *query) isOf(alias string, models []string) bool {
	target := alias
	for range len(q.names.Aliases) + 1 { // they may form a cycle
		if slices.Contains(models, target) {
			return true
		}
		if task, isDefault := strings.CutPrefix(target, DefaultOf); isDefault {
			return slices.ContainsFunc(q.candidates, func(e *Registration) bool { return e.takes(task) })
		}
		target = q.names.Aliases[target]
	}
	return false
}

// noTask returns the fault for a task that no service has.
func (q *query) noTask() error {
	if q.service != "" {
		_, err := q.registry.Lookup(q.service)
		return err
	}
	var known []string
	for _, entry := range q.registry.List() {
		for _, kind := range entry.description.Tasks {
			if !slices.Contains(known, kind.Name) {
				known = append(known, kind.Name)
			}
		}
	}
	return services.Invalidf("task", "must be %s, got %.64q", strings.Join(known, ", "), q.task)
}

// missing returns the fault for a model that does not exist.
func missing(problem string) error {
	return &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{{Field: "model", Problem: problem}}}
}
