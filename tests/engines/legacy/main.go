// Prints, as JSON, the settings that the storage library of podman 5 and CRI-O
// would open its store with on the host whose files are under a directory. It opens none.
//
// Usage: legacy ROOT UID
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"syscall"
	_ "unsafe" // for go:linkname

	graphdriver "go.podman.io/storage/drivers"
	_ "go.podman.io/storage/drivers/overlay"
	"go.podman.io/storage/drivers/vfs"
	"go.podman.io/storage/types"
)

type settings struct {
	Driver     string   `json:"driver"`
	GraphRoot  string   `json:"graphroot"`
	RunRoot    string   `json:"runroot"`
	ImageStore string   `json:"imagestore"`
	Stores     []string `json:"stores"`
}

// The part of the driver's own type that is needed here: its first field.
type overlayOptions struct{ imageStores []string }

// What the driver makes of its options is seen only once it has mounted something.
//
//go:linkname parseOptions go.podman.io/storage/drivers/overlay.parseOptions
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
	driver, err := vfs.Init(home, graphdriver.Options{DriverOptions: options.GraphDriverOptions})
	if err != nil {
		return nil, err
	}
	return driver.AdditionalImageStores(), nil
}

func load() (settings, error) {
	options, err := types.DefaultStoreOptions()
	if err != nil {
		return settings{}, err
	}
	list, err := stores(options)
	return settings{
		Driver:     options.GraphDriverName,
		GraphRoot:  options.GraphRoot,
		RunRoot:    options.RunRoot,
		ImageStore: options.ImageStore,
		Stores:     list,
	}, err
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: legacy ROOT UID")
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
