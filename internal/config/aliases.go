package config

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/knadh/koanf/v2"

	"github.com/grym-synth/grym-synth/internal/modules"
)

// aliases are alternative names of settings: those of the reference architecture's
// SystemHardeningConfig, and a short one.
var aliases = map[string]string{
	"systemHardening.enableHealthMonitoring":      "systemHardening.healthMonitoring.enabled",
	"systemHardening.enablePerformanceMonitoring": "systemHardening.performanceMonitoring.enabled",
	"systemHardening.enableErrorRecovery":         "systemHardening.errorRecovery.enabled",
	"systemHardening.enableResourceManagement":    "systemHardening.resourceManagement.enabled",
	"systemHardening.healthCheckIntervalMs":       "systemHardening.healthMonitoring.checkInterval",
	"systemHardening.performanceCheckIntervalMs":  "systemHardening.performanceMonitoring.checkInterval",
	"resources.dynamic":                           "systemHardening.resourceManagement.dynamic",
	"systemHardening.maxResourceMemory":           "systemHardening.resourceManagement.maxMemory",
}

// recoverableList is the list of the services that may be recovered; all others are not.
const recoverableList = "systemHardening.recoverableServices"

// recoverableKeys are the keys of the services that the list can contain.
var recoverableKeys = func() map[string]string {
	keys := make(map[string]string)
	for _, name := range append(modules.Names(), "modelService") {
		keys[name] = sectionKey(name) + ".recoverable"
	}
	return keys
}()

// translateAliases replaces alternative names by the main ones. It is an error if one
// source sets both to different values.
func translateAliases(k *koanf.Koanf) error {
	var errs []error
	move := func(alias, key string, value any) {
		if k.Exists(key) && !reflect.DeepEqual(k.Get(key), value) {
			errs = append(errs, fmt.Errorf("%s is %v, but its other name %s is %v", key, k.Get(key), alias, value))
			return
		}
		errs = append(errs, k.Set(key, value))
	}
	for alias, key := range aliases {
		if k.Exists(alias) {
			move(alias, key, k.Get(alias))
			k.Delete(alias)
		}
	}
	if k.Exists(recoverableList) {
		named := make(map[string]bool)
		for _, name := range k.Strings(recoverableList) {
			if _, ok := recoverableKeys[name]; !ok {
				errs = append(errs, fmt.Errorf("%s: unknown service %q", recoverableList, name))
			}
			named[name] = true
		}
		for name, key := range recoverableKeys {
			move(recoverableList, key, named[name])
		}
		k.Delete(recoverableList)
	}
	return errors.Join(errs...)
}
