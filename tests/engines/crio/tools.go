//go:build tools

// Package tools makes the program a requirement of this module.
package tools

import _ "github.com/cri-o/cri-o/cmd/crio"
