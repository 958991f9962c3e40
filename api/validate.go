package api

import (
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
)

// curlType is the Content-Type that curl -d sends by default. No route accepts form-encoded
// bodies, so such a body is treated as JSON. Browsers send it without a preflight request;
// suspectPage refuses those.
const curlType = "application/x-www-form-urlencoded"

// validator returns middleware that checks requests against the contract.
func (h *handlers) validator(spec *openapi3.T, problems *problem.Writer) (func(http.Handler) http.Handler, error) {
	openapi3filter.RegisterBodyDecoder("application/merge-patch+json", openapi3filter.JSONBodyDecoder)
	// The server may have any name, and access has been checked; the library would read
	// each body again to do so.
	spec.Servers, spec.Security = nil, nil
	for _, item := range spec.Paths.Map() {
		for _, operation := range item.Operations() {
			operation.Security = nil
		}
	}
	router, err := gorillamux.NewRouter(spec)
	if err != nil {
		return nil, fmt.Errorf("read the routes of the contract: %w", err)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := h.validate(router, w, r); err != nil {
				problems.Write(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}, nil
}

// validate checks one request. The library reads bodies into memory, so only JSON is passed
// to it, up to its limit. Any other body is withheld from it and checked by its handler as
// it is read.
func (h *handlers) validate(router routers.Router, w http.ResponseWriter, r *http.Request) error {
	if web.MediaType(r) == curlType {
		r.Header.Set("Content-Type", "application/json")
	}
	route, params, err := router.FindRoute(r)
	if err != nil {
		return validationFault(err)
	}
	withBody, unsupported := readsJSON(route, r)
	if withBody {
		limit := h.limitOf(r)
		if r.ContentLength > limit.Bytes {
			return limit.Fault(nil)
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit.Bytes)
	} else {
		body := r.Body
		r.Body = http.NoBody
		defer func() { r.Body = body }()
	}
	err = openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			ExcludeRequestBody: !withBody, MultiError: true,
			// The task sets the defaults, some of which depend on other parameters.
			SkipSettingDefaults: h.operations.of(r).route.TakesFields(),
		},
	})
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &services.Fault{Kind: services.KindInvalid, Message: h.cfg.limits().TooSlow(), Err: err}
	case errors.As(err, &tooLarge):
		return h.limitOf(r).Fault(err)
	case unsupported != nil:
		if err != nil {
			unsupported.Fields, unsupported.Err = validationFault(err).Fields, err
		}
		return unsupported
	case err != nil:
		return validationFault(err)
	}
	return nil
}

// readsJSON reports whether a request has a body that its route accepts as JSON. It returns
// a fault if the route does not accept the body's type.
func readsJSON(route *routers.Route, r *http.Request) (bool, *services.Fault) {
	if r.ContentLength == 0 || route.Operation.RequestBody == nil {
		return false, nil
	}
	body := route.Operation.RequestBody.Value
	if body.Content.Get(r.Header.Get("Content-Type")) != nil {
		return isJSON(web.MediaType(r)), nil
	}
	if route.Path == web.AudioPath { // whose handler takes more types than the contract can list
		return false, nil
	}
	fault := services.Faultf(services.KindUnsupported, "the body must be application/json, as curl -H 'Content-Type: application/json' "+
		"sends it")
	if body.Content["multipart/form-data"] != nil {
		fault.Message = "the body must be multipart/form-data with a boundary, as curl -F file=@speech.wav sends it"
		if body.Content["application/json"] != nil {
			fault.Message = web.FormOrJSON
		}
		if body.Content["application/x-ndjson"] != nil {
			fault.Message += ", or JSON lines as application/x-ndjson"
		}
	}
	return false, fault
}

// validationFault returns a fault that names each parameter and field that violates the
// contract.
func validationFault(err error) *services.Fault {
	fault := &services.Fault{Kind: services.KindInvalid, Err: err}
	for _, one := range web.Flatten(err) {
		var request *openapi3filter.RequestError
		if !errors.As(one, &request) {
			fault.Message = "the request does not match the API's schema"
			continue
		}
		if request.Parameter == nil {
			addBodyProblems(fault, request)
			continue
		}
		problem := request.Reason
		var schema *openapi3.SchemaError
		if errors.As(one, &schema) {
			problem = fmt.Sprintf("%s, got %.80q", web.SchemaProblem(schema), fmt.Sprint(schema.Value))
		}
		fault.Fields = append(fault.Fields, services.FieldError{Field: request.Parameter.Name, Problem: problem})
	}
	return fault
}

// addBodyProblems adds the invalid fields of a body.
func addBodyProblems(fault *services.Fault, request *openapi3filter.RequestError) {
	fields := web.SchemaProblems(request.Err)
	fault.Fields = append(fault.Fields, fields...)
	if len(fields) == 0 {
		fault.Message = "the body is not valid JSON"
	}
}
