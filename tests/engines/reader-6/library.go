package main

import (
	"context"

	"go.podman.io/common/libimage"
	"go.podman.io/common/pkg/config"
	"go.podman.io/storage"
	"go.podman.io/storage/pkg/reexec"
)

type image = libimage.Image

type libraries struct {
	store   storage.Store
	runtime *libimage.Runtime
}

// reexecuted is whether the library started this process for something of its own.
func reexecuted() bool {
	return reexec.Init()
}

func open(graphRoot, runRoot string, options []string) (*libraries, error) {
	store, err := storage.GetStore(storage.StoreOptions{
		GraphRoot:          graphRoot,
		RunRoot:            runRoot,
		GraphDriverName:    "overlay",
		GraphDriverOptions: options,
	})
	if err != nil {
		return nil, err
	}
	runtime, err := libimage.RuntimeFromStore(store, nil)
	return &libraries{store, runtime}, err
}

func (l *libraries) list(ctx context.Context) ([]*image, error) {
	filters := []string{"intermediate=false"}
	return l.runtime.ListImages(ctx, &libimage.ListImagesOptions{Filters: filters, SetListData: true})
}

// passesOver is whether an image with this error is left out of the list.
func passesOver(err error) bool {
	return libimage.ErrorIsImageUnknown(err)
}

// mount makes a container and mounts it.
func (l *libraries) mount(ctx context.Context, name string) (string, func() error, error) {
	images, err := l.runtime.Pull(ctx, name, config.PullPolicyNever, nil)
	if err != nil {
		return "", nil, err
	}
	if _, err := images[0].Inspect(ctx, nil); err != nil {
		return "", nil, err
	}
	options := &storage.ContainerOptions{}
	options.HostUIDMapping, options.HostGIDMapping = true, true
	container, err := l.store.CreateContainer("", nil, images[0].ID(), "", "", options)
	if err != nil {
		return "", nil, err
	}
	remove := func() error { return l.store.DeleteContainer(container.ID) }
	mounted, err := l.store.Mount(container.ID, "")
	if err != nil {
		_ = remove()
		return "", nil, err
	}
	return mounted, func() error {
		if _, err := l.store.Unmount(container.ID, true); err != nil {
			return err
		}
		return remove()
	}, nil
}

func (l *libraries) save(ctx context.Context, names []string, archive string) error {
	return l.runtime.Save(ctx, names, "docker-archive", archive, nil)
}
