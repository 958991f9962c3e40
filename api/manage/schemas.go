package manage

import (
	"context"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
)

// TaskRoute is the route that runs a task.
type TaskRoute struct {
	// Path of the route.
	Path string
	// JSON is set if the route takes the parameters as JSON instead of a form.
	JSON bool
	// Audio is set if the task needs a recording.
	Audio bool
}

// ListSchemas implements gen.StrictServerInterface.
func (h *Handlers) ListSchemas(context.Context, gen.ListSchemasRequestObject) (gen.ListSchemasResponseObject, error) {
	list := gen.TaskSchemaList{Data: []gen.TaskSchema{}}
	for _, entry := range h.Services.List() {
		d := entry.Describe()
		for _, task := range d.Tasks {
			one := gen.TaskSchema{
				Task: task.Name, Service: d.Name, DefaultModel: web.Unless(d.DefaultModel, ""), ParamsSchema: h.paramsSchema(d.Name, task), Audio: true,
			}
			if route, ok := h.Routes[task.Name]; ok {
				body := gen.TaskSchemaBodyForm
				if route.JSON {
					body = gen.TaskSchemaBodyJson
				}
				one.Route, one.Body, one.Audio = &route.Path, &body, route.Audio
			}
			list.Data = append(list.Data, one)
		}
	}
	return gen.ListSchemas200JSONResponse(list), nil
}
