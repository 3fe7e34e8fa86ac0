package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/sirupsen/logrus"
)

// A host, and the whole environment of the engine there.
type request struct {
	Root      string            `json:"root"`
	Variables map[string]string `json:"variables"`
}

// What the library made of a host, and what it warned of.
type answer struct {
	*settings
	Error string `json:"error,omitempty"`
	Said  string `json:"said,omitempty"`
}

type server struct {
	uid     int
	program string
	// The root directory of the test machine.
	outside *os.File
	// What the library prints, by whatever way.
	said   bytes.Buffer
	silent *os.File
	// Whether a host was read before.
	used bool
}

// serve answers each line of the standard input with a line.
//
// Between two hosts the process is root, without which there is no way back from a host's
// tree. While it reads one, it is the user with every right of root's laid down, and what
// it has to know for the way back is root's uid as the saved one.
func serve(uid int) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	outside, err := os.Open("/")
	if err != nil {
		return err
	}
	silent, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err := groups(uid); err != nil {
		return err
	}
	server := server{uid: uid, program: program, outside: outside, silent: silent}
	logrus.SetOutput(&server.said)
	input, output := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	// The library of podman 4 prints some warnings to the standard output.
	os.Stdout = silent
	for {
		line, err := input.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		answer, err := server.answer(line)
		if err != nil {
			return err
		}
		if _, err := output.Write(append(answer, '\n')); err != nil {
			return err
		}
		if err := output.Flush(); err != nil {
			return err
		}
	}
}

func (s *server) answer(line []byte) ([]byte, error) {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	// Without HOME the list of users is asked, once in the life of a process: Go's own
	// library remembers the answer and cannot be made to forget it.
	if s.used && asked.Variables["HOME"] == "" {
		return s.anew(line)
	}
	s.used = true
	forget()
	s.said.Reset()
	os.Clearenv()
	for name, value := range asked.Variables {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	if err := enter(asked.Root); err != nil {
		return nil, err
	}
	if err := syscall.Setresuid(s.uid, s.uid, 0); err != nil {
		return nil, err
	}
	var answer answer
	found, err := recovered()
	if err == nil {
		answer.settings = &found
	} else {
		answer.Error = err.Error()
	}
	answer.Said = s.said.String()
	if err := syscall.Setresuid(0, 0, 0); err != nil {
		return nil, err
	}
	if err := s.outside.Chdir(); err != nil {
		return nil, err
	}
	if err := syscall.Chroot("."); err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// recovered makes an error of the library's panics.
func recovered() (found settings, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v", reason)
		}
	}()
	return load()
}

// anew has a new process answer.
func (s *server) anew(line []byte) ([]byte, error) {
	command := exec.Command(s.program, "serve", strconv.Itoa(s.uid))
	command.Stdin = bytes.NewReader(line)
	command.Stderr = os.Stderr
	answer, err := command.Output()
	return bytes.TrimSpace(answer), err
}
