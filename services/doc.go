// Package services holds the contract between the orchestrator and everything
// that does work on audio: the ModelService interface, its Task and TaskResult
// types, the closed set of fault kinds, and the sink through which a running
// task tells of its progress. It imports the standard library only and knows
// nothing of HTTP, queues, memory budgets or any particular model.
package services
