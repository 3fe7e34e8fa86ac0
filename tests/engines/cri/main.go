// Asks a container runtime what a kubelet asks, over the Container Runtime Interface.
//
//	cri SOCKET version
//	cri SOCKET images               a line an image: its names, or its id where it has none
//	cri SOCKET find IMAGE…          a line of JSON an image: its id, size and names, or null
//	cri SOCKET pull IMAGE
//	cri SOCKET run IMAGE COMMAND…   in a pod with the host's network; its output and exit status
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func main() {
	status, err := ask(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		status = 125
	}
	os.Exit(status)
}

type client struct {
	context.Context
	cri.RuntimeServiceClient
	cri.ImageServiceClient
}

func ask(socket string, args []string) (int, error) {
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return 0, err
	}
	// An emulated machine takes its time.
	within, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	asked := client{within, cri.NewRuntimeServiceClient(connection), cri.NewImageServiceClient(connection)}
	switch {
	case len(args) == 1 && args[0] == "version":
		answer, err := asked.Version(within, &cri.VersionRequest{})
		if err == nil {
			fmt.Println(answer.RuntimeName, answer.RuntimeVersion)
		}
		return 0, err
	case len(args) == 1 && args[0] == "images":
		return 0, asked.images()
	case len(args) > 1 && args[0] == "find":
		return 0, asked.find(args[1:])
	case len(args) == 2 && args[0] == "pull":
		_, err := asked.PullImage(within, &cri.PullImageRequest{Image: &cri.ImageSpec{Image: args[1]}})
		return 0, err
	case len(args) > 2 && args[0] == "run":
		return asked.run(args[1], args[2:])
	}
	return 0, errors.New("usage: cri SOCKET version | images | find IMAGE… | pull IMAGE | run IMAGE COMMAND…")
}

func (asked client) images() error {
	answer, err := asked.ListImages(asked, &cri.ListImagesRequest{})
	if err != nil {
		return err
	}
	for _, image := range answer.Images {
		names := append(image.RepoTags, image.RepoDigests...)
		if len(names) == 0 {
			names = []string{image.Id}
		}
		fmt.Println(strings.Join(names, " "))
	}
	return nil
}

func (asked client) find(images []string) error {
	lines := json.NewEncoder(os.Stdout)
	for _, image := range images {
		answer, err := asked.ImageStatus(asked, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: image}})
		if err != nil {
			return err
		}
		var line []any
		if found := answer.Image; found != nil {
			line = []any{found.Id, found.Size, append([]string{}, found.RepoTags...)}
		}
		if err := lines.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func (asked client) run(image string, command []string) (status int, err error) {
	name := fmt.Sprintf("cri-%d", time.Now().UnixNano())
	// The runtime makes it, where SELinux's policy has it.
	logs := filepath.Join("/var/log/crio/pods", name)
	defer os.RemoveAll(logs)
	host := &cri.NamespaceOption{Network: cri.NamespaceMode_NODE, Pid: cri.NamespaceMode_CONTAINER}
	pod := &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: name, Uid: name, Namespace: "default"},
		LogDirectory: logs,
		Linux:        &cri.LinuxPodSandboxConfig{SecurityContext: &cri.LinuxSandboxSecurityContext{NamespaceOptions: host}},
	}
	sandbox, err := asked.RunPodSandbox(asked, &cri.RunPodSandboxRequest{Config: pod})
	if err != nil {
		return 0, err
	}
	defer func() {
		_, failed := asked.RemovePodSandbox(asked, &cri.RemovePodSandboxRequest{PodSandboxId: sandbox.PodSandboxId})
		err = errors.Join(err, failed)
	}()
	made, err := asked.CreateContainer(asked, &cri.CreateContainerRequest{
		PodSandboxId:  sandbox.PodSandboxId,
		SandboxConfig: pod,
		Config: &cri.ContainerConfig{
			Metadata: &cri.ContainerMetadata{Name: name},
			Image:    &cri.ImageSpec{Image: image},
			Command:  command,
			LogPath:  "log",
			Linux: &cri.LinuxContainerConfig{
				SecurityContext: &cri.LinuxContainerSecurityContext{NamespaceOptions: host},
			},
		},
	})
	if err != nil {
		return 0, err
	}
	if _, err := asked.StartContainer(asked, &cri.StartContainerRequest{ContainerId: made.ContainerId}); err != nil {
		return 0, err
	}
	for {
		answer, err := asked.ContainerStatus(asked, &cri.ContainerStatusRequest{ContainerId: made.ContainerId})
		if err != nil {
			return 0, err
		}
		if answer.Status.State == cri.ContainerState_CONTAINER_EXITED {
			status = int(answer.Status.ExitCode)
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	text, err := os.ReadFile(filepath.Join(logs, "log"))
	if err != nil {
		return status, err
	}
	// Each line has a time, the name of the stream, and whether it is whole before what was printed.
	for line := range strings.Lines(string(text)) {
		if parts := strings.SplitN(line, " ", 4); len(parts) == 4 {
			fmt.Print(parts[3])
		}
	}
	return status, nil
}
