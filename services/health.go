package services

import "time"

// HealthStatus is what the outcomes of a model's tasks say of it.
type HealthStatus string

// The statuses, from the best to the worst.
const (
	// HealthHealthy says that no or few of the recent tasks have failed, or that there
	// were none.
	HealthHealthy HealthStatus = "healthy"
	// HealthDegraded says that some of the recent tasks have failed.
	HealthDegraded HealthStatus = "degraded"
	// HealthUnproven says that the model has failed and that no task has shown yet
	// whether it works again. The first failure makes it failing.
	HealthUnproven HealthStatus = "unproven"
	// HealthFailing says that many of the recent tasks have failed, or that the model is
	// being recovered.
	HealthFailing HealthStatus = "failing"
)

// HealthStatuses lists every HealthStatus.
func HealthStatuses() []HealthStatus {
	return []HealthStatus{HealthHealthy, HealthDegraded, HealthUnproven, HealthFailing}
}

// Health of a model, from the outcomes of its tasks. Canaries are not among them.
type Health struct {
	Status HealthStatus
	// Since is when the status began.
	Since time.Time
	// Reason of the status; empty if the model is healthy.
	Reason string
	// Tasks is the number of the recent outcomes, and Failed how many of them count
	// against the model.
	Tasks, Failed int
}

// Hold is an operator's decision that a model is to run no tasks.
type Hold struct {
	// Reason is the operator's, for clients; it may be empty.
	Reason string
	Since  time.Time
}
