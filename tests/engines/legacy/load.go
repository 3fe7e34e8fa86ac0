package main

import (
	"fmt"
	"strings"
	"sync"
	"time"
	_ "unsafe" // for go:linkname

	"github.com/docker/go-units"
	"go.podman.io/storage/pkg/parsers"
	"go.podman.io/storage/types"
)

// load asks the storage library of podman 5 and CRI-O.
func load() (settings, error) {
	options, err := types.DefaultStoreOptions()
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
			return fmt.Errorf("unknown option %s (%q)", key, option)
		}
	}
	return nil
}

// What the library remembers of a host.
var (
	//go:linkname defaultStoreOptionsOnce go.podman.io/storage/types.defaultStoreOptionsOnce
	defaultStoreOptionsOnce sync.Once
	//go:linkname loadDefaultStoreOptionsErr go.podman.io/storage/types.loadDefaultStoreOptionsErr
	loadDefaultStoreOptionsErr error
	//go:linkname once go.podman.io/storage/types.once
	once sync.Once
	//go:linkname storeOptions go.podman.io/storage/types.storeOptions
	storeOptions types.StoreOptions
	//go:linkname storeError go.podman.io/storage/types.storeError
	storeError error
	//go:linkname defaultConfigFile go.podman.io/storage/types.defaultConfigFile
	defaultConfigFile string
	//go:linkname defaultOverrideConfigFile go.podman.io/storage/types.defaultOverrideConfigFile
	defaultOverrideConfigFile string
	//go:linkname defaultStoreOptions go.podman.io/storage/types.defaultStoreOptions
	defaultStoreOptions types.StoreOptions
	//go:linkname prevReloadConfig go.podman.io/storage/types.prevReloadConfig
	prevReloadConfig struct {
		storeOptions *types.StoreOptions
		mod          time.Time
		mutex        sync.Mutex
		configFile   string
	}
	//go:linkname homeDirOnce go.podman.io/storage/pkg/unshare.homeDirOnce
	homeDirOnce sync.Once
	//go:linkname rootlessRuntimeDirOnce go.podman.io/storage/pkg/homedir.rootlessRuntimeDirOnce
	rootlessRuntimeDirOnce sync.Once
	//go:linkname rootlessRuntimeDir go.podman.io/storage/pkg/homedir.rootlessRuntimeDir
	rootlessRuntimeDir string
)

func forget() {
	defaultStoreOptionsOnce, loadDefaultStoreOptionsErr = sync.Once{}, nil
	once, storeOptions, storeError = sync.Once{}, types.StoreOptions{}, nil
	defaultConfigFile = types.SystemConfigFile
	defaultOverrideConfigFile = "/etc/containers/storage.conf"
	defaultStoreOptions = types.StoreOptions{}
	prevReloadConfig.storeOptions, prevReloadConfig.configFile = nil, ""
	homeDirOnce = sync.Once{}
	rootlessRuntimeDirOnce, rootlessRuntimeDir = sync.Once{}, ""
}
