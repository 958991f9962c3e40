// Package performance samples the process and its services, warns where a threshold is
// exceeded, and forecasts memory, queues and arrivals. It reads services' own metrics.
package performance
