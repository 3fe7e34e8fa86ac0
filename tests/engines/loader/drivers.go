package main

import (
	"fmt"
	"os"
	_ "unsafe" // for go:linkname

	graphdriver "go.podman.io/storage/drivers"
	_ "go.podman.io/storage/drivers/overlay"
	"go.podman.io/storage/drivers/vfs"
	_ "go.podman.io/storage/drivers/zfs"
	"go.podman.io/storage/types"
)

// The part of the driver's own type that is needed here: its first field.
type overlayOptions struct{ imageStores []string }

// What the driver makes of its options is seen only once it has mounted something.
//
//go:linkname parseOverlay go.podman.io/storage/drivers/overlay.parseOptions
func parseOverlay(options []string) (*overlayOptions, error)

type zfsOptions struct{ fsName, mountPath, mountOptions string }

// What the driver makes of its options is seen only where there is a pool.
//
//go:linkname parseZfs go.podman.io/storage/drivers/zfs.parseOptions
func parseZfs(options []string) (zfsOptions, error)

// driver is the name of the one that is used; one that is set is that, whatever the
// storage was made with (New in drivers/driver.go).
func driver(options types.StoreOptions) (string, error) {
	if options.GraphDriverName != "" {
		return options.GraphDriverName, nil
	}
	prior := graphdriver.ScanPriorDrivers(options.GraphRoot)
	names := options.GraphDriverPriority
	if len(names) == 0 {
		names = graphdriver.Priority
	}
	for _, name := range names {
		if name == "vfs" && len(options.GraphDriverPriority) == 0 || !prior[name] {
			continue
		}
		if len(prior) > 1 {
			return "", fmt.Errorf("%s contains several valid graphdrivers", options.GraphRoot)
		}
		return name, nil
	}
	// Of the others it depends on the kernel whether they can be used.
	for _, name := range options.GraphDriverPriority {
		if name == "overlay" || name == "vfs" {
			return name, nil
		}
	}
	return "overlay", nil
}

// stores are the additional image stores in the order in which the driver looks into them.
func stores(driver string, options types.StoreOptions) ([]string, error) {
	switch driver {
	case "overlay", "overlay2":
		parsed, err := parseOverlay(options.GraphDriverOptions)
		if err != nil {
			return nil, err
		}
		return parsed.imageStores, nil
	case "vfs":
		return vfsStores(options)
	case "zfs":
		_, err := parseZfs(options.GraphDriverOptions)
		return nil, err
	case "btrfs":
		return nil, parseBtrfs(options.GraphDriverOptions)
	default:
		return nil, fmt.Errorf("failed to GetDriver graph %s: %w", driver, graphdriver.ErrNotSupported)
	}
}

func vfsStores(options types.StoreOptions) ([]string, error) {
	home, err := os.MkdirTemp("", "vfs")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(home)
	driver, err := vfs.Init(home, graphdriver.Options{DriverOptions: options.GraphDriverOptions})
	if err != nil {
		return nil, err
	}
	return driver.AdditionalImageStores(), nil
}
