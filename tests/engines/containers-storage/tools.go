//go:build tools

// Package tools makes the program a requirement of this module.
package tools

import _ "go.podman.io/storage/cmd/containers-storage"
