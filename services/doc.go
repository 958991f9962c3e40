// Package services defines the contract between the orchestrator and everything that
// processes audio: the ModelService interface, Task and TaskResult, the closed set of
// fault kinds, and the Sink that receives a running task's progress. It imports the
// standard library only and depends on no HTTP, queue, memory budget, kind of task or
// model.
package services
