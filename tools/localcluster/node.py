"""Configuration and command lines of containerd, CNI, kubelet, kube-proxy and CoreDNS."""

import json
from dataclasses import dataclass
from pathlib import Path

from localcluster.addresses import Addresses
from localcluster.cgroups import ClusterCgroup
from localcluster.commands import program
from localcluster.errors import ClusterError
from localcluster.mounts import is_on_overlay
from localcluster.paths import Layout
from localcluster.pki import ADMIN, NODE, NODE_NAME, PROXY, kubeconfig_path
from localcluster.program_images import PAUSE

CNI_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")


@dataclass(frozen=True)
class Node:
    """The node of a cluster."""

    layout: Layout
    addresses: Addresses
    cgroup: ClusterCgroup
    binaries: Path

    def write_configuration(self) -> None:
        """Write every file that the command lines name."""
        for folder in (self.layout.config("cni"), self.layout.registry_hosts):
            folder.mkdir(parents=True, exist_ok=True)
        self.layout.config("containerd.toml").write_text(self.containerd_configuration())
        self.layout.config("cni/10-bridge.conflist").write_text(self.cni_configuration())
        self.layout.config("kubelet.yaml").write_text(self.kubelet_configuration())
        self.layout.config("kube-proxy.yaml").write_text(self.proxy_configuration())
        self.layout.config("Corefile").write_text(self.dns_configuration())

    def containerd_configuration(self) -> str:
        """Return containerd's configuration, which shares nothing with other instances."""
        root = self.layout.root
        return f"""\
version = 2
root = "{root}/ctd/root"
state = "{root}/ctd/state"
[grpc]
  address = "{self.layout.containerd_socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # Without CAP_SYS_RESOURCE, sandboxes could not be created otherwise.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{"native" if is_on_overlay(root) else "overlayfs"}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = "{root}/ctd/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{_cni_folder()}"
    conf_dir = "{self.layout.config("cni")}"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{self.layout.registry_hosts}"
"""

    def cni_configuration(self) -> str:
        """Return the configuration of the Pod network: a bridge and a route to the node."""
        bridge = {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": str(self.addresses.pods)}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
        network = {"cniVersion": "1.0.0", "name": f"imagejob-{self.layout.name}", "plugins": [bridge]}
        return json.dumps(network, indent=1)

    def kubelet_configuration(self) -> str:
        """Return the kubelet's configuration."""
        return f"""\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {{enabled: false}}
  webhook: {{enabled: true}}
  x509: {{clientCAFile: {self.layout.pki("ca.crt")}}}
authorization: {{mode: Webhook}}
cgroupDriver: cgroupfs
cgroupRoot: {self.cgroup.path}
clusterDNS: [{self.addresses.node}]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix://{self.layout.containerd_socket}
enforceNodeAllocatable: []
evictionHard: {{memory.available: 100Mi, nodefs.available: 1Gi, imagefs.available: 1Gi}}
failCgroupV1: false
failSwapOn: false
imageGCHighThresholdPercent: 100
makeIPTablesUtilChains: false
maxPods: 250
nodeLeaseDurationSeconds: 10
oomScoreAdj: 0
podLogsDir: {self.layout.root}/pod-logs
resolvConf: {self.layout.config("resolv.conf")}
serializeImagePulls: false
volumePluginDir: {self.layout.root}/volume-plugins
"""

    def proxy_configuration(self) -> str:
        """Return kube-proxy's configuration."""
        return f"""\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
bindAddress: {self.addresses.node}
clientConnection: {{kubeconfig: {kubeconfig_path(self.layout, PROXY)}}}
clusterCIDR: {self.addresses.pods}
conntrack: {{maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}}
healthzBindAddress: 127.0.0.1:10256
hostnameOverride: {NODE_NAME}
metricsBindAddress: 127.0.0.1:10249
mode: nftables
oomScoreAdj: 0
"""

    def dns_configuration(self) -> str:
        """Return CoreDNS's configuration, for names of the cluster only."""
        return f"""\
.:53 {{
  bind {self.addresses.node}
  errors
  ready {self.addresses.node}:8181
  kubernetes cluster.local in-addr.arpa ip6.arpa {{
    kubeconfig {kubeconfig_path(self.layout, ADMIN)}
  }}
  cache 5
}}
"""

    def containerd(self) -> list[str]:
        """Return containerd's command."""
        return [program("containerd"), "--config", str(self.layout.config("containerd.toml"))]

    def kubelet(self) -> list[str]:
        """Return the kubelet's command."""
        return [
            str(self.binaries / "kubelet"),
            f"--kubeconfig={kubeconfig_path(self.layout, NODE)}",
            f"--config={self.layout.config('kubelet.yaml')}",
            f"--hostname-override={NODE_NAME}",
            f"--root-dir={self.layout.root / 'kubelet'}",
            f"--cert-dir={self.layout.root / 'kubelet-pki'}",
            f"--node-ip={self.addresses.node}",
        ]

    def proxy(self) -> list[str]:
        """Return kube-proxy's command."""
        return [str(self.binaries / "kube-proxy"), f"--config={self.layout.config('kube-proxy.yaml')}"]

    def dns(self, coredns: Path) -> list[str]:
        """Return CoreDNS's command."""
        return [str(coredns / "coredns"), "-conf", str(self.layout.config("Corefile"))]


def _cni_folder() -> str:
    for folder in CNI_FOLDERS:
        if Path(folder, "bridge").exists():
            return folder
    raise ClusterError(f"CNI plugins found in none of {', '.join(CNI_FOLDERS)}")
