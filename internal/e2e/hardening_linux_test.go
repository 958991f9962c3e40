package e2e

// faultsOfSystem returns the faults that only Linux has.
func faultsOfSystem() []hardeningFault {
	return []hardeningFault{
		{9, "few file descriptors", playFewDescriptors},
		{9, "a full disk", playFullDisk},
	}
}
