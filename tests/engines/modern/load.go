package main

import (
	"fmt"
	"sync"
	_ "unsafe" // for go:linkname

	"github.com/docker/go-units"
	"go.podman.io/storage/types"
)

// load asks the storage library of podman 6.
func load() (settings, error) {
	options, err := types.LoadStoreOptions(types.LoadOptions{})
	if err != nil {
		return settings{}, err
	}
	name, err := driver(options)
	if err != nil {
		return settings{}, err
	}
	list, err := stores(name, options)
	return settings{
		Driver:     options.GraphDriverName,
		Uses:       name,
		GraphRoot:  options.GraphRoot,
		RunRoot:    options.RunRoot,
		ImageStore: options.ImageStore,
		Stores:     list,
	}, err
}

//go:linkname parseDriverOption go.podman.io/storage/internal/driver.ParseDriverOption
func parseDriverOption(option string) (driver, key, value string, err error)

// parseBtrfs is parseOptions of drivers/btrfs/btrfs.go; the driver itself needs C.
func parseBtrfs(options []string) error {
	for _, option := range options {
		driver, key, value, err := parseDriverOption(option)
		if err != nil {
			return err
		}
		if driver != "" && driver != "btrfs" {
			continue
		}
		switch key {
		case "min_space", "size":
			if _, err := units.RAMInBytes(value); err != nil {
				return err
			}
		case "mountopt":
			return fmt.Errorf("btrfs driver does not support mount options")
		default:
			return fmt.Errorf("unknown option %q (%q)", key, option)
		}
	}
	return nil
}

// What the library remembers of a host. It also remembers the home that it looked up
// without HOME, which no two hosts have to ask for in one process.
var (
	//go:linkname rootlessRuntimeDirOnce go.podman.io/storage/pkg/homedir.rootlessRuntimeDirOnce
	rootlessRuntimeDirOnce sync.Once
	//go:linkname rootlessRuntimeDir go.podman.io/storage/pkg/homedir.rootlessRuntimeDir
	rootlessRuntimeDir string
)

func forget() {
	rootlessRuntimeDirOnce, rootlessRuntimeDir = sync.Once{}, ""
}
