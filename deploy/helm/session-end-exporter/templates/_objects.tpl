{{/* The name of the objects. */}}
{{- define "session-end-exporter.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Labels of every object. The name is also the job of the alerts about the exporter. */}}
{{- define "session-end-exporter.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/*
An object of deploy/kubernetes with the names, the namespace and the labels of this release. `file` is a path in files/.
Wherever the object has or selects the label of the name, it also gets the label of the release: two releases in one
namespace must not select each other's pods.
*/}}
{{- define "session-end-exporter.object" -}}
{{- $instance := printf "${0}\n${1}app.kubernetes.io/instance: %q" .root.Release.Name }}
{{- $text := .root.Files.Get (printf "files/%s" .file) }}
{{- $object := regexReplaceAll `(?m)^( *)app\.kubernetes\.io/name: session-end-exporter$` $text $instance | fromYaml }}
{{- $fullname := include "session-end-exporter.fullname" .root }}
{{- $metadata := $object.metadata }}
{{- $_ := set $metadata "name" ($metadata.name | replace .root.Chart.Name $fullname) }}
{{- $_ = set $metadata "namespace" .root.Release.Namespace }}
{{- $_ = set $metadata "labels" (merge (dict) (include "session-end-exporter.labels" .root | fromYaml) $metadata.labels) }}
{{- toYaml $object }}
{{- end }}
