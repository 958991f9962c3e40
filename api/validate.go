package api

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	middleware "github.com/oapi-codegen/nethttp-middleware"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/services"
)

// maxJSON bounds a body that is JSON: it is read into memory.
const maxJSON = 1 << 20

// curlType is what curl -d says of any body. No route takes it for what it is, so
// that the body can only be meant as JSON. Web pages may send it without asking
// first; checkOrigin keeps theirs out.
const curlType = "application/x-www-form-urlencoded"

// validator checks requests against the contract. The bodies of forms are left
// out: the validator would read an upload into memory, and the upload's fields
// are checked while they stream by.
func (h *handlers) validator(spec *openapi3.T, problems *problem.Writer) func(http.Handler) http.Handler {
	openapi3filter.RegisterBodyDecoder("application/merge-patch+json", openapi3filter.JSONBodyDecoder)
	check := func(withBody bool) func(http.Handler) http.Handler {
		return middleware.OapiRequestValidatorWithOptions(spec, &middleware.Options{
			DoNotValidateServers: true,
			Options:              openapi3filter.Options{ExcludeRequestBody: !withBody, MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}, // checkKey has asked for the key
			ErrorHandlerWithOpts: func(_ context.Context, err error, w http.ResponseWriter, r *http.Request, _ middleware.ErrorHandlerOpts) {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					err = &services.Fault{Kind: services.KindInvalid, Message: h.tooSlow(), Err: err}
				} else {
					err = validationFault(err)
				}
				problems.Write(w, r, err)
			},
		})
	}
	whole, head := check(true), check(false)
	return func(next http.Handler) http.Handler {
		json, form := whole(next), head(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
			if kind == curlType {
				r.Header.Set("Content-Type", "application/json")
			}
			if kind == "multipart/form-data" || r.ContentLength == 0 || r.URL.Path == audioPath {
				form.ServeHTTP(w, r)
				return
			}
			limit := int64(maxJSON)
			if r.URL.Path == chatPath || r.URL.Path == jobsPath {
				limit = maxInline
			}
			r.Body = http.MaxBytesReader(w, r.Body, limit)
			json.ServeHTTP(w, r)
		})
	}
}

// validationFault names each parameter and field that the contract does not allow.
func validationFault(err error) error {
	fault := &services.Fault{Kind: services.KindInvalid, Err: err}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &services.Fault{Kind: services.KindTooLarge, Message: fmt.Sprintf("the body has more than %d bytes, which is the limit for JSON", tooLarge.Limit), Err: err}
	}
	for _, one := range flatten(err) {
		var request *openapi3filter.RequestError
		if !errors.As(one, &request) {
			fault.Message = "the request does not fit the contract"
			continue
		}
		if request.Parameter == nil {
			addBodyProblems(fault, request)
			continue
		}
		problem := request.Reason
		var schema *openapi3.SchemaError
		if errors.As(one, &schema) {
			problem = fmt.Sprintf("is %q: %s", fmt.Sprint(schema.Value), schema.Reason)
		}
		fault.Fields = append(fault.Fields, services.FieldError{Field: request.Parameter.Name, Problem: problem})
	}
	return fault
}

// addBodyProblems names the fields of a body that are wrong.
func addBodyProblems(fault *services.Fault, request *openapi3filter.RequestError) {
	if strings.Contains(request.Reason, "Content-Type") {
		fault.Kind, fault.Message = services.KindUnsupported, "the body must be application/json, as curl -H 'Content-Type: application/json' sends it"
		if request.RequestBody != nil && request.RequestBody.Content["multipart/form-data"] != nil {
			fault.Message = "the body must be multipart/form-data with a boundary, as curl -F file=@speech.wav sends it"
			if request.RequestBody.Content["application/json"] != nil {
				fault.Message = neitherFormNorJSON
			}
		}
		return
	}
	fields := schemaProblems(request.Err)
	fault.Fields = append(fault.Fields, fields...)
	if len(fields) == 0 {
		fault.Message = "the body is no JSON that can be read"
	}
}

// schemaProblems names the fields of a value that do not fit its schema.
func schemaProblems(err error) (fields []services.FieldError) {
	for _, one := range flatten(err) {
		var schema *openapi3.SchemaError
		if !errors.As(one, &schema) {
			continue
		}
		field := strings.Join(schema.JSONPointer(), ".")
		// A field that is not known stands in the reason, in quotation marks.
		if parts := strings.Split(schema.Reason, `"`); schema.SchemaField == "properties" && len(parts) == 3 {
			field = strings.TrimPrefix(field+"."+parts[1], ".")
		}
		if field == "" {
			field = "body"
		}
		fields = append(fields, services.FieldError{Field: field, Problem: schema.Reason})
	}
	return fields
}

// flatten gives the errors that an error stands for.
func flatten(err error) []error {
	var several openapi3.MultiError
	if !errors.As(err, &several) {
		return []error{err}
	}
	var list []error
	for _, one := range several {
		var request *openapi3filter.RequestError
		if errors.As(one, &request) {
			list = append(list, one)
			continue
		}
		list = append(list, flatten(one)...)
	}
	return list
}
