//go:build tools

// Package tools makes the program a requirement of this module.
package tools

import _ "go.podman.io/podman/v6/cmd/podman"
