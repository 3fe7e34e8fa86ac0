// Prints, as JSON, the settings that the storage library of podman 4
// would open its store with on the host whose files are under a directory. It opens none.
//
// Usage: legacy4 ROOT UID
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"syscall"
	_ "unsafe" // for go:linkname

	graphdriver "github.com/containers/storage/drivers"
	_ "github.com/containers/storage/drivers/overlay"
	"github.com/containers/storage/drivers/vfs"
	"github.com/containers/storage/pkg/idtools"
	"github.com/containers/storage/types"
)

type settings struct {
	Driver    string   `json:"driver"`
	GraphRoot string   `json:"graphroot"`
	RunRoot   string   `json:"runroot"`
	Stores    []string `json:"stores"`
}

// The part of the driver's own type that is needed here: its first field.
type overlayOptions struct{ imageStores []string }

// What the driver makes of its options is seen only once it has mounted something.
//
//go:linkname parseOptions github.com/containers/storage/drivers/overlay.parseOptions
func parseOptions(options []string) (*overlayOptions, error)

// enter makes a directory the root, and the process that of a user.
func enter(root, user string) error {
	uid, err := strconv.Atoi(user)
	if err != nil {
		return err
	}
	if err := syscall.Chroot(root); err != nil {
		return err
	}
	if err := os.Chdir("/"); err != nil || uid == 0 {
		return err
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setgid(uid); err != nil {
		return err
	}
	return syscall.Setuid(uid)
}

// stores are the additional image stores in the order in which the driver looks into them.
func stores(options types.StoreOptions) ([]string, error) {
	if options.GraphDriverName != "vfs" {
		parsed, err := parseOptions(options.GraphDriverOptions)
		if err != nil {
			return nil, err
		}
		return parsed.imageStores, nil
	}
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

func load() (settings, error) {
	uid := os.Getuid()
	// podman asks twice: what the first answer read decides where the second looks.
	_, err := types.DefaultStoreOptions(uid != 0, uid)
	if err != nil {
		return settings{}, err
	}
	options, err := types.DefaultStoreOptions(uid != 0, uid)
	if err != nil {
		return settings{}, err
	}
	list, err := stores(options)
	return settings{
		Driver:    options.GraphDriverName,
		GraphRoot: options.GraphRoot,
		RunRoot:   options.RunRoot,
		Stores:    list,
	}, err
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: legacy4 ROOT UID")
		os.Exit(2)
	}
	if err := enter(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	found, err := load()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
