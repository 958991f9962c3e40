package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// checkedBytes bounds the bodies that are compared with the contract.
const checkedBytes = 4 << 20

// contractCheck compares the answers of all tests of this package with openapi.yaml: the
// status must be documented, and a body of JSON must follow its schema. It is the
// transport of the tests' clients. What does not follow is collected.
type contractCheck struct {
	http.RoundTripper
	route  routers.Router
	mu     sync.Mutex
	broken map[string]string
}

func newContractCheck(file string, transport http.RoundTripper) (*contractCheck, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	spec, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	spec.Servers = nil // every server of a test has its own address
	route, err := gorillamux.NewRouter(spec)
	return &contractCheck{RoundTripper: transport, route: route, broken: make(map[string]string)}, err
}

// RoundTrip implements http.RoundTripper.
func (c *contractCheck) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := c.RoundTripper.RoundTrip(request)
	if err != nil || request.URL.Hostname() != "127.0.0.1" || !hasRequestID(response) {
		return response, err // of another server
	}
	bare := &http.Request{Method: request.Method, URL: &url.URL{Scheme: "http", Host: "localhost", Path: request.URL.Path}, Header: request.Header}
	route, params, err := c.route.FindRoute(bare)
	if err != nil {
		return response, nil // no operation of the contract
	}
	body, err := readJSON(response)
	if err != nil {
		return response, nil // what was read, and the error, are the client's
	}
	if err := validate(bare, route, params, response, body); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.broken[fmt.Sprintf("%s %s: %d", route.Method, route.Path, response.StatusCode)] = fmt.Sprintf("%s\n%.2000s", err, body)
	}
	return response, nil
}

// hasRequestID reports whether the answer is of the binary, and not of a server of a test.
func hasRequestID(response *http.Response) bool { return response.Header.Get("X-Request-Id") != "" }

// readJSON returns the body if it is JSON and not large, and leaves a copy for the client.
func readJSON(response *http.Response) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") || response.Header.Get("Content-Encoding") != "" {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, checkedBytes))
	rest := response.Body
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), rest}
	if err != nil {
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), brokenReader{err}), rest}
		return nil, err
	}
	if len(body) == checkedBytes {
		return nil, nil
	}
	return body, nil
}

// brokenReader is a reader that returns an error.
type brokenReader struct{ err error }

// Read implements io.Reader.
func (f brokenReader) Read([]byte) (int, error) { return 0, f.err }

// validate compares an answer with the contract; without a body only its status.
func validate(request *http.Request, route *routers.Route, params map[string]string, response *http.Response, body []byte) error {
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, PathParams: params, Route: route},
		Status:                 response.StatusCode, Header: response.Header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: len(body) == 0},
	})
}

// report prints the answers that do not follow the contract and reports whether there are none.
func (c *contractCheck) report(w io.Writer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	operations := make([]string, 0, len(c.broken))
	for operation := range c.broken {
		operations = append(operations, operation)
	}
	slices.Sort(operations)
	for _, operation := range operations {
		_, _ = fmt.Fprintf(w, "FAIL: an answer does not follow openapi.yaml: %s\n%s\n", operation, c.broken[operation])
	}
	return len(operations) == 0
}
