//go:build tools

// Package tools makes the program a requirement of this module.
package tools

import _ "github.com/containers/podman/v4/cmd/podman"
