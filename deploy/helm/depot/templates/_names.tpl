{{- define "depot.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains "depot" .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-depot" .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* What is selected by; never changes while a release lives. (dict "root" $ "name" "command-api") */}}
{{- define "depot.selectorLabels" -}}
app.kubernetes.io/name: depot
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "depot.labels" -}}
{{ include "depot.selectorLabels" . }}
app.kubernetes.io/part-of: depot
{{- end }}

{{/* A service may lag behind in the middle of an upgrade: its own tag wins over that of all. */}}
{{- define "depot.tag" -}}
{{- $own := default dict (default dict .values).image -}}
{{ coalesce $own.tag .root.Values.image.tag .root.Chart.AppVersion }}
{{- end }}

{{- define "depot.image" -}}
{{- $image := .root.Values.image -}}
{{- $own := default dict (default dict .values).image -}}
{{- if and $image.digest (not $own.tag) -}}
{{ printf "%s@%s" $image.repository $image.digest }}
{{- else -}}
{{ printf "%s:%s" $image.repository (include "depot.tag" .) }}
{{- end -}}
{{- end }}
