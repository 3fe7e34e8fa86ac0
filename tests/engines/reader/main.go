// Does with image stores what podman does, by the libraries of a version of podman, and
// prints a line for each question: its name, 0 or 125, and the answer.
//
//	READER GRAPHROOT RUNROOT "STORE…" "IMAGE…" OTHER QUESTION…
//
//	info     does it start?
//	images   what is listed
//	use      the files of each IMAGE in a mounted container, as one number
//	other    the same of OTHER
//	save     the IMAGEs as an archive
//
// It answers until it is done or dies; who asks goes on with the next question then. The
// files of this directory belong to each reader, which has symlinks to them and one of its
// own for its version of the libraries.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

func main() {
	if reexecuted() {
		return
	}
	logrus.SetOutput(io.Discard)
	args := os.Args
	images := &reader{graphRoot: args[1], runRoot: args[2], stores: strings.Fields(args[3])}
	questions := map[string]func() (string, error){
		"info":   images.info,
		"images": images.list,
		"use":    func() (string, error) { return each(args[4], images.use) },
		"other":  func() (string, error) { return images.use(args[5]) },
		"save":   func() (string, error) { return images.save(strings.Fields(args[4])) },
	}
	for _, name := range args[6:] {
		answer, err := questions[name]()
		status := 0
		if err != nil {
			status, answer = 125, err.Error()
		}
		fmt.Printf("%s %d %s\n", name, status, strings.ReplaceAll(answer, "\n", " "))
	}
}

// each asks about several names, and fails if one does.
func each(names string, ask func(string) (string, error)) (string, error) {
	answers := []string{}
	var failed error
	for _, name := range strings.Fields(names) {
		answer, err := ask(name)
		failed = errors.Join(failed, err)
		answers = append(answers, answer)
	}
	return strings.Join(answers, " "), failed
}

type reader struct {
	graphRoot, runRoot string
	stores             []string
	opened             *libraries
}

// open opens all stores, as every command does.
func (r *reader) open() (*libraries, error) {
	if r.opened != nil {
		return r.opened, nil
	}
	options := []string{}
	for _, store := range r.stores {
		options = append(options, "overlay.imagestore="+store)
	}
	opened, err := open(r.graphRoot, r.runRoot, options)
	r.opened = opened
	return opened, err
}

func (r *reader) info() (string, error) {
	_, err := r.open()
	return "ok", err
}

// list asks of each image what `podman images` shows.
func (r *reader) list() (string, error) {
	opened, err := r.open()
	if err != nil {
		return "", err
	}
	ctx := context.Background()
	images, err := opened.list(ctx)
	if err != nil {
		return "", err
	}
	lines := []string{}
	for _, image := range images {
		line, err := shown(ctx, image)
		if err != nil && !passesOver(err) {
			return "", err
		}
		if err == nil {
			lines = append(lines, line)
		}
	}
	sort.Strings(lines)
	return strings.Join(lines, "; "), nil
}

func shown(ctx context.Context, image *image) (string, error) {
	if _, err := image.RepoDigests(); err != nil {
		return "", err
	}
	if _, err := image.IsDangling(ctx); err != nil {
		return "", err
	}
	if _, err := image.Labels(ctx); err != nil {
		return "", err
	}
	if _, err := image.Containers(); err != nil {
		return "", err
	}
	if _, err := image.Size(); err != nil {
		return "", err
	}
	if _, err := image.Parent(ctx); err != nil {
		return "", err
	}
	return fmt.Sprint(image.ID(), image.Names(), image.Digest()), nil
}

func (r *reader) use(name string) (string, error) {
	opened, err := r.open()
	if err != nil {
		return "", err
	}
	mounted, remove, err := opened.mount(context.Background(), name)
	if err != nil {
		return "", err
	}
	answer, err := tree(mounted)
	if err := remove(); err != nil {
		return "", err
	}
	return answer, err
}

func (r *reader) save(names []string) (string, error) {
	opened, err := r.open()
	if err != nil {
		return "", err
	}
	archive := filepath.Join(r.runRoot, "archive")
	defer os.Remove(archive)
	return "ok", opened.save(context.Background(), names, archive)
}

// tree is a number for everything in a directory: names, kinds, modes, owners, times,
// attributes, content. What cannot be read counts as that: the engine has mounted it.
func tree(root string) (string, error) {
	all := sha256.New()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = file(all, root, path)
		}
		var errno syscall.Errno
		if errors.As(err, &errno) {
			fmt.Fprintf(all, " %q %v", strings.TrimPrefix(path, root), errno)
			return nil
		}
		return err
	})
	return hex.EncodeToString(all.Sum(nil)), err
}

// file writes everything of a file.
func file(all io.Writer, root, path string) error {
	var stat syscall.Stat_t
	if err := syscall.Lstat(path, &stat); err != nil {
		return err
	}
	name := strings.TrimPrefix(path, root)
	fmt.Fprintf(all, "%q %o %d %d %d", name, stat.Mode, stat.Uid, stat.Gid, stat.Rdev)
	// A container's own directory stands at the root.
	if name != "" {
		fmt.Fprintf(all, " %d", stat.Mtim.Sec)
	}
	list := make([]byte, 1<<16)
	length, err := unix.Llistxattr(path, list)
	if err != nil {
		return err
	}
	for _, attribute := range strings.Split(string(list[:length]), "\x00") {
		if attribute == "" || attribute == "security.selinux" {
			continue
		}
		value := make([]byte, 1<<16)
		length, err := unix.Lgetxattr(path, attribute, value)
		if err != nil {
			return err
		}
		fmt.Fprintf(all, " %q=%q", attribute, value[:length])
	}
	switch stat.Mode & syscall.S_IFMT {
	case syscall.S_IFLNK:
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(all, " %q", target)
	case syscall.S_IFREG:
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		if _, err := io.Copy(all, file); err != nil {
			return err
		}
	}
	return nil
}
