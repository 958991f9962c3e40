package pipelines

// ServiceName is the name of the service whose tasks are runs of pipelines, and TaskRun that
// of the task.
const (
	ServiceName = "pipelines"
	TaskRun     = "run"
)
