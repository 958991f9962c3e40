package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"

	"github.com/grym-synth/grym-synth/api/manage"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// extension is the name of the object in the contract that describes an operation's access
// and its responses.
const extension = "x-grym"

// operation is one operation of the contract.
type operation struct {
	// id is the operation's id in the contract.
	id string
	// scopes are the scopes of which a key needs one; nil if no key is required.
	scopes []access.Scope
	// openAI is set if errors have the shape of OpenAI's.
	openAI bool
	// caller is set if the operation sees only what belongs to its caller.
	caller bool
	// route is set for an operation that runs a single task, except for those whose
	// requests and responses have OpenAI's shape, which are written by hand.
	route *web.Route
	// inline is set if a JSON body may contain a recording as base64.
	inline bool
	// task is the task that the operation runs, or "". json is set if it takes parameters
	// as JSON only, audio if it needs a recording.
	task        string
	json, audio bool
}

// operations is the table of the contract's operations.
type operations struct {
	// matcher finds a request's pattern as the server's router does.
	matcher *chi.Mux
	// malformed finds patterns even if the id of a recording is malformed.
	malformed *chi.Mux
	// byRoute has the operations by method and pattern.
	byRoute map[string]operation
}

// newOperations reads the table from the contract. It fails if an operation has no
// extension, or an unknown value in it.
func newOperations(spec *openapi3.T) (*operations, error) {
	table := &operations{matcher: chi.NewRouter(), malformed: chi.NewRouter(), byRoute: make(map[string]operation)}
	var bad []error
	for path, item := range spec.Paths.Map() {
		for method, described := range item.Operations() {
			one, err := readOperation(described)
			if err != nil {
				bad = append(bad, fmt.Errorf("%s %s: %s: %w", method, path, extension, err))
				continue
			}
			pattern := strictPath(path)
			table.matcher.Method(method, pattern, http.NotFoundHandler())
			table.malformed.Method(method, path, http.NotFoundHandler())
			table.byRoute[method+" "+pattern] = one
		}
	}
	if err := errors.Join(bad...); err != nil {
		return nil, err
	}
	return table, nil
}

// The known values of the extension's fields; the first of each list is the most common.
var (
	knownScopes = []string{"none", string(access.ScopeUse), string(access.ScopeRead), string(access.ScopeAdmin)}
	knownErrors = []string{"problem", "openai"}
	knownOwners = []string{"none", "caller"}
	knownBodies = []string{"", "inline"}
)

// oneOrMore is a string or a list of strings.
type oneOrMore []string

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(o))
}

// grym is the extension of an operation.
type grym struct {
	Scope                              oneOrMore
	Errors, Owner, Task, Service, Body string
	web.RouteOptions
}

// readExtension decodes the extension of an operation.
func readExtension(described *openapi3.Operation) (said grym, err error) {
	value, ok := described.Extensions[extension]
	if !ok {
		return said, errors.New("is missing")
	}
	text, err := json.Marshal(value)
	if err != nil {
		return said, fmt.Errorf("cannot be read: %w", err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&said); err != nil {
		return said, fmt.Errorf("cannot be read: %w", err)
	}
	return said, nil
}

// readOperation returns the operation that an extension describes.
func readOperation(described *openapi3.Operation) (operation, error) {
	one := operation{id: described.OperationID}
	said, err := readExtension(described)
	if err != nil {
		return one, err
	}
	fields := []struct {
		name, value string
		known       []string
	}{
		{"errors", said.Errors, knownErrors}, {"owner", said.Owner, knownOwners}, {"body", said.Body, knownBodies},
	}
	for _, scope := range said.Scope {
		fields = append(fields, struct {
			name, value string
			known       []string
		}{"scope", scope, knownScopes})
	}
	for _, field := range fields {
		if !slices.Contains(field.known, field.value) {
			return one, fmt.Errorf("%s must be one of %[3]q, got %[2]q", field.name, field.value, field.known)
		}
	}
	open := slices.Contains(said.Scope, "none")
	switch {
	case len(said.Scope) == 0:
		return one, errors.New("scope is missing")
	case open && len(said.Scope) > 1:
		return one, errors.New("scope none excludes all others")
	case (said.Task == "") != (said.Service == ""):
		return one, errors.New("task and service must be set together")
	case said.Task == "" && (said.Sound != nil || said.Image != "" || said.Fixed != nil || said.Location != "" || said.Recordings != nil):
		return one, errors.New("sound, image, params, location and recordings require a task")
	}
	if !open {
		for _, scope := range said.Scope {
			one.scopes = append(one.scopes, access.Scope(scope))
		}
	}
	one.openAI, one.caller, one.inline = said.Errors == "openai", said.Owner == "caller", said.Body == "inline"
	one.readBody(said.Task, described)
	if said.Task != "" && !one.openAI {
		said.Empty = tasks.NewResult(said.Task)
		one.route, err = web.NewRoute(said.Service, said.Task, said.RouteOptions, described)
	}
	return one, err
}

// readBody sets how the operation takes the parameters of its task.
func (o *operation) readBody(task string, described *openapi3.Operation) {
	o.task, o.audio = task, o.inline
	if described.RequestBody == nil {
		return
	}
	form := described.RequestBody.Value.Content["multipart/form-data"]
	o.json, o.audio = form == nil, o.inline || form != nil && form.Schema.Value.Properties["file"] != nil
}

// taskRoutes returns the route of each task.
func (o *operations) taskRoutes() map[string]manage.TaskRoute {
	routes := make(map[string]manage.TaskRoute)
	for route, one := range o.byRoute {
		if one.task != "" && strings.HasPrefix(route, http.MethodPost) {
			_, path, _ := strings.Cut(route, " ")
			routes[one.task] = manage.TaskRoute{Path: path, JSON: one.json, Audio: one.audio}
		}
	}
	return routes
}

// methods are the HTTP methods that an operation can have.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// tasks returns the routes of the operations that run a single task, by method and pattern.
func (o *operations) tasks() iter.Seq2[string, *web.Route] {
	return func(yield func(string, *web.Route) bool) {
		for route, one := range o.byRoute {
			if one.route != nil && !yield(route, one.route) {
				return
			}
		}
	}
}

// of returns the operation of a request. For an unknown route it returns one that requires
// the scopes of the path's other methods, or use, and has OpenAI's errors below /v1. A
// malformed id of a recording has the errors of its operation.
func (o *operations) of(r *http.Request) operation {
	path := r.URL.Path
	if r.URL.RawPath != "" { // as in chi
		path = r.URL.RawPath
	}
	if pattern := o.matcher.Find(chi.NewRouteContext(), r.Method, path); pattern != "" {
		return o.byRoute[r.Method+" "+pattern]
	}
	known := false
	unknown := operation{scopes: []access.Scope{access.ScopeUse}}
	for _, method := range methods {
		if pattern := o.matcher.Find(chi.NewRouteContext(), method, path); pattern != "" {
			unknown.scopes, known = o.byRoute[method+" "+pattern].scopes, true
			break
		}
	}
	unknown.openAI = strings.HasPrefix(r.URL.Path, "/v1/") || r.URL.Path == "/v1"
	if known || unserved[path] != "" {
		return unknown
	}
	if pattern := o.malformed.Find(chi.NewRouteContext(), r.Method, path); pattern != "" {
		return o.byRoute[r.Method+" "+strictPath(pattern)]
	}
	return unknown
}
