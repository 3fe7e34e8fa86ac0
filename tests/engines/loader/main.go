// Prints, as JSON, the settings that a version of the storage library would open its
// store with on the host whose files are under a directory. It opens none.
//
// Usage:
//
//	LOADER ROOT UID     one host, in this process's environment
//	LOADER serve UID    a host for each line of the standard input
//
// The files of this directory belong to each loader, which has symlinks to them and
// files of its own for what its version of the library does in its own way:
//
//	load    reads the host
//	forget  makes the library forget what it remembers of the host before
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

type settings struct {
	// The driver as it is configured, and the one that is used, whatever decides that.
	Driver     string   `json:"driver"`
	Uses       string   `json:"uses"`
	GraphRoot  string   `json:"graphroot"`
	RunRoot    string   `json:"runroot"`
	ImageStore string   `json:"imagestore"`
	Stores     []string `json:"stores"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func run() error {
	if len(os.Args) != 3 {
		return errors.New("usage: LOADER ROOT|serve UID")
	}
	uid, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	if os.Args[1] == "serve" {
		return serve(uid)
	}
	// The user's own group and no other.
	if err := groups(uid); err != nil {
		return err
	}
	if err := enter(os.Args[1]); err != nil {
		return err
	}
	if err := syscall.Setuid(uid); err != nil {
		return err
	}
	found, err := load()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

// groups makes the process one of a user's group and of no other.
func groups(uid int) error {
	if uid == 0 {
		return nil
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	return syscall.Setgid(uid)
}

// enter makes a directory the root.
func enter(root string) error {
	if err := syscall.Chroot(root); err != nil {
		return err
	}
	return os.Chdir("/")
}
