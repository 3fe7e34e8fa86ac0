package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
	_ "unsafe" // for go:linkname

	graphdriver "github.com/containers/storage/drivers"
	_ "github.com/containers/storage/drivers/overlay"
	"github.com/containers/storage/drivers/vfs"
	_ "github.com/containers/storage/drivers/zfs"
	"github.com/containers/storage/pkg/idtools"
	"github.com/containers/storage/pkg/parsers"
	"github.com/containers/storage/types"
	"github.com/docker/go-units"
)

// load asks the storage library of podman 4.
func load() (settings, error) {
	uid := os.Getuid()
	// podman asks twice: what the first answer read decides where the second looks.
	_, err := ask(uid)
	if err != nil {
		return settings{}, err
	}
	options, err := ask(uid)
	if err != nil {
		return settings{}, err
	}
	name, err := driver(options)
	if err != nil {
		return settings{}, err
	}
	list, err := stores(name, options)
	return settings{
		Driver:    options.GraphDriverName,
		Uses:      name,
		GraphRoot: options.GraphRoot,
		RunRoot:   options.RunRoot,
		Stores:    list,
	}, err
}

// ask is DefaultStoreOptions of the library that distributions built podman 4.3 with: it
// wants both roots, as later versions do in that place.
func ask(uid int) (types.StoreOptions, error) {
	options, err := types.DefaultStoreOptions(uid != 0, uid)
	switch {
	case err != nil:
		return options, err
	case options.RunRoot == "":
		return options, errors.New("runroot must be set")
	case options.GraphRoot == "":
		return options, errors.New("graphroot must be set")
	default:
		return options, nil
	}
}

// The part of the driver's own type that is needed here: its first field.
type overlayOptions struct{ imageStores []string }

// What the driver makes of its options is seen only once it has mounted something.
//
//go:linkname parseOverlay github.com/containers/storage/drivers/overlay.parseOptions
func parseOverlay(options []string) (*overlayOptions, error)

type zfsOptions struct{ fsName, mountPath, mountOptions string }

// What the driver makes of its options is seen only where there is a pool.
//
//go:linkname parseZfs github.com/containers/storage/drivers/zfs.parseOptions
func parseZfs(options []string) (zfsOptions, error)

//go:linkname scanPriorDrivers github.com/containers/storage/drivers.scanPriorDrivers
func scanPriorDrivers(root string) map[string]bool

// driver is the name of the one that is used; one that is set is that, whatever the
// storage was made with (New in drivers/driver.go).
func driver(options types.StoreOptions) (string, error) {
	if options.GraphDriverName != "" {
		return options.GraphDriverName, nil
	}
	prior := scanPriorDrivers(options.GraphRoot)
	for _, name := range []string{"overlay", "btrfs", "zfs"} {
		if prior[name] && len(prior) > 1 {
			return "", fmt.Errorf("%s contains several valid graphdrivers", options.GraphRoot)
		}
		if prior[name] {
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
	// It wants to own its files as the container's root.
	own := []idtools.IDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	driver, err := vfs.Init(home, graphdriver.Options{
		DriverOptions: options.GraphDriverOptions,
		UIDMaps:       own,
		GIDMaps:       own,
	})
	if err != nil {
		return nil, err
	}
	return driver.AdditionalImageStores(), nil
}

// parseBtrfs is parseOptions of drivers/btrfs/btrfs.go; the driver itself needs C.
func parseBtrfs(options []string) error {
	for _, option := range options {
		key, value, err := parsers.ParseKeyValueOpt(option)
		if err != nil {
			return err
		}
		switch key = strings.ToLower(key); key {
		case "btrfs.min_space":
			if _, err := units.RAMInBytes(value); err != nil {
				return err
			}
		case "btrfs.mountopt":
			return fmt.Errorf("btrfs driver does not support mount options")
		default:
			return fmt.Errorf("unknown option %s", key)
		}
	}
	return nil
}

// What the library remembers of a host.
var (
	//go:linkname defaultStoreOptionsOnce github.com/containers/storage/types.defaultStoreOptionsOnce
	defaultStoreOptionsOnce sync.Once
	//go:linkname loadDefaultStoreOptionsErr github.com/containers/storage/types.loadDefaultStoreOptionsErr
	loadDefaultStoreOptionsErr error
	//go:linkname defaultConfigFile github.com/containers/storage/types.defaultConfigFile
	defaultConfigFile string
	//go:linkname defaultOverrideConfigFile github.com/containers/storage/types.defaultOverrideConfigFile
	defaultOverrideConfigFile string
	//go:linkname defaultStoreOptions github.com/containers/storage/types.defaultStoreOptions
	defaultStoreOptions types.StoreOptions
	//go:linkname prevReloadConfig github.com/containers/storage/types.prevReloadConfig
	prevReloadConfig struct {
		storeOptions *types.StoreOptions
		mod          time.Time
		mutex        sync.Mutex
		configFile   string
	}
	//go:linkname homeDirOnce github.com/containers/storage/pkg/unshare.homeDirOnce
	homeDirOnce sync.Once
)

func forget() {
	defaultStoreOptionsOnce, loadDefaultStoreOptionsErr = sync.Once{}, nil
	defaultConfigFile = "/usr/share/containers/storage.conf"
	defaultOverrideConfigFile = "/etc/containers/storage.conf"
	defaultStoreOptions = types.StoreOptions{}
	prevReloadConfig.storeOptions, prevReloadConfig.configFile = nil, ""
	homeDirOnce = sync.Once{}
}
