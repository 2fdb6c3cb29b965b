"""What a release installs: the Helm chart, and install.yaml, both made from manifests/ and crds/."""
