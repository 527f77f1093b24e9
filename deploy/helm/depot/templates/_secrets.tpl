{{/* The keys of one program's Secret, which are the names of its variables: a YAML list. */}}
{{- define "depot.secretKeys" -}}
{{- $v := .root.Values -}}
{{- $uses := (include "depot.factsOf" . | fromYaml).uses -}}
{{- $keys := list -}}
{{- if has "owner" $uses -}}{{- $keys = append $keys "MIGRATE_DATABASE_URL" -}}
{{- else if has "postgres" $uses -}}{{- $keys = append $keys "DATABASE_URL" -}}{{- end -}}
{{- if and (has "kafka" $uses) (hasPrefix "sasl_" $v.kafka.securityProtocol) -}}
  {{- $keys = concat $keys (list "KAFKA_USERNAME" "KAFKA_PASSWORD") -}}
{{- end -}}
{{- if has "redis" $uses -}}{{- $keys = append $keys "REDIS_ADDR" -}}{{- end -}}
{{- if has "object-store" $uses -}}{{- $keys = concat $keys (list "MINIO_ACCESS_KEY" "MINIO_SECRET_KEY") -}}{{- end -}}
{{- if and (has "tokens" $uses) $v.jwt.sharedSecret -}}{{- $keys = append $keys "JWT_SECRET" -}}{{- end -}}
{{- if and (has "service-tokens" $uses) $v.jwt.serviceTokenSecret -}}{{- $keys = append $keys "SERVICE_TOKEN_SECRET" -}}{{- end -}}
{{- if and (has "cursors" $uses) $v.jwt.cursorSecret -}}{{- $keys = append $keys "CURSOR_SECRET" -}}{{- end -}}
{{- toYaml $keys -}}
{{- end }}

{{- define "depot.secretName" -}}
{{ .values.existingSecret | default (printf "%s-%s" (include "depot.fullname" .root) .name) }}
{{- end }}

{{/* One by one, so that a key that is missing is named when the container is made, and nothing else comes along. */}}
{{- define "depot.secretEnv" -}}
{{- range include "depot.secretKeys" . | fromYamlArray }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ include "depot.secretName" $ }}, key: {{ . }}}}
{{- end }}
{{- end }}

{{/* A Secret of the release, from values. For trying out: the values of a release can be read by whoever reads it. */}}
{{- define "depot.secret" -}}
{{- $keys := include "depot.secretKeys" . | fromYamlArray -}}
{{- if and $keys (not .values.existingSecret) }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ include "depot.secretName" . }}
  labels: {{- include "depot.labels" . | nindent 4 }}
type: Opaque
stringData:
  {{- range $keys }}
  {{ . }}: {{ required (printf "%s: set existingSecret, or secret.%s" $.name .) (get (default dict $.values.secret) .) | quote }}
  {{- end }}
{{- end }}
{{- end }}
