{{/*
The settings of one program that are no secrets, as a YAML map of strings: (dict "root" $ "name" … "values" …).
Names are bare, without a service's prefix: each program has a ConfigMap of its own.
*/}}
{{- define "depot.settings" -}}
{{- $v := .root.Values -}}
{{- $facts := include "depot.factsOf" . | fromYaml -}}
{{- $uses := $facts.uses -}}
{{- $s := dict "APP_ENV" $v.environment -}}
{{- if has "process" $uses -}}
  {{- $_ := set $s "ADMIN_PORT" $facts.ports.admin -}}
  {{- $_ := set $s "SHUTDOWN_NOTICE_MS" .values.shutdown.noticeMs -}}
  {{- $_ := set $s "SHUTDOWN_DEADLINE_SECONDS" .values.shutdown.deadlineSeconds -}}
  {{- if $v.telemetry.otlpEndpoint -}}{{- $_ := set $s "OTEL_EXPORTER_OTLP_ENDPOINT" $v.telemetry.otlpEndpoint -}}{{- end -}}
{{- end -}}
{{- if hasKey $facts.ports "http" -}}{{- $_ := set $s "PORT" $facts.ports.http -}}{{- end -}}
{{- if hasKey $facts.ports "grpc" -}}{{- $_ := set $s "GRPC_PORT" $facts.ports.grpc -}}{{- end -}}
{{- if and (has "postgres" $uses) $v.postgres.tlsMode -}}
  {{- $_ := set $s "DATABASE_TLS_MODE" $v.postgres.tlsMode -}}
{{- end -}}
{{- if has "kafka" $uses -}}
  {{- $_ := set $s "KAFKA_BROKERS" (include "depot.kafkaBrokers" .root) -}}
  {{- $_ := set $s "KAFKA_SECURITY_PROTOCOL" $v.kafka.securityProtocol -}}
  {{- if hasPrefix "sasl_" $v.kafka.securityProtocol -}}
    {{- $_ := set $s "KAFKA_SASL_MECHANISM" $v.kafka.saslMechanism -}}
  {{- end -}}
  {{- if $v.kafka.topicPartitions -}}{{- $_ := set $s "TOPIC_PARTITIONS" $v.kafka.topicPartitions -}}{{- end -}}
{{- end -}}
{{- if or (has "kafka" $uses) (eq .name "query-api") -}}{{- $_ := set $s "TOPIC_PREFIX" $v.topicPrefix -}}{{- end -}}
{{- if has "object-store" $uses -}}
  {{- $_ := set $s "MINIO_ENDPOINT" (include "depot.objectStoreEndpoint" .root) -}}
  {{- $_ := set $s "MINIO_PUBLIC_ENDPOINT" $v.objectStore.publicEndpoint -}}
  {{- $_ := set $s "S3_REGION" $v.objectStore.region -}}
  {{- $_ := set $s "S3_BUCKET" $v.objectStore.bucket -}}
  {{- $_ := set $s "S3_STAGING_BUCKET" $v.objectStore.stagingBucket -}}
{{- end -}}
{{- if has "tokens" $uses -}}
  {{- $_ := set $s "JWT_ISSUER" $v.jwt.issuer -}}
  {{- $_ := set $s "JWT_AUDIENCE" $v.jwt.audience -}}
  {{- if $v.jwt.jwks.url -}}{{- $_ := set $s "JWT_JWKS_URL" $v.jwt.jwks.url -}}{{- end -}}
{{- end -}}
{{- if and (has "cors" $uses) $v.corsOrigins -}}{{- $_ := set $s "CORS_ORIGINS" (join "," $v.corsOrigins) -}}{{- end -}}
{{- if eq .name "command-api" -}}
  {{- $_ := set $s "QUERY_PUBLIC_URL" $v.queryPublicUrl -}}
  {{- $_ := set $s "UPLOADER_ADMIN_URL" (printf "http://%s-uploader:9183" (include "depot.fullname" .root)) -}}
{{- end -}}
{{- if eq .name "query-api" -}}
  {{- $root := .root -}}
  {{- range $name, $port := include "depot.adminPorts" . | fromYaml -}}
    {{- $variable := printf "%s_ADMIN_URLS" ($name | upper | replace "-" "_") -}}
    {{- $_ := set $s $variable (printf "http://%s-%s-instances:%v" (include "depot.fullname" $root) $name $port) -}}
  {{- end -}}
  {{- $_ := set $s "COMMAND_PUBLIC_URL" $v.commandPublicUrl -}}
{{- end -}}
{{- if and (eq .name "uploader") $v.scanner.address -}}{{- $_ := set $s "SCANNER_ADDR" $v.scanner.address -}}{{- end -}}
{{- if eq .name "topics" -}}
  {{- $_ := set $s "KAFKA_REPLICATION_FACTOR" $v.kafka.replicationFactor -}}
  {{- $_ := set $s "KAFKA_MIN_INSYNC_REPLICAS" $v.kafka.minInsyncReplicas -}}
{{- end -}}
{{- range include "depot.files" . | fromYamlArray -}}
  {{- range $variable, $path := .variables -}}{{- $_ := set $s $variable $path -}}{{- end -}}
{{- end -}}
{{- if has "process" $uses -}}{{- $s = mergeOverwrite $s (deepCopy $v.settings) -}}{{- end -}}
{{- $s = mergeOverwrite $s (deepCopy (default dict .values.settings)) -}}
{{- range $name, $value := $s }}
{{- /* A large number of values.yaml is a float to Helm: 1.073741824e+10 is none to the services. */}}
{{ $name }}: {{ if kindIs "float64" $value }}{{ if eq $value (floor $value) }}{{ printf "%.0f" $value | quote }}{{ else }}{{ $value | toString | quote }}{{ end }}{{ else }}{{ $value | toString | quote }}{{ end }}
{{- end }}
{{- end }}

{{- define "depot.kafkaBrokers" -}}
{{- if .Values.backing.kafka.enabled -}}
{{- $name := printf "%s-kafka" (include "depot.fullname" .) -}}
{{- $brokers := list -}}
{{- range $i := until (int .Values.backing.kafka.replicas) -}}
{{- $brokers = append $brokers (printf "%s-%d.%s:9092" $name $i $name) -}}
{{- end -}}
{{ join "," $brokers }}
{{- else -}}
{{ .Values.kafka.brokers }}
{{- end -}}
{{- end }}

{{- define "depot.objectStoreEndpoint" -}}
{{- if .Values.backing.objectStore.enabled -}}
{{ printf "http://%s-object-store:8333" (include "depot.fullname" .) }}
{{- else -}}
{{ .Values.objectStore.endpoint }}
{{- end -}}
{{- end }}

{{- define "depot.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "depot.fullname" .root }}-{{ .name }}
  labels: {{- include "depot.labels" . | nindent 4 }}
# The variables of docs/operations.md. Nothing secret.
data: {{- include "depot.settings" . | trim | nindent 2 }}
{{- end }}
