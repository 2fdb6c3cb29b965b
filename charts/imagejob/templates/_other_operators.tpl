{{/* Fails if another operator of the cluster handles the same ImageJobs. A template that is rendered without a cluster finds none. */}}
{{- define "imagejob.refuseOtherOperators" -}}
{{- $class := default "" .Values.settings.IMAGEJOB_CLASS }}
{{- $names := (include "imagejob.namespaces" . | fromJson).names }}
{{- range (lookup "apps/v1" "Deployment" "" "").items }}
{{- $place := .metadata.namespace }}
{{- if and (eq (dig "labels" "app.kubernetes.io/name" "" .metadata) "imagejob-operator") (ne $place $.Release.Namespace) }}
{{- $data := dict }}
{{- range (first .spec.template.spec.containers).envFrom }}
{{- with .configMapRef }}
{{- $data = merge $data (default dict (lookup "v1" "ConfigMap" $place .name).data) }}
{{- end }}
{{- end }}
{{- $theirs := (include "imagejob.namespaces" (dict "Values" (dict "settings" $data)) | fromJson).names }}
{{- $shared := or (empty $names) (empty $theirs) }}
{{- range $theirs }}
{{- $shared = or $shared (has . $names) }}
{{- end }}
{{- if and $shared (eq $class (default "" $data.IMAGEJOB_CLASS)) }}
{{- fail (printf "the operator in namespace %q handles the same ImageJobs, those of class %q: set settings.IMAGEJOB_CLASS to a class that no other operator has, or settings.IMAGEJOB_WATCH_NAMESPACES of both to different namespaces" $place $class) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
