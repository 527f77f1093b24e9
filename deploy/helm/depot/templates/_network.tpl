{{/* Pods of this release: (dict "root" $ "name" "kafka"). */}}
{{- define "depot.peer" -}}
- podSelector:
    matchLabels: {{- include "depot.selectorLabels" . | nindent 6 }}
{{- end }}

{{- define "depot.ports" -}}
ports:
  {{- range . }}
  - {protocol: TCP, port: {{ . }}}
  {{- end }}
{{- end }}

{{- define "depot.dnsEgress" -}}
- to: {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}

{{/* To a backing service: its pods, where they are of this release, else where the values say. */}}
{{- define "depot.backingEgress" -}}
{{- if (get .root.Values.backing .key).enabled -}}
- to: {{- include "depot.peer" (dict "root" .root "name" .name) | nindent 4 }}
  {{- include "depot.ports" (list .port) | nindent 2 }}
{{- else -}}
{{- $egress := (get .root.Values .key).egress -}}
- to: {{- toYaml $egress.to | nindent 4 }}
  {{- include "depot.ports" $egress.ports | nindent 2 }}
{{- end }}
{{- end }}

{{- define "depot.outsideEgress" -}}
- to: {{- toYaml .to | nindent 4 }}
  {{- include "depot.ports" .ports | nindent 2 }}
{{- end }}

{{/* What one program is called by and calls, and nothing else. The machine's own probes are let through by all network
plugins that are known to enforce policies. */}}
{{- define "depot.networkPolicy" -}}
{{- $facts := include "depot.factsOf" . | fromYaml -}}
{{- $v := .root.Values -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "depot.fullname" .root }}-{{ .name }}
  labels: {{- include "depot.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "depot.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- if $facts.ports }}
  ingress:
    {{- if $facts.public }}
    # Requests, by way of the ingress controller.
    - from: {{- toYaml $v.networkPolicy.publicFrom | nindent 8 }}
      ports:
        {{- range $facts.public }}
        - {protocol: TCP, port: {{ . }}}
        {{- end }}
    {{- end }}
    # Metrics, for Prometheus.
    - from: {{- toYaml $v.networkPolicy.metricsFrom | nindent 8 }}
      ports:
        - {protocol: TCP, port: admin}
    # How it is, for query-api, which shows the whole.
    - from: {{- include "depot.peer" (dict "root" .root "name" "query-api") | nindent 8 }}
      ports:
        - {protocol: TCP, port: admin}
    {{- if eq .name "uploader" }}
    # The sweep's questions, with a token of the role admin.
    - from: {{- include "depot.peer" (dict "root" .root "name" "command-api") | nindent 8 }}
      ports:
        - {protocol: TCP, port: admin}
    {{- end }}
  {{- end }}
  egress:
    {{- include "depot.dnsEgress" .root | nindent 4 }}
    {{- if has "postgres" $facts.calls }}
    # Postgres.
    {{- include "depot.backingEgress" (dict "root" .root "key" "postgres" "name" "postgres" "port" 5432) | nindent 4 }}
    {{- end }}
    {{- if has "kafka" $facts.calls }}
    # Kafka.
    {{- include "depot.backingEgress" (dict "root" .root "key" "kafka" "name" "kafka" "port" 9092) | nindent 4 }}
    {{- end }}
    {{- if has "redis" $facts.calls }}
    # Redis.
    {{- include "depot.backingEgress" (dict "root" .root "key" "redis" "name" "redis" "port" 6379) | nindent 4 }}
    {{- end }}
    {{- if has "object-store" $facts.calls }}
    # The object store.
    {{- include "depot.backingEgress" (dict "root" .root "key" "objectStore" "name" "object-store" "port" 8333) | nindent 4 }}
    {{- end }}
    {{- if has "uploader" $facts.calls }}
    # The uploader's admin port, for the sweep.
    - to: {{- include "depot.peer" (dict "root" .root "name" "uploader") | nindent 8 }}
      {{- include "depot.ports" (list 9183) | nindent 6 }}
    {{- end }}
    {{- if has "admin-ports" $facts.calls }}
    # The admin ports of all pods, to show the whole.
    {{- range $name, $port := include "depot.adminPorts" . | fromYaml }}
    - to: {{- include "depot.peer" (dict "root" $.root "name" $name) | nindent 8 }}
      {{- include "depot.ports" (list $port) | nindent 6 }}
    {{- end }}
    {{- end }}
    {{- if and (has "scanner" $facts.calls) $v.scanner.address }}
    # The scanner.
    {{- include "depot.outsideEgress" $v.scanner.egress | nindent 4 }}
    {{- end }}
    {{- if and (has "issuer" $facts.calls) $v.jwt.jwks.url }}
    # The issuer's keys.
    {{- include "depot.outsideEgress" $v.jwt.jwks.egress | nindent 4 }}
    {{- end }}
    {{- if and (has "collector" $facts.calls) $v.telemetry.otlpEndpoint }}
    # Traces.
    {{- include "depot.outsideEgress" $v.telemetry.egress | nindent 4 }}
    {{- end }}
{{- end }}

{{/* A backing service of this release: who of it may connect, and nobody else. (dict "root" $ "name" "redis" "port" 6379
"clients" (list "projector")) */}}
{{- define "depot.backingIngress" -}}
- from:
    {{- range .clients }}
    {{- include "depot.peer" (dict "root" $.root "name" .) | nindent 4 }}
    {{- end }}
  {{- include "depot.ports" (list .port) | nindent 2 }}
{{- end }}
