{{/* The manifests in files/ are copies of manifests/ and crds/ (make chart). Names in a namespace are fixed: a namespace has one release. */}}

{{/* Names of objects of the cluster begin with the name of the release: imagejob-operator becomes NAME-operator. */}}
{{- define "imagejob.clusterName" -}}
{{ printf "%s-%s" .root.Release.Name (trimPrefix "imagejob-" .name) }}
{{- end }}

{{/* The objects of a file in the namespace of the release. `namespace` and `labels` are optional. */}}
{{- define "imagejob.manifest" -}}
{{- $text := .root.Files.Get (printf "files/%s" .file) | replace "imagejob-system" .root.Release.Namespace }}
{{- range $document := splitList "\n---\n" $text }}
{{- $object := fromYaml $document }}
{{- $metadata := $object.metadata }}
{{- if has $object.kind (list "ClusterRole" "ClusterRoleBinding" "FlowSchema") }}
{{- $_ := set $metadata "name" (include "imagejob.clusterName" (dict "root" $.root "name" $metadata.name)) }}
{{- else }}
{{- $_ := set $metadata "namespace" (default $.root.Release.Namespace $.namespace) }}
{{- end }}
{{- with $object.roleRef }}
{{- if eq .kind "ClusterRole" }}
{{- $_ := set . "name" (include "imagejob.clusterName" (dict "root" $.root "name" .name)) }}
{{- end }}
{{- end }}
{{- with $.labels }}
{{- $_ := set $metadata "labels" (merge (deepCopy .) (default dict $metadata.labels)) }}
{{- end }}
{{- if not (has (printf "%s/%s" $object.kind $metadata.name) (default list $.without)) }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end }}

{{/* The image of a program; the tag is the chart's appVersion if it is empty. */}}
{{- define "imagejob.image" -}}
{{ printf "%s:%s" .image.repository (default .root.Chart.AppVersion .image.tag) }}
{{- end }}

{{/* The namespaces that the operator may serve, as {"names": [...]}; none is all. */}}
{{- define "imagejob.namespaces" -}}
{{- $names := list }}
{{- range splitList "," (toString (default "" .Values.settings.IMAGEJOB_WATCH_NAMESPACES)) }}
{{- $names = append $names (trim .) }}
{{- end }}
{{- dict "names" (compact $names) | toJson }}
{{- end }}

{{/* The settings as the data of a ConfigMap: numbers and booleans as text. */}}
{{- define "imagejob.settings" -}}
{{- $processor := include "imagejob.image" (dict "root" . "image" .Values.processorImage) }}
{{- range $name, $value := merge (dict "IMAGEJOB_PROCESSOR_IMAGE" $processor) .Values.settings }}
{{ $name }}: {{ (kindIs "float64" $value | ternary (int64 $value) $value) | toString | quote }}
{{- end }}
{{- end }}

{{/* The name of the Lease: see IMAGEJOB_INSTALLATION. */}}
{{- define "imagejob.lease" -}}
imagejob-{{ default "default" .Values.settings.IMAGEJOB_INSTALLATION }}
{{- end }}
