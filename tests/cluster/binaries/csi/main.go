// Command csi is a CSI driver for inline volumes that writes what it is told: each attribute of a volume is a file
// of that name, and each value of its Secret, too. It serves kubelet on two sockets until it is ended.
package main

import (
	"context"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// What kubelet adds to the attributes of a volume by itself.
const fromKubelet = "csi.storage.k8s.io/"

type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedNodeServer
	registration.UnsafeRegistrationServer
	name, socket, node string
}

func (d *driver) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: d.name, Endpoint: d.socket, SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (d *driver) NotifyRegistrationStatus(
	_ context.Context, status *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		log.Fatalf("kubelet does not take the driver: %s", status.Error)
	}
	return &registration.RegistrationStatusResponse{}, nil
}

func (d *driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: d.name, VendorVersion: "1"}, nil
}

func (d *driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.node}, nil
}

func (d *driver) NodeGetCapabilities(
	context.Context, *csi.NodeGetCapabilitiesRequest,
) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

func (d *driver) NodePublishVolume(
	_ context.Context, asked *csi.NodePublishVolumeRequest,
) (*csi.NodePublishVolumeResponse, error) {
	if err := os.MkdirAll(asked.TargetPath, 0o755); err != nil {
		return nil, err
	}
	for _, texts := range []map[string]string{asked.VolumeContext, asked.Secrets} {
		for name, text := range texts {
			if strings.HasPrefix(name, fromKubelet) {
				continue
			}
			if err := os.WriteFile(filepath.Join(asked.TargetPath, filepath.Base(name)), []byte(text), 0o644); err != nil {
				return nil, err
			}
		}
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (d *driver) NodeUnpublishVolume(
	_ context.Context, asked *csi.NodeUnpublishVolumeRequest,
) (*csi.NodeUnpublishVolumeResponse, error) {
	return &csi.NodeUnpublishVolumeResponse{}, os.RemoveAll(asked.TargetPath)
}

func listen(socket string) net.Listener {
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: csi NAME KUBELET_FOLDER NODE")
	}
	name, folder := os.Args[1], os.Args[2]
	plugin := filepath.Join(folder, "plugins", name)
	d := &driver{name: name, socket: filepath.Join(plugin, "csi.sock"), node: os.Args[3]}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, d)
	csi.RegisterNodeServer(server, d)
	go server.Serve(listen(d.socket))
	// Kubelet looks into this folder, and asks the driver at the other socket at once.
	registrar := grpc.NewServer()
	registration.RegisterRegistrationServer(registrar, d)
	go registrar.Serve(listen(filepath.Join(folder, "plugins_registry", name+".sock")))
	<-ended
	registrar.Stop()
	server.Stop()
	os.RemoveAll(plugin)
}
